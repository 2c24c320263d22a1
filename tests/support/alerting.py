"""Prometheus and Alertmanager with the pack, hurried, and with stand-ins at the other end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dashboards_py.formats.alertmanager import TEMPLATES, config, templates
from dashboards_py.generate_rules import rules_files, write
from dashboards_py.thresholds import Configuration, Site, Thresholds
from tests.support.notified import Inbox, receivers
from tests.support.prometheus import Prometheus, Server, alertmanager_server, prometheus_server

CONFIG = Path(__file__).parents[2] / "deploy/prometheus/prometheus.yml"
RUNBOOKS = "https://wiki.example.com/runbooks"
ROUTING_KEY = "0123456789abcdef0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything between a metrics page and a person."""

    prometheus: Prometheus
    alertmanager: Server
    inbox: Inbox

    def alerts(self, name: str) -> list[Any]:
        """Return Alertmanager's alerts of a name."""
        return self.alertmanager.get("/api/v2/alerts", filter=f'alertname="{name}"')


def alertmanager_config(directory: Path, inbox: Inbox, **of_site: str) -> Path:
    """Write the pack's configuration, with secrets of the stand-ins and without patience."""
    secrets = directory / "secrets"
    secrets.mkdir()
    (secrets / "slack_api_url").write_text(inbox.address("slack"))
    (secrets / "pagerduty_routing_key").write_text(ROUTING_KEY)
    site = Site(
        runbook_base_url=RUNBOOKS,
        secrets_dir=str(secrets),
        webhook_url=inbox.address("webhook"),
        dead_mans_switch_url=inbox.address("switch"),
        **of_site,
    )
    content = config(site)
    content["global"]["pagerduty_url"] = inbox.address("pagerduty")
    for route in (content["route"], *content["route"]["routes"]):
        route["group_wait"] = "1s"
        route["group_interval"] = "1s"
    path = directory / "alertmanager.yml"
    path.write_text(yaml.safe_dump(content))
    (directory / TEMPLATES).write_text(templates())
    return path


@contextmanager
def alerting(directory: Path, target: str, thresholds: Thresholds) -> Iterator[Scene]:
    """Run both programs on the pack, scraping `target` (host:port) as the service."""
    rules = rules_files(Configuration(thresholds=thresholds, site=Site(runbook_base_url=RUNBOOKS)))
    write(rules, directory / "pack")
    with (
        receivers() as inbox,
        alertmanager_server(alertmanager_config(directory, inbox), directory) as alertmanager,
        prometheus_server(
            CONFIG,
            directory,
            targets={
                "llm-observatory:9464": target,
                "alertmanager:9093": alertmanager.url.removeprefix("http://"),
            },
            rules_dir=directory / "pack" / "prometheus",
        ) as prometheus,
    ):
        yield Scene(prometheus, alertmanager, inbox)
