"""The golden files themselves: readable, complete, small, and of no particular machine."""

import json
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.golden import otlp_json
from tests.golden.libraries import Library, Scenario, load
from tests.golden.normalise import leaks

CAPTURES = Path(__file__).parent / "captures"
FILE_MAX_BYTES = 60_000
ALL_MAX_BYTES = 2_500_000

CASES = [
    pytest.param(library, scenario, id=f"{library.name}/{scenario.name}")
    for library in load()
    for scenario in library.scenarios
]


@pytest.mark.parametrize(("library", "scenario"), CASES)
def test_a_capture_is_an_export_request(library: Library, scenario: Scenario) -> None:
    text = (CAPTURES / library.name / f"{scenario.name}.otlp.json").read_text("utf-8")
    request = otlp_json.loads(text)
    spans: list[Span] = [
        span
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert spans
    assert all(len(span.trace_id) == 16 and len(span.span_id) == 8 for span in spans)
    assert all(span.end_time_unix_nano >= span.start_time_unix_nano for span in spans)
    assert otlp_json.dumps(otlp_json.to_tree(request)) == text
    assert len(text.encode()) <= FILE_MAX_BYTES
    assert leaks(text) == []


@pytest.mark.parametrize(("library", "scenario"), CASES)
def test_an_expectation_is_what_the_script_bills(library: Library, scenario: Scenario) -> None:
    path = CAPTURES / library.name / f"{scenario.name}.expected.json"
    expected = json.loads(path.read_text("utf-8"))
    billed = [turn.usage for turn in scenario.script.turns]
    assert expected["calls"] == len(expected["by_call"]) == len(billed)
    for call, usage in zip(expected["by_call"], billed, strict=True):
        assert call["input"] == usage.input
        assert call["cache_read"] == usage.cache_read
        assert call["cache_write"] == usage.cache_write
        assert call["output"] + call["reasoning"] == usage.output + usage.reasoning
    assert expected["tool_calls"] == scenario.tools
    assert expected["agents"] == scenario.agents
    assert expected.get("library_fault") == library.faults.get(scenario.name)


def test_nothing_else_lies_around_and_all_is_small() -> None:
    files = [path for path in CAPTURES.rglob("*") if path.is_file()]
    wanted = {
        CAPTURES / library.name / f"{scenario.name}.{kind}.json"
        for library in load()
        for scenario in library.scenarios
        for kind in ("otlp", "expected")
    }
    assert set(files) == wanted
    assert sum(path.stat().st_size for path in files) <= ALL_MAX_BYTES


def test_faults_are_told_of_scenarios_that_exist() -> None:
    for library in load():
        names = {scenario.name for scenario in library.scenarios}
        assert set(library.faults) <= names
        assert set(library.without_ttft) <= names
