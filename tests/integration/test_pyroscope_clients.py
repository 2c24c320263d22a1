"""Others' clients of the Pyroscope API: the generated one of Go, and one that hangs up."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.clickhouse_http import ClickHouseServer
from tests.support.otlp import request
from tests.support.prometheus import wait_until
from tests.support.pyroscope import COST, PyroscopeApi, grafana_paths, profile
from tests.support.service import Service, recent_call, running_service, store_url

SOURCE = Path(__file__).parents[1] / "clients" / "pyroscope"
# Modules are downloaded and compiled where they are not yet.
BUILD_TIMEOUT_S = 300
NOW_MS = time.time_ns() // 10**6
RANGE = {"start": str(NOW_MS - 600_000), "end": str(NOW_MS + 600_000)}
ASKED = {"profileTypeID": COST, "labelSelector": "{}", **RANGE}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generated client of Pyroscope's API, which Grafana's data source uses, too."""
    program = tmp_path_factory.mktemp("client") / "pyroscope"
    built = subprocess.run(
        ["go", "build", "-o", program, "."],
        cwd=SOURCE,
        env=os.environ | {"GOFLAGS": "-mod=readonly", "GOWORK": "off"},
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT_S,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return program


@pytest.fixture(scope="module")
def stored(service: Service) -> Service:
    calls = [recent_call(number=1), recent_call({"gen_ai.request.model": "o3"}, number=2, parent=1)]
    assert service.export(request(*calls)).status == 200
    service.wait_until_stored(2)
    return service


@pytest.fixture(scope="module")
def api(stored: Service) -> PyroscopeApi:
    return PyroscopeApi(f"{stored.endpoints.api}/pyroscope")


def run(client: Path, api: PyroscopeApi, procedure: str, **fields: Any) -> Any:
    """Call a procedure with the client; return what it understood of the answer."""
    found = subprocess.run(
        [client, f"{api.url}/", procedure, json.dumps(fields)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert found.returncode in {0, 3}, found.stderr
    return json.loads(found.stdout)


@pytest.mark.parametrize(
    ("procedure", "fields"),
    [
        pytest.param("ProfileTypes", {"start": "1000", "end": "4000"}, id="ProfileTypes"),
        pytest.param("LabelNames", {"matchers": ["{}"], **RANGE}, id="LabelNames"),
        pytest.param("LabelValues", {"name": "model", **RANGE}, id="LabelValues"),
        pytest.param("Series", {"labelNames": ["service_name", "model"], **RANGE}, id="Series"),
        pytest.param("SelectMergeStacktraces", ASKED, id="SelectMergeStacktraces"),
        pytest.param(
            "SelectMergeStacktraces",
            ASKED | {"format": "PROFILE_FORMAT_PPROF"},
            id="SelectMergeStacktraces as pprof",
        ),
        pytest.param(
            "SelectMergeSpanProfile",
            ASKED | {"spanSelector": [f"{1:016x}"], "maxNodes": "100"},
            id="SelectMergeSpanProfile",
        ),
        pytest.param("SelectMergeProfile", ASKED, id="SelectMergeProfile"),
        pytest.param(
            "SelectSeries",
            ASKED | {"step": 15, "groupBy": ["model"], "exemplarType": "EXEMPLAR_TYPE_SPAN"},
            id="SelectSeries",
        ),
        pytest.param("SelectHeatmap", ASKED | {"step": 15}, id="SelectHeatmap"),
        pytest.param("Diff", {"left": ASKED, "right": ASKED}, id="Diff"),
        pytest.param("GetProfileStats", {}, id="GetProfileStats"),
        pytest.param("AnalyzeQuery", {"query": f"{COST}{{}}", **RANGE}, id="AnalyzeQuery"),
    ],
)
def test_the_generated_client_understands_every_answer(
    client: Path, api: PyroscopeApi, procedure: str, fields: dict[str, Any]
) -> None:
    found = run(client, api, procedure, **fields)
    assert found
    assert found == api.ask(procedure, **fields)


def test_the_generated_client_draws_what_grafana_draws(client: Path, api: PyroscopeApi) -> None:
    found = grafana_paths(run(client, api, "SelectMergeStacktraces", **ASKED)["flamegraph"])
    assert list(found) == [
        ("total",),
        ("total", "llm.gpt-4o"),
        ("total", "llm.gpt-4o", "llm.o3"),
    ]
    assert found[("total",)][0] == sum(own for _, own in found.values()) > 0


def test_the_generated_client_reads_refusals(client: Path, api: PyroscopeApi) -> None:
    wrong = run(client, api, "SelectSeries", **ASKED, step=0)
    assert wrong["code"] == "invalid_argument"
    assert "step" in wrong["message"]
    assert (
        run(client, api, "SelectMergeStacktraces", **ASKED, format="PROFILE_FORMAT_TREE")["code"]
        == "unimplemented"
    )


# Clients that do not wait -------------------------------------------------------------------

# What a flame graph of wall time reads, slowed down by a selector that is hard to match.
SLOW = {"profileTypeID": profile("wall"), "labelSelector": "{}", **RANGE}


@pytest.fixture(scope="module")
def slow(clickhouse: ClickHouseServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A service whose store takes long to answer questions about spans, and one client for them."""
    directory = tmp_path_factory.mktemp("slow")
    settings = {"clickhouse_url": store_url(clickhouse), "queries_max": 1, "query_wait_max_s": 0.1}
    with running_service(directory, **settings) as service:
        yield service


def test_a_client_says_how_long_it_waits(
    slow: Service, clickhouse: ClickHouseServer, stored: Service
) -> None:
    del stored
    api = PyroscopeApi(f"{slow.endpoints.api}/pyroscope")
    clickhouse.delay(2.0, match=r"FROM otel_traces\s")
    try:
        answer = api.post(
            "SelectMergeStacktraces",
            json.dumps(SLOW).encode(),
            headers={"Connect-Timeout-Ms": "100"},
        )
    finally:
        clickhouse.control({})
    assert (answer.status, answer.json["code"]) == (504, "deadline_exceeded")


def test_a_question_ends_when_its_client_hangs_up(
    slow: Service, clickhouse: ClickHouseServer, stored: Service
) -> None:
    """The store is told to stop it, and its client is free for the next question."""
    del stored
    parts = urlsplit(slow.endpoints.api)
    body = json.dumps(SLOW).encode()
    head = (
        "POST /pyroscope/querier.v1.QuerierService/SelectMergeStacktraces HTTP/1.1\r\n"
        f"Host: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    clickhouse.control({"fail": [{"code": 1, "match": "KILL QUERY"}], "delay_s": 1.0,
                        "match": r"FROM otel_traces\s"})  # fmt: skip
    with socket.create_connection((parts.hostname or "", parts.port or 0)) as connection:
        connection.sendall(head.encode() + body)
        api = PyroscopeApi(f"{slow.endpoints.api}/pyroscope")
        # The only client is lent out as long as the question runs.
        wait_until(lambda: _busy(api), 20, lambda: "the question never ran")
    wait_until(lambda: not clickhouse.control()["fail"], 20, lambda: "nothing was stopped")
    clickhouse.control({})
    wait_until(lambda: not _busy(api), 20, lambda: "the question still runs")


def _busy(api: PyroscopeApi) -> bool:
    answer = api.post("GetProfileStats", b"{}")
    assert answer.status in {200, 429, 503}, answer
    return answer.status == 429
