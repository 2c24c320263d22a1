"""Traces that other projects recorded: their calls and totals, worked out by hand.

The folder stands beside the repository and is not part of it.
"""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from exporter.genai.attribution.memory import TraceMemory
from exporter.spans.batch import SpanBatch
from exporter.spans.decode import Decoder
from exporter.spans.rejection import SpanLimits
from exporter.spans.schema import TOKEN_KINDS
from tests.support.otlp import NOON_NS, NS
from tests.unit.pipeline import NORMALISE, PRICE, row

FOLDER = Path(__file__).parents[3] / "shared" / "fixtures"
FAR_NS = 30 * 365 * 86_400 * NS
DECODER = Decoder(SpanLimits(end_before_start_max_ns=0, age_max_ns=FAR_NS, future_max_ns=FAR_NS))
IDS = {"traceId", "spanId", "parentSpanId"}
INPUT = {"input", "input_audio", "input_image", "cache_read", "cache_write", "cache_write_1h"}
OUTPUT = {"output", "reasoning", "output_audio", "output_image"}

EXPECTED = FOLDER / "expected.json"
NAMES = sorted(json.loads(EXPECTED.read_text(encoding="utf-8"))) if EXPECTED.exists() else []

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the shared fixtures are not here")


def with_base64_ids(part: Any) -> Any:
    """OTLP/JSON writes ids in hex where protobuf's JSON reads base64."""
    if isinstance(part, dict):
        return {
            key: base64.b64encode(bytes.fromhex(value)).decode()
            if key in IDS
            else with_base64_ids(value)
            for key, value in part.items()
        }
    return [with_base64_ids(item) for item in part] if isinstance(part, list) else part


def read(name: str) -> SpanBatch:
    document = json.loads((FOLDER / f"{name}.otlp.json").read_text(encoding="utf-8"))
    message = ExportTraceServiceRequest()
    json_format.ParseDict(with_base64_ids(document), message, ignore_unknown_fields=True)
    batch, verdicts = DECODER.decode([message.SerializeToString()], NOON_NS)
    assert verdicts[0].error is None
    assert not verdicts[0].rejected
    batch = NORMALISE(batch)
    memory = TraceMemory(max_spans=10_000, max_age_s=600)
    memory.remember(batch, 0.0)
    return PRICE(memory.attribute(batch))


def totals(batch: SpanBatch) -> dict[str, int]:
    rows = [row(batch, at) for at in range(len(batch))]
    calls = [each for each in rows if each["UsageRole"] == "own"]

    def tokens(kinds: set[str]) -> int:
        columns = [kind.column for kind in TOKEN_KINDS if kind.name in kinds]
        return sum(call[column] or 0 for call in calls for column in columns)

    return {
        "llm_calls": len(calls),
        "input": tokens(INPUT),
        "output": tokens(OUTPUT),
        "cache_read": tokens({"cache_read"}),
        "cache_write": tokens({"cache_write", "cache_write_1h"}),
        "reasoning": tokens({"reasoning"}),
        "tool_errors": sum((r["SpanClass"], r["Status"]) == ("tool", "error") for r in rows),
    }


def with_usage(name: str) -> list[dict[str, Any]]:
    """Return the spans of a recorded trace that report tokens, for tests of who owns them.

    Each with its name, class, role, and its input (with cached tokens) and output (with
    reasoning).
    """
    batch = read(name)
    found: list[dict[str, Any]] = []
    for at in range(len(batch)):
        each = row(batch, at)
        if not dict(each["ReportedUsage"]):
            continue
        totals_of = {
            part: sum(each[kind.column] or 0 for kind in TOKEN_KINDS if kind.name in kinds)
            for part, kinds in (("input", INPUT), ("output", OUTPUT))
        }
        names = {part: each[part] for part in ("SpanName", "SpanClass", "UsageRole")}
        found.append(names | totals_of)
    return found


@pytest.mark.parametrize(
    ("name", "span_class", "tokens"),
    [
        ("langfuse_adk_blob_v1", "wrapper", (1000, 200)),
        ("langfuse_adk_v2", "wrapper", (1000, 200)),
        ("langfuse_anthropic_dotted_and_flat", None, (100, 0)),
        ("langfuse_genai_cache", None, (100, 40)),
        ("langfuse_pydantic_ai_cache", None, (120, 40)),
        ("langfuse_vercel_anthropic_5m_1h", None, (9500, 200)),
        ("langfuse_vercel_bedrock_cache", None, (10_216, 178)),
        ("langfuse_vercel_openai_usage", None, (18_495, 445)),
        ("langfuse_openinference_reasoning_audio", None, (100, 50)),
    ],
)
def test_usage_on_a_span_that_names_no_operation(
    name: str, span_class: str | None, tokens: tuple[int, int]
) -> None:
    (only,) = with_usage(name)
    # Nothing below it reports the usage, so it counts, whatever the span is.
    assert (only["SpanClass"], only["UsageRole"]) == (span_class, "own")
    assert (only["input"], only["output"]) == tokens


def test_a_wrapper_repeats_the_usage_of_its_call() -> None:
    found = with_usage("strands-evals_adk_live")
    assert sorted((u["SpanClass"], u["input"], u["output"]) for u in found) == [
        ("call", 157, 51),
        ("call", 222, 33),
        ("wrapper", 157, 51),
        ("wrapper", 222, 33),
    ]


def test_claude_codes_call_in_full() -> None:
    batch = read("latitude_claude-code")
    (call,) = [
        row(batch, at) for at in range(len(batch)) if batch["SpanClass"][at].as_py() == "call"
    ]
    assert (call["RequestModel"], call["TimeToFirstToken"]) == ("claude-opus-4-6", 1_953_000_000)


def test_langfuses_cost_is_the_sum_of_its_parts() -> None:
    costs = read("langfuse_langfuse_sdk")["ReportedCostUsd"].to_pylist()
    assert [str(cost) for cost in costs if cost is not None] == ["0.002100000"]


@pytest.mark.parametrize("name", NAMES)
def test_calls_and_tokens_of_a_recorded_trace(name: str) -> None:
    expected = json.loads(EXPECTED.read_text(encoding="utf-8"))[name]
    got = totals(read(name))
    assert got == got | {key: value for key, value in expected.items() if key in got}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.otlp.json")), ids=lambda path: path.name)
def test_every_recorded_trace_passes_through(path: Path) -> None:
    batch = read(path.name.removesuffix(".otlp.json"))
    assert len(batch) > 0
    assert set(batch["Status"].to_pylist()) <= {"ok", "error"}


def test_a_reported_cost_is_kept() -> None:
    assert [str(cost) for cost in read("langfuse_openlit")["ReportedCostUsd"].to_pylist()] == [
        "0.000151000",
    ]


def test_a_time_in_nanoseconds_under_a_name_for_seconds_is_read() -> None:
    times = read("latitude_genai")["TimeToFirstToken"].to_pylist()
    assert 250_000_000 in times
