"""An explanation says what the stages decided, adds up to the cost, and shows what has changed."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from exporter.commands.explain import _by_parent, _lines
from exporter.genai import convention
from exporter.genai.attribution.memory import TraceMemory
from exporter.genai.prices.book import PriceBook
from exporter.genai.prices.price_file import Override
from exporter.genai.prices.pricer import CostSource, Pricer
from exporter.query.explain import Explainer
from exporter.query.explanation import SpanExplanation, TraceExplanation
from exporter.query.stored import rebuild
from exporter.query.stored_spans import (
    CONTENT_ATTRIBUTE_POSITIONS,
    CONTENT_ATTRIBUTE_TYPES,
    CONTENT_ATTRIBUTES,
)
from exporter.spans.rows import rows
from exporter.spans.schema import ARROW_TYPES, CONTENT_TABLE, SPANS_TABLE
from tests.golden import otlp_json
from tests.support.otlp import NOON_NS, request
from tests.unit.pipeline import DECODER, NORMALISE, PRICE, chat, decode
from tests.unit.test_decode_properties import (
    DECODER as STRICT_DECODER,
)
from tests.unit.test_decode_properties import GENERATED, REQUESTS, comparable, expected

CAPTURES = Path(__file__).parents[1] / "golden" / "captures"
EXPLAIN = Explainer(convention.load(), PriceBook())


def stored(*requests: bytes, pricer: Pricer = PRICE) -> pa.Table:
    """Return requests as the rows that a reader gets: spans, and the content that is asked for."""
    batch = NORMALISE(decode(*requests))
    memory = TraceMemory(max_spans=100_000, max_age_s=1.0)
    memory.remember(batch, 0.0)
    tables = rows(pricer(memory.attribute(batch))).tables
    table = pa.Table.from_batches([tables[SPANS_TABLE]])
    content = tables[CONTENT_TABLE].to_pylist(maps_as_pydicts="strict")
    by_span = {(row["TraceId"], row["SpanId"]): row for row in content}
    keys = zip(table["TraceId"].to_pylist(), table["SpanId"].to_pylist(), strict=True)
    found = [by_span.get(key, {}) for key in keys]
    for name, of_content in (
        (CONTENT_ATTRIBUTES, "Attributes"),
        (CONTENT_ATTRIBUTE_TYPES, "AttributeTypes"),
    ):
        maps = [list(row.get(of_content, {}).items()) for row in found]
        table = table.append_column(name, pa.array(maps, pa.map_(pa.string(), pa.string())))
    return table


def explained(*spans: Span, explainer: Explainer = EXPLAIN, **of_request: Any) -> TraceExplanation:
    return explainer(stored(request(*spans, **of_request)))


def call(usage: dict[str, Any], **of_span: Any) -> Span:
    names = {"in": "input_tokens", "out": "output_tokens", "read": "cache_read.input_tokens"}
    more = {f"gen_ai.usage.{names[k]}": v for k, v in usage.items() if k in names}
    others = {k: v for k, v in usage.items() if k not in names}
    return chat(more | others, **of_span)


def only(trace: TraceExplanation) -> SpanExplanation:
    [span] = trace.spans
    return span


# Rows back to OTLP ----------------------------------------------------------------------------


def with_storable_times(message: ExportTraceServiceRequest) -> ExportTraceServiceRequest:
    for resource in message.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                for event in span.events:
                    event.time_unix_nano = min(event.time_unix_nano, 2**63 - 1)
    return message


@GENERATED
@given(REQUESTS)
def test_rows_give_back_the_spans_that_they_came_from(message: ExportTraceServiceRequest) -> None:
    payload = with_storable_times(message).SerializeToString()
    batch, _ = STRICT_DECODER.decode([payload], NOON_NS)
    rebuilt = rebuild(rows(PRICE(NORMALISE(batch))).tables[SPANS_TABLE])
    came, _ = expected(payload)
    given_back, _ = expected(rebuilt.request)
    in_order = [given_back[rebuilt.rows.index(row)] for row in range(len(came))]
    assert [comparable(each) for each in in_order] == [comparable(each) for each in came]


def test_spans_of_one_resource_and_scope_stand_together() -> None:
    table = stored(
        request(chat(number=1), resource={"service.name": "a"}),
        request(chat(number=2), resource={"service.name": "b"}),
        request(chat(number=3), resource={"service.name": "a"}),
    )
    rebuilt = rebuild(table)
    given_back = ExportTraceServiceRequest.FromString(rebuilt.request)
    assert rebuilt.rows == (0, 2, 1)
    assert [len(r.scope_spans[0].spans) for r in given_back.resource_spans] == [2, 1]


def test_content_whose_place_is_not_in_the_span_stands_at_its_end() -> None:
    """A span that came twice, with other attributes, has one content for both of its rows."""
    bare = stored(request(*(chat({"a": "1", "b": "2"}, number=number) for number in (1, 2))))
    table = bare.drop_columns([CONTENT_ATTRIBUTES, CONTENT_ATTRIBUTE_TYPES])
    text = ARROW_TYPES["Map(LowCardinality(String), String)"]
    for name, values, arrow in (
        (CONTENT_ATTRIBUTES, [[("prompt", "hello")]] * 2, text),
        (CONTENT_ATTRIBUTE_TYPES, [[], []], text),
        (CONTENT_ATTRIBUTE_POSITIONS, [[99], [0]], ARROW_TYPES["Array(UInt32)"]),
    ):
        table = table.append_column(name, pa.array(values, arrow))
    (resource,) = ExportTraceServiceRequest.FromString(rebuild(table).request).resource_spans
    first, second = ([each.key for each in one.attributes] for one in resource.scope_spans[0].spans)
    assert (first.index("prompt"), second.index("prompt")) == (len(first) - 1, 0)
    assert sorted(first) == sorted(second)


# What is said of real instrumentations --------------------------------------------------------


def test_every_capture_is_explained_as_it_was_stored() -> None:
    files = sorted(CAPTURES.rglob("*.otlp.json"))
    table = stored(*(otlp_json.loads(f.read_text("utf-8")).SerializeToString() for f in files))
    found = EXPLAIN(table)
    assert len(found.spans) == table.num_rows
    assert [s.differences for s in found.spans if s.differences] == []
    assert found.counted_usd == found.stored_usd > 0
    for span in found.spans:
        used = {e.field: e.value for e in span.evidence if e.used}
        # Where the span names none, the provider is that of the price list's entry.
        assert used.get("provider", span.provider) == span.provider
        assert used.get("request_model") == span.request_model
        assert used.get("response_model") == span.response_model
        counts = {name: n for name, n in used.items() if name.endswith("_tokens")}
        assert {name: int(n) for name, n in counts.items()} == span.reported_usage
        assert (span.usage_role is None) == (span.usage_because is None)
        if span.cost is not None and span.cost.source == "computed":
            assert span.cost.computed_usd == span.cost.usd


# Decisions ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usage", "rule", "included"),
    [
        pytest.param({"in": 10, "out": 1, "read": 20}, "exceeds", False, id="part above whole"),
        pytest.param({"in": 30, "out": 1, "read": 20}, "convention", True, id="the convention's"),
        pytest.param(
            {"in": 30, "out": 1, "read": 20, "gen_ai.usage.total_tokens": 51},
            "total",
            False,
            id="a total that only another reading explains",
        ),
        pytest.param(
            {"in": 30, "out": 1, "read": 20, "gen_ai.usage.total_tokens": 31},
            "convention",
            True,
            id="a total that agrees",
        ),
    ],
)
def test_the_rule_that_read_the_input(usage: dict[str, Any], rule: str, included: bool) -> None:
    [reading] = only(explained(call(usage))).readings
    assert (reading.total, reading.rule, reading.included) == ("input", rule, included)


def test_a_scope_that_is_known_is_named() -> None:
    scope = "opentelemetry.instrumentation.bedrock"
    marked = {"llm.request.type": "chat", "in": 30, "out": 1, "read": 20}
    span = only(explained(call(marked), scope=scope))
    assert [(r.rule, r.included) for r in span.readings] == [("scope", False)]
    assert scope in span.readings[0].because


def test_content_is_not_shown_beside_what_is_read_from_it() -> None:
    parameters = '{"model": "gpt-4o", "messages": "secret"}'
    marked = {"openinference.span.kind": "LLM", "llm.invocation_parameters": parameters}
    span = only(explained(call({"gen_ai.request.model": "", **marked})))
    assert span.request_model == "gpt-4o"
    assert "secret" not in span.model_dump_json()


def test_without_parts_there_is_nothing_to_decide() -> None:
    assert only(explained(call({"in": 30, "out": 1, "read": 0}))).readings == []


def test_the_first_source_is_used_and_the_others_are_shown() -> None:
    span = only(explained(chat({"gen_ai.system": "azure.ai.openai"})))
    said = [(e.place, e.raw, e.used) for e in span.evidence if e.field == "provider"]
    assert said[0] == ("gen_ai.provider.name", "openai", True)
    assert ("gen_ai.system", "azure.ai.openai", False) in said


def test_a_span_that_comes_again_is_said_to() -> None:
    again = request(call({"in": 3, "out": 1}))
    first, second = EXPLAIN(stored(again, again)).spans
    assert (first.usage_role, second.usage_role) == ("own", "duplicate")
    assert second.usage_because == "the same span came before"


# Costs ----------------------------------------------------------------------------------------


def test_a_call_that_another_trace_tells_is_said_to_be_counted_there() -> None:
    spans = {
        scope: chat(
            {"gen_ai.usage.input_tokens": 29, "gen_ai.usage.output_tokens": 13},
            number=number,
            trace=number,
        )
        for number, scope in enumerate(("langchain", "openai"), 1)
    }
    table = stored(*(request(told, scope=scope) for scope, told in spans.items()))
    traces = [EXPLAIN(table.slice(at, 1)) for at in range(2)]
    assert sum(trace.counted_calls for trace in traces) == 1
    for trace in traces:
        span = only(trace)
        assert (span.usage_role == "own") is (trace.counted_calls == 1)
        assert not span.differences
        if not span.is_counted:
            assert "one of another trace" in (span.usage_because or "")
            assert trace.counted_usd == trace.stored_usd == 0


def test_a_tier_goes_by_all_input_tokens() -> None:
    book = PriceBook(
        [
            Override.model_validate(
                {
                    "model": "gpt-4o",
                    "prices": {"input": 1, "output": 2},
                    "above": [{"input_tokens": 100, "prices": {"input": 10, "output": 20}}],
                    "request_usd": "0.5",
                }
            )
        ]
    )
    explainer = Explainer(convention.load(), book)
    at, above = explained(
        call({"in": 100, "out": 1}), call({"in": 101, "out": 1}, number=2), explainer=explainer
    ).spans
    assert at.cost is not None
    assert above.cost is not None
    assert [line.above_input_tokens for line in at.cost.lines] == [None] * 3
    assert [line.above_input_tokens for line in above.cost.lines] == [100, 100, None]
    assert above.cost.computed_usd == above.cost.usd == Decimal("0.50103")
    assert {d.column for d in above.differences} >= {"CostUsd", "PriceId", "PriceVersion"}


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"gen_ai.request.model": "nobody-knows"}, "unknown_model"),
        ({"gen_ai.request.model": ""}, "no_model"),
    ],
    ids=["unknown model", "no model"],
)
def test_why_there_is_no_price(attributes: dict[str, Any], reason: str) -> None:
    cost = only(explained(call({"in": 3, "out": 1, **attributes}))).cost
    assert cost is not None
    assert (cost.usd, cost.card, cost.unpriced_reason) == (None, None, reason)
    assert "model" in cost.because


@pytest.mark.parametrize(
    ("key", "setting", "source", "because"),
    [
        ("gen_ai.usage.total_cost", CostSource.CHARGED_FIRST, "reported", "a gateway's charge"),
        ("llm.cost.total", CostSource.CHARGED_FIRST, "computed", "an estimate by an SDK"),
        ("llm.cost.total", CostSource.REPORTED_FIRST, "reported", "cost_source=reported_first"),
    ],
    ids=["a charge", "an estimate", "as set"],
)
def test_which_cost_counts_and_why(
    key: str, setting: CostSource, source: str, because: str
) -> None:
    explainer = Explainer(convention.load(), PriceBook(), setting)
    marked = {"openinference.span.kind": "LLM", "llm.model_name": "gpt-4o"}
    span = call({"in": 1000, "out": 0, key: 0.5, **marked})
    cost = only(explained(span, explainer=explainer)).cost
    assert cost is not None
    assert cost.reported_usd == Decimal("0.5")
    assert cost.source == source
    assert because in cost.because
    assert cost.computed_usd == Decimal("0.0025")


def test_estimated_counts_are_taken_from_the_store() -> None:
    table = stored(request(chat()))
    for name, value in (("UsageSource", "estimated"), ("TokensInput", 40), ("TokensOutput", 2)):
        position = table.schema.get_field_index(name)
        column = pa.array([value], table.schema.field(name).type)
        table = table.set_column(position, name, column)
    span = only(EXPLAIN(table))
    assert span.usage_source == "estimated"
    assert span.tokens == {"input": 40, "output": 2}
    assert {d.column for d in span.differences} >= {"CostUsd"}


def test_content_that_is_gone_is_given_as_the_likely_cause() -> None:
    output = '{"usage": {"inputTokens": 7, "outputTokens": 5}}'
    attributes = {
        "genkit:type": "action",
        "genkit:metadata:subtype": "model",
        "genkit:name": "googleai/gemini-2.5-flash",
        "genkit:output": output,
    }
    table = stored(request(chat(attributes), scope="genkit-tracer"))
    assert only(EXPLAIN(table)).differences == []
    gone = table.drop_columns([CONTENT_ATTRIBUTES, CONTENT_ATTRIBUTE_TYPES])
    notes = {d.note for d in only(EXPLAIN(gone)).differences if d.stored is not None}
    assert notes == {"this may have been read from the content, which is deleted sooner"}


# What is printed ------------------------------------------------------------------------------


def test_every_span_is_shown_once_below_its_parent_even_in_a_loop() -> None:
    found = explained(
        chat(number=1, parent=2), chat(number=2, parent=1), chat(number=3, parent=3), chat(number=4)
    )
    shown = [(int(span.span_id, 16), depth) for span, depth in _by_parent(found.spans)]
    assert sorted(n for n, _ in shown) == [1, 2, 3, 4]
    assert shown[-2:] == [(1, 0), (2, 1)]


def test_what_is_printed_steers_no_terminal() -> None:
    found = explained(chat({"gen_ai.request.model": "\x1b[2Jgpt-4o"}, name="a\x1b]0;b\x07"))
    text = "\n".join(line.plain for line in _lines(found))
    assert "\x1b" not in text
    assert "gpt-4o" in text


def test_an_age_that_is_refused_today_is_explained_all_the_same() -> None:
    batch, _ = DECODER.decode([request(chat(start_ns=NOON_NS - 10**17))], NOON_NS)
    assert len(batch) == 1
    assert only(explained(chat(start_ns=NOON_NS - 10**17))).differences == []
