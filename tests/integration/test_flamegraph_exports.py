"""Flame graphs as files, over HTTP and from the command line: the same totals in every form."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from exporter.query.flame.encode.pprof import Profile
from exporter.query.flame_export import ENDINGS, Form, form_of
from tests.support.otlp import NS, request, span
from tests.support.service import (
    Answer,
    Service,
    environment,
    http,
    recent_call,
    running_service,
)

EVIL = "=1+1"
FIRST = f"{1:032x}"
TOTAL_NANO = 400_000 + 3 * 27_000


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    agent = recent_call({"gen_ai.operation.name": "invoke_agent"}, number=1, name="planner")
    start = agent.start_time_unix_nano
    call = recent_call(
        {"gen_ai.usage.cache_read.input_tokens": 40}, number=2, parent=1, start_ns=start + NS // 4,
        duration_ns=NS // 2,
    )  # fmt: skip
    tool = span(
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": EVIL}, number=3, parent=1,
        start_ns=start, duration_ns=NS // 4,
    )  # fmt: skip
    small = [recent_call({"gen_ai.request.model": "gpt-4o-mini"}, trace=n) for n in (2, 3, 4)]
    with running_service(tmp_path_factory.mktemp("flame")) as running:
        running.export(request(agent, call, tool, *small))
        running.wait_until_stored(6)
        yield running


def get(service: Service, path: str = "", **parameters: Any) -> Answer:
    return http(f"{service.endpoints.api}/api/flamegraph{path}?{urlencode(parameters)}")


def total(form: Form, body: bytes) -> float:  # noqa: PLR0911 - one return for each form
    """Return what a file's own values add up to."""
    match form:
        case Form.JSON:
            rows = json.loads(body)["rows"]
            assert rows[0]["value"] == sum(row["self"] for row in rows) == json.loads(body)["total"]
            return rows[0]["value"]
        case Form.NESTED_SET:
            return round(sum(row["self"] for row in json.loads(body)) * 1e9)
        case Form.CSV:
            rows = csv.DictReader(io.StringIO(body.decode(), newline=""))
            return round(sum(float(row["self"]) for row in rows) * 1e9)
        case Form.FOLDED:
            return sum(int(line.rsplit(" ", 1)[1]) for line in body.decode().splitlines())
        case Form.SPEEDSCOPE:
            return json.loads(body)["profiles"][0]["endValue"]
        case Form.D3:
            return json.loads(body)["value"]
        case Form.PPROF:
            profile = Profile.FromString(gzip.decompress(body))
            return sum(sample.value[0] for sample in profile.sample)
        case Form.SVG:
            assert body.startswith(b"<svg")
            return TOTAL_NANO


@pytest.mark.parametrize("form", list(Form))
def test_every_form_has_the_cost_that_was_counted(service: Service, form: Form) -> None:
    found = get(service, type="cost", format=form.value)
    assert found.status == 200, found
    assert total(form, found.body) == TOTAL_NANO


def test_frames_for_the_panel_are_a_bare_list_in_dollars(service: Service) -> None:
    rows = get(service, format="nested_set").json
    assert [(row["level"], row["label"], row["value"]) for row in rows] == [
        (0, "total", 0.000481),
        (1, "agent.planner", 0.0004),
        (2, "llm.gpt-4o", 0.0004),
        (1, "llm.gpt-4o-mini", 8.1e-05),
    ]


def test_one_trace_one_span_and_labels_for_levels(service: Service) -> None:
    one = get(service, type="calls", trace_id=FIRST).json
    assert one["total"] == 1
    below = get(service, type="duration", trace_id=FIRST, span_id=f"{3:016x}").json
    assert [row["label"] for row in below["rows"]][-1] == f"tool.{EVIL}"
    assert below["total"] == NS // 4
    by = get(service, by="model,token_type", format="folded").body.decode()
    assert "gpt-4o;cache_read 50000\n" in by
    few = get(service, max_nodes=2).json
    assert few["total"] == TOTAL_NANO
    assert [row["label"] for row in few["rows"]] == ["total", "other"]


def test_a_diff_lays_two_selectors_on_each_other(service: Service) -> None:
    parameters = {"base_query": '{model="gpt-4o"}', "query": '{model="gpt-4o-mini"}'}
    both = get(service, "/diff", **parameters).json
    assert (both["total"], both["total_right"]) == (400_000, 81_000)
    before = get(service, "/diff", format="csv").body.decode().splitlines()
    assert before[0] == "label,level,value,self,valueRight,selfRight"
    assert before[1] == "total,0,0.0,0.0,0.000481,0.0"


@pytest.mark.parametrize(
    ("path", "parameters", "message"),
    [
        ("", {"type": "beauty"}, "write one of cost, tokens"),
        ("", {"from": "yesterday"}, "is no time"),
        ("", {"query": "{"}, "is expected"),
        ("", {"by": 'x"}'}, "write labels, separated by commas"),
        ("", {"by": "colour"}, "cannot group by colour"),
        ("", {"trace_id": "12"}, "32 hex digits"),
        ("", {"format": "flame"}, "format: "),
        ("", {"max_nodes": 1}, "max_nodes: "),
        ("", {"colour": "red"}, "no such parameter"),
        ("/diff", {"format": "svg"}, "a diff comes as json, nested_set, csv"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    service: Service, path: str, parameters: dict[str, Any], message: str
) -> None:
    refused = get(service, path, **parameters)
    assert refused.status == 400
    assert message in refused.json["detail"]


def command(*arguments: str, **settings: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "exporter", "flamegraph", *arguments],
        env=environment(**settings),
        cwd=Path(__file__).parents[2],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )


def test_the_command_asks_the_service_and_the_file_says_its_form(
    service: Service, tmp_path: Path
) -> None:
    file = tmp_path / "out.speedscope.json"
    arguments = ("--type", "cost", "--since", "1h", "--query", '{model="gpt-4o"}')
    done = command(*arguments, "--output", str(file), "--api-url", service.endpoints.api)
    assert done.returncode == 0, done.stderr
    assert total(Form.SPEEDSCOPE, file.read_bytes()) == 400_000


def test_without_a_service_the_store_is_read(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        service.export(request(recent_call()))
        service.wait_until_stored(1)
        taken = command(clickhouse_url=service.clickhouse_url, api_port=0)
        assert taken.returncode == 2
        assert b"api_port is 0" in taken.stderr
        assert b"--api-url" in taken.stderr
        assert service.stop() == 0
    done = command(clickhouse_url=service.clickhouse_url, api_port=0)
    assert (done.returncode, done.stdout) == (0, b"llm.gpt-4o 450000\n"), done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--output", "flame.doc"), b"name the file *.speedscope.json"),
        (("--type", "beauty"), b"write one of cost"),
        (("--since", "soon"), b"is no time"),
        (("--query", "{"), b"is expected"),
    ],
)
def test_a_wrong_command_says_what_to_write(arguments: tuple[str, ...], message: bytes) -> None:
    failed = command(*arguments)
    assert failed.returncode == 2
    assert message in failed.stderr
    assert b"Traceback" not in failed.stderr


def test_every_form_but_those_that_share_an_ending_has_one() -> None:
    assert {form_of(f"X{ending.upper()}") for ending in ENDINGS} == set(Form)
