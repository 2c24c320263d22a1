"""What the service shows about itself is what `exporter/metrics/own.py` declares."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from exporter.metrics.catalog import MetricType
from exporter.metrics.own import OWN_METRICS
from tests.support.otlp import request
from tests.support.service import http, recent_call, running_service


def test_every_declared_metric_is_shown_and_every_one_shown_is_declared(tmp_path: Path) -> None:
    with running_service(tmp_path, label_values_max=1) as service:
        service.export(b"not a request")
        future = recent_call(number=9, start_ns=2**62)
        for number in (1, 2):
            service.export(request(recent_call(number=number), future))
        service.wait_until_stored(1)
        http(f"{service.endpoints.api}/api/summary")
        service.scrape()
        text = service.scrape().body.decode()

    families = {
        family.name: family
        for family in text_string_to_metric_families(text)
        if family.name.startswith("llm_observatory")
    }
    shown = {
        name: (
            family.type,
            {label for sample in family.samples for label in sample.labels} - {"le"},
        )
        for name, family in families.items()
    }
    assert shown == {m.name: (str(m.type), set(m.labels)) for m in OWN_METRICS}
    assert {m.type for m in OWN_METRICS} == set(MetricType)
