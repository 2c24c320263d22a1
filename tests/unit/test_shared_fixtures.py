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

from exporter.spans.batch import SpanBatch
from exporter.spans.decode import Decoder, SpanLimits
from exporter.spans.schema import TOKEN_KINDS
from tests.support.otlp import NOON_NS, NS
from tests.unit.pipeline import NORMALISE, PRICE, row

FOLDER = Path(__file__).parents[3] / "shared" / "fixtures"
FAR_NS = 30 * 365 * 86_400 * NS
DECODER = Decoder(SpanLimits(end_before_start_max_ns=0, age_max_ns=FAR_NS, future_max_ns=FAR_NS))
IDS = {"traceId", "spanId", "parentSpanId"}
INPUT = {"input", "input_audio", "input_image", "cache_read", "cache_write", "cache_write_1h"}
OUTPUT = {"output", "reasoning", "output_audio", "output_image"}

# The traces that the conventions read so far get right. The others wait for conventions of their
# own (Claude Code, Langfuse, ADK before 2.3), and for calls that name no operation.
RIGHT = [
    "langfuse_openlit",
    "langfuse_traceloop",
    "latitude_genai",
    "latitude_genai_deprecated",
    "latitude_genai_indexed",
    "latitude_openinference",
    "latitude_vercel",
    "latitude_vercel_duplicated_outer_usage",
    "strands-evals_adk_live",
    "strands-evals_autogen_live",
    "strands-evals_otel_genai_convention",
]

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
    return PRICE(NORMALISE(batch))


def totals(batch: SpanBatch) -> dict[str, int]:
    rows = [row(batch, at) for at in range(len(batch))]
    calls = [each for each in rows if each["SpanClass"] == "call"]

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


@pytest.mark.parametrize("name", RIGHT)
def test_calls_and_tokens_of_a_recorded_trace(name: str) -> None:
    expected = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))[name]
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
