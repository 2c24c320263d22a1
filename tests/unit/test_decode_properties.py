"""The decoder against the protobuf runtime: the same bytes must give the same spans."""

import base64
import json
import math
from collections import Counter
from typing import Any

import pyarrow as pa
import pytest
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    ArrayValue,
    InstrumentationScope,
    KeyValue,
    KeyValueList,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from exporter.errors import MalformedError
from exporter.spans.batch import Attributes, Children, SpanBatch
from exporter.spans.decode import Decoder
from exporter.spans.rejection import SpanLimits, Verdict
from exporter.spans.schema import SPAN_KINDS, STATUS_CODES, ValueKind
from tests.support.otlp import NOON_NS, NS, any_value, key_values, request, span

LIMITS = SpanLimits(end_before_start_max_ns=NS, age_max_ns=3600 * NS, future_max_ns=60 * NS)
DECODER = Decoder(LIMITS)


def decode(*requests: bytes) -> tuple[SpanBatch, list[Verdict]]:
    return DECODER.decode(requests, NOON_NS)


# What the protobuf runtime reads --------------------------------------------------------------


def reason_of(span: Span) -> str:  # noqa: PLR0911  # one return for each reason
    """Why a span is rejected, written from the OTLP text and not from the decoder; "": sound."""
    start, end = span.start_time_unix_nano, span.end_time_unix_nano
    if len(span.trace_id) != 16 or not any(span.trace_id):
        return "invalid_trace_id"
    if len(span.span_id) != 8 or not any(span.span_id):
        return "invalid_span_id"
    if len(span.parent_span_id) not in {0, 8}:
        return "invalid_parent_span_id"
    if not 0 < start < 2**63 or end >= 2**63:
        return "time_out_of_range"
    if end < start - LIMITS.end_before_start_max_ns:
        return "end_before_start"
    if start < NOON_NS - LIMITS.age_max_ns:
        return "too_old"
    return "in_the_future" if start > NOON_NS + LIMITS.future_max_ns else ""


def known_enums(span: Span) -> Span:
    """Return the span as the columns name it: unknown enum numbers read as 0, no time goes back."""
    known = Span()
    known.CopyFrom(span)
    known.kind = span.kind if 0 <= span.kind < len(SPAN_KINDS) else 0
    code = span.status.code if 0 <= span.status.code < len(STATUS_CODES) else 0
    known.status.CopyFrom(Status(code=code, message=span.status.message))
    known.end_time_unix_nano = max(span.start_time_unix_nano, span.end_time_unix_nano)
    return known


Owned = tuple[str, Resource, str, InstrumentationScope, Span]


def expected(payload: bytes) -> tuple[list[Owned], Verdict]:
    message = ExportTraceServiceRequest.FromString(payload)
    message.DiscardUnknownFields()
    spans = [
        (r.schema_url, plain_resource(r.resource), s.schema_url, s.scope, span)
        for r in message.resource_spans
        for s in r.scope_spans
        for span in s.spans
    ]
    reasons = [reason_of(span) for *_, span in spans]
    rejected = Counter(reason for reason in reasons if reason)
    sound = [
        (*owner, known_enums(span))
        for (*owner, span), reason in zip(spans, reasons, strict=True)
        if not reason
    ]
    return with_empty_values(sound), Verdict(accepted=len(sound), rejected=dict(rejected))  # type: ignore[return-value]


def with_empty_values(spans: list[Owned]) -> list[Owned]:
    """An attribute without a value reads as one whose value is empty."""
    for _, resource, _, scope, each in spans:
        for owner in (resource, scope, each, *each.events, *each.links):
            for attribute in owner.attributes:
                attribute.value.SetInParent()
    return spans


def plain_resource(resource: Resource) -> Resource:
    """Return the resource without entity references, which the batch does not keep."""
    kept = Resource()
    kept.CopyFrom(resource)
    kept.ClearField("entity_refs")
    return kept


# What the batch holds, read back --------------------------------------------------------------


def value_of(attributes: Attributes, entry: int) -> AnyValue:  # noqa: PLR0911  # as above
    text = attributes.text[entry].as_py()
    match ValueKind(attributes.kinds[entry]):
        case ValueKind.EMPTY:
            assert text == ""
            return AnyValue()
        case ValueKind.STRING:
            return AnyValue(string_value=text)
        case ValueKind.BOOL:
            return AnyValue(bool_value={"true": True, "false": False}[text])
        case ValueKind.INT:
            value = attributes.ints[entry].as_py()
            assert text == str(value)
            return AnyValue(int_value=value)
        case ValueKind.DOUBLE:
            value = attributes.doubles[entry].as_py()
            assert float(text) == value or math.isnan(value)
            return AnyValue(double_value=value)
        case ValueKind.BYTES:
            return AnyValue(bytes_value=base64.b64decode(text, validate=True))
        case ValueKind.STRINDEX:
            return AnyValue(string_value_strindex=int(text))
        case ValueKind.ARRAY | ValueKind.KVLIST:
            assert attributes.exact is not None
            value = json_format.Parse(attributes.exact[entry].as_py(), AnyValue())
            assert same_json(json.loads(text), plain_json(value))
            return value


def plain_json(value: AnyValue) -> Any:
    match value.WhichOneof("value"):
        case None:
            return None
        case "array_value":
            return [plain_json(item) for item in value.array_value.values]
        case "kvlist_value":
            return {pair.key: plain_json(pair.value) for pair in value.kvlist_value.values}
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case "double_value":
            number = value.double_value
            return number if math.isfinite(number) else str(number)
        case member:
            return getattr(value, member)


def same_json(left: Any, right: Any) -> bool:
    """Compare as text, so that 1, 1.0 and True are told apart."""
    return json.dumps(left) == json.dumps(right)


def attributes_of(attributes: Attributes, owner: int) -> list[KeyValue]:
    entries = range(attributes.offsets[owner], attributes.offsets[owner + 1])
    keys = [attributes.key_names[attributes.codes[entry]] for entry in entries]
    return [
        KeyValue(key=key, value=value_of(attributes, entry))
        for key, entry in zip(keys, entries, strict=True)
    ]


def children_of(children: Children, owner: int) -> list[tuple[dict[str, Any], list[KeyValue]]]:
    rows = range(children.offsets[owner], children.offsets[owner + 1])
    return [
        (
            {name: column[row].as_py() for name, column in children.columns.items()},
            attributes_of(children.attributes, row),
        )
        for row in rows
    ]


def span_of(batch: SpanBatch, row: int) -> Span:
    at = {name: column[row].as_py() for name, column in batch.columns.items()}
    start = int(batch.start_ns[row])
    return Span(
        trace_id=bytes.fromhex(at["TraceId"]),
        span_id=bytes.fromhex(at["SpanId"]),
        parent_span_id=bytes.fromhex(at["ParentSpanId"]),
        trace_state=at["TraceState"],
        name=at["SpanName"],
        kind=SPAN_KINDS.index(at["SpanKind"]),
        start_time_unix_nano=start,
        end_time_unix_nano=start + at["Duration"],
        flags=at["Flags"],
        attributes=attributes_of(batch.attributes, row),
        dropped_attributes_count=at["DroppedAttributesCount"],
        dropped_events_count=at["DroppedEventsCount"],
        dropped_links_count=at["DroppedLinksCount"],
        status=Status(code=STATUS_CODES.index(at["StatusCode"]), message=at["StatusMessage"]),
        events=[
            Span.Event(
                time_unix_nano=event["Timestamp"],
                name=event["Name"],
                attributes=attributes,
                dropped_attributes_count=event["DroppedAttributesCount"],
            )
            for event, attributes in children_of(batch.events, row)
        ],
        links=[
            Span.Link(
                trace_id=bytes.fromhex(link["TraceId"]),
                span_id=bytes.fromhex(link["SpanId"]),
                trace_state=link["TraceState"],
                attributes=attributes,
                dropped_attributes_count=link["DroppedAttributesCount"],
                flags=link["Flags"],
            )
            for link, attributes in children_of(batch.links, row)
        ],
    )


def owned_spans(batch: SpanBatch) -> list[Owned]:
    def item(columns: Any, name: str, at: int) -> Any:
        return columns[name][at].as_py()

    return [
        (
            item(batch.resources, "ResourceSchemaUrl", r),
            Resource(
                attributes=attributes_of(batch.resource_attributes, r),
                dropped_attributes_count=item(batch.resources, "ResourceDroppedAttributesCount", r),
            ),
            item(batch.scopes, "ScopeSchemaUrl", s),
            InstrumentationScope(
                name=item(batch.scopes, "ScopeName", s),
                version=item(batch.scopes, "ScopeVersion", s),
                attributes=attributes_of(batch.scope_attributes, s),
                dropped_attributes_count=item(batch.scopes, "ScopeDroppedAttributesCount", s),
            ),
            span_of(batch, row),
        )
        for row, (r, s) in enumerate(
            zip(batch.resource_of_span.tolist(), batch.scope_of_span.tolist(), strict=True)
        )
    ]


def comparable(owned: Owned) -> tuple[Any, ...]:
    """Messages as bytes: NaN equals itself, and 0.0 differs from -0.0."""
    return tuple(
        part.SerializeToString(deterministic=True) if isinstance(part, Message) else part
        for part in owned
    )


# Generated requests ---------------------------------------------------------------------------

KEYS = st.sampled_from(["", "k", "gen_ai.request.model", "ключ", "a\0b", "😀"])
TEXTS = st.one_of(st.sampled_from(["", "\0", "stop", "𝄞 music", '\n"\\{}']), st.text(max_size=6))
UINT32 = st.sampled_from([0, 0, 1, 256, 2**32 - 1])
DOUBLES = st.one_of(
    st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf, 5e-324, 1e308, 0.1, 2.0]),
    st.floats(allow_nan=False),
)
INTS = st.one_of(
    st.sampled_from([0, 1, -1, 2**53 + 1, 2**63 - 1, -(2**63)]), st.integers(-(2**63), 2**63 - 1)
)
LEAVES = st.one_of(
    st.builds(AnyValue),
    st.builds(AnyValue, string_value=TEXTS),
    st.builds(AnyValue, bool_value=st.booleans()),
    st.builds(AnyValue, int_value=INTS),
    st.builds(AnyValue, double_value=DOUBLES),
    st.builds(AnyValue, bytes_value=st.binary(max_size=5)),
    st.builds(AnyValue, string_value_strindex=st.sampled_from([0, 1, 2**31 - 1, -1])),
)


def pairs(values: st.SearchStrategy[AnyValue]) -> st.SearchStrategy[KeyValue]:
    return st.one_of(st.builds(KeyValue, key=KEYS, value=values), st.builds(KeyValue, key=KEYS))


def nested(values: st.SearchStrategy[AnyValue]) -> st.SearchStrategy[AnyValue]:
    arrays = st.builds(ArrayValue, values=st.lists(values, max_size=3))
    lists = st.builds(KeyValueList, values=st.lists(pairs(values), max_size=3))
    return st.one_of(
        st.builds(AnyValue, array_value=arrays), st.builds(AnyValue, kvlist_value=lists)
    )


VALUES = st.recursive(LEAVES, nested, max_leaves=6)
ATTRIBUTES = st.lists(pairs(VALUES), max_size=4)
TRACE_IDS = st.one_of(
    st.binary(min_size=16, max_size=16),
    st.sampled_from([bytes(range(16))] * 6 + [b"", bytes(16), b"\1" * 15, b"\1" * 17]),
)
SPAN_IDS = st.one_of(
    st.binary(min_size=8, max_size=8),
    st.sampled_from([bytes(range(8))] * 6 + [b"", bytes(8), b"\1" * 7, b"\1" * 16]),
)
PARENT_IDS = st.sampled_from([b"", b"", bytes(range(8)), bytes(8), b"\1" * 7])
EVENTS = st.builds(
    Span.Event,
    time_unix_nano=st.sampled_from([0, NOON_NS, 2**64 - 1]),
    name=TEXTS,
    attributes=ATTRIBUTES,
    dropped_attributes_count=UINT32,
)
LINKS = st.builds(
    Span.Link,
    trace_id=TRACE_IDS,
    span_id=SPAN_IDS,
    trace_state=TEXTS,
    attributes=ATTRIBUTES,
    dropped_attributes_count=UINT32,
    flags=UINT32,
)
STATUSES = st.one_of(
    st.none(), st.builds(Status, code=st.sampled_from([0, 1, 2, 3, -1]), message=TEXTS)
)


@st.composite
def times(draw: st.DrawFn) -> tuple[int, int]:
    start = draw(
        st.sampled_from(
            [NOON_NS] * 6
            + [0, 1, 2**63 - 1, 2**63, 2**64 - 1]
            + [NOON_NS - LIMITS.age_max_ns - step for step in (0, 1)]
            + [NOON_NS + LIMITS.future_max_ns + step for step in (0, 1)]
        )
    )
    lasted = [0, 1, NS, -1, -NS, -NS - 1, -start, 2**63 - 1 - start, 2**63 - start]
    return start, min(max(start + draw(st.sampled_from(lasted)), 0), 2**64 - 1)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    start, end = draw(times())
    return Span(
        trace_id=draw(TRACE_IDS),
        span_id=draw(SPAN_IDS),
        parent_span_id=draw(PARENT_IDS),
        trace_state=draw(TEXTS),
        name=draw(TEXTS),
        kind=draw(st.sampled_from([0, 1, 2, 3, 4, 5, 6, -1])),
        start_time_unix_nano=start,
        end_time_unix_nano=end,
        flags=draw(UINT32),
        attributes=draw(ATTRIBUTES),
        dropped_attributes_count=draw(UINT32),
        dropped_events_count=draw(UINT32),
        dropped_links_count=draw(UINT32),
        status=draw(STATUSES),
        events=draw(st.lists(EVENTS, max_size=2)),
        links=draw(st.lists(LINKS, max_size=2)),
    )


SCOPES = st.builds(
    InstrumentationScope,
    name=TEXTS,
    version=TEXTS,
    attributes=ATTRIBUTES,
    dropped_attributes_count=UINT32,
)
SCOPE_SPANS = st.builds(
    ScopeSpans,
    scope=st.none() | SCOPES,
    spans=st.lists(spans(), max_size=3),
    schema_url=TEXTS,
)
RESOURCES = st.builds(Resource, attributes=ATTRIBUTES, dropped_attributes_count=UINT32)
RESOURCE_SPANS = st.builds(
    ResourceSpans,
    resource=st.none() | RESOURCES,
    scope_spans=st.lists(SCOPE_SPANS, max_size=2),
    schema_url=TEXTS,
)
REQUESTS = st.builds(ExportTraceServiceRequest, resource_spans=st.lists(RESOURCE_SPANS, max_size=2))
GENERATED = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


# What must hold -------------------------------------------------------------------------------


def assert_reads(requests: list[bytes]) -> None:
    """Assert that every request gives what the protobuf runtime reads from its bytes."""
    batch, verdicts = decode(*requests)
    want = [expected(each) for each in requests]
    assert verdicts == [verdict for _, verdict in want]
    got = [comparable(owned) for owned in owned_spans(batch)]
    assert got == [comparable(owned) for sound, _ in want for owned in sound]
    assert {len(column) for column in batch.columns.values()} == {len(batch)}


@GENERATED
@given(st.lists(REQUESTS, max_size=3))
def test_a_batch_holds_what_the_protobuf_runtime_reads(
    messages: list[ExportTraceServiceRequest],
) -> None:
    assert_reads([message.SerializeToString() for message in messages])


@GENERATED
@given(REQUESTS, REQUESTS)
def test_concatenated_requests_read_as_one(
    first: ExportTraceServiceRequest, second: ExportTraceServiceRequest
) -> None:
    assert_reads([first.SerializeToString() + second.SerializeToString()])


@settings(GENERATED, max_examples=20)
@given(st.lists(REQUESTS, min_size=1, max_size=3))
def test_every_text_and_number_column_keeps_its_type_whatever_the_batch_holds(
    messages: list[ExportTraceServiceRequest],
) -> None:
    batch, _ = decode(*(message.SerializeToString() for message in messages))
    owners = [
        batch.attributes,
        batch.resource_attributes,
        batch.scope_attributes,
        batch.events.attributes,
        batch.links.attributes,
    ]
    for attributes in owners:
        assert attributes.text.type == pa.string()
        assert attributes.keys.type == pa.string()
        assert attributes.ints.type == pa.int64()
        assert attributes.doubles.type == pa.float64()
        assert attributes.text.null_count == 0


# Wire forms that a writer may choose ------------------------------------------------------------


def varint(number: int) -> bytes:
    low, rest = number & 127, number >> 7
    return bytes([low | 128]) + varint(rest) if rest else bytes([low])


def delimited(field: int, payload: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(payload)) + payload


def fixed64(field: int, number: int) -> bytes:
    return varint(field << 3 | 1) + number.to_bytes(8, "little")


IDS = delimited(1, b"\1" * 16) + delimited(2, b"\2" * 8)
TIMES = fixed64(7, NOON_NS) + fixed64(8, NOON_NS + NS)
X = delimited(1, b"x")
FIVE = b"\x18\x05"
UNKNOWN = varint(99 << 3) + b"\x07" + delimited(98, b"later") + fixed64(97, 1)
GROUP = varint(99 << 3 | 3) + varint(1 << 3) + b"\x05" + varint(99 << 3 | 4)


def raw(span_bytes: bytes) -> bytes:
    return delimited(1, delimited(2, delimited(2, span_bytes)))


def with_value(value: bytes) -> bytes:
    return raw(IDS + TIMES + delimited(9, delimited(1, b"k") + value))


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(raw(TIMES + IDS), id="fields in another order"),
        pytest.param(raw(IDS + TIMES + UNKNOWN), id="unknown fields"),
        pytest.param(raw(IDS + TIMES + GROUP), id="an unknown group"),
        pytest.param(raw(IDS + TIMES + delimited(5, b"a") + delimited(5, b"b")), id="last name"),
        pytest.param(raw(IDS + TIMES + varint(5 << 3) + b"\x05"), id="another wire type"),
        pytest.param(raw(IDS + TIMES + varint(6 << 3) + b"\xff" * 9 + b"\x01"), id="kind -1"),
        pytest.param(
            delimited(1, delimited(1, delimited(1, X)) * 2 + delimited(2, delimited(2, IDS))),
            id="a resource in two parts",
        ),
        pytest.param(with_value(b""), id="no value"),
        pytest.param(with_value(delimited(2, b"")), id="an empty value"),
        pytest.param(with_value(delimited(2, delimited(5, b""))), id="an empty array"),
        pytest.param(with_value(delimited(2, delimited(6, b""))), id="an empty list of pairs"),
        pytest.param(
            with_value(delimited(2, delimited(5, delimited(1, X)) * 2)), id="an array in two parts"
        ),
        pytest.param(
            with_value(delimited(2, delimited(5, delimited(1, X))) * 2), id="a value in two parts"
        ),
        pytest.param(with_value(delimited(2, X + FIVE)), id="text, then an integer"),
        pytest.param(with_value(delimited(2, FIVE + X)), id="an integer, then text"),
        pytest.param(with_value(delimited(2, X) + delimited(2, FIVE)), id="two values"),
        pytest.param(
            with_value(delimited(2, delimited(5, delimited(1, X)) + X)), id="an array, then text"
        ),
    ],
)
def test_a_wire_form_that_protobuf_allows_reads_the_same(wire: bytes) -> None:
    assert_reads([wire])


# Bytes that are no request ----------------------------------------------------------------------

RICH = request(
    span(
        {"k": ["a", {"b": [1, 2.5, None, b"\0"]}], "gen_ai.request.model": "gpt-4o", "n": 5},
        name="chat",
        events=[Span.Event(name="e", attributes=key_values({"x": [True]}))],
        links=[Span.Link(trace_id=b"\1" * 16, span_id=b"\2" * 8)],
    ),
    span(number=2, parent=1),
    scope="lib",
)
NEIGHBOUR = request(span({"a": "neighbour", "list": ["x"]}, number=7))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Return a sound request with a few bytes changed, put in, taken out or cut off."""
    damaged = bytearray(RICH)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(damaged) - 1)) if damaged else 0
        match draw(st.sampled_from(["change", "insert", "delete", "cut"])):
            case "change" if damaged:
                damaged[at] = draw(st.integers(0, 255))
            case "insert":
                damaged[at:at] = draw(st.binary(min_size=1, max_size=4))
            case "delete":
                del damaged[at : at + 1]
            case _:
                del damaged[at:]
    return bytes(damaged)


def protobuf_reads(payload: bytes) -> bool:
    try:
        ExportTraceServiceRequest.FromString(payload)
    except DecodeError:
        return False
    return True


@settings(max_examples=300, deadline=None)
@given(damaged())
@example(b"")
@example(RICH[:-1])
def test_bytes_are_refused_exactly_when_protobuf_refuses_them(payload: bytes) -> None:
    _, verdicts = decode(payload)
    if verdicts[0].rejected:
        # Values inside a span that is rejected anyway are not read.
        return
    assert (verdicts[0].error is None) == protobuf_reads(payload)


@settings(max_examples=100, deadline=None)
@given(damaged())
def test_neighbours_of_a_damaged_request_are_complete(payload: bytes) -> None:
    batch, verdicts = decode(NEIGHBOUR, payload, NEIGHBOUR)
    assert [verdicts[0], verdicts[2]] == [Verdict(accepted=1)] * 2
    names = [comparable(owned) for owned in owned_spans(batch)]
    alone = [comparable(owned) for owned in owned_spans(decode(NEIGHBOUR)[0])]
    assert [names[0], names[-1]] == alone * 2
    assert len(batch) == sum(verdict.accepted for verdict in verdicts)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(RICH[:-3], id="cut off"),
        pytest.param(raw(IDS + TIMES + delimited(5, b"\xff")), id="a name that is not UTF-8"),
        pytest.param(with_value(delimited(2, delimited(1, b"\xff"))), id="text not UTF-8"),
        pytest.param(
            with_value(delimited(2, delimited(5, delimited(1, delimited(1, b"\xff"))))),
            id="text in an array not UTF-8",
        ),
        pytest.param(
            with_value(delimited(2, delimited(6, delimited(1, delimited(1, b"\xff"))))),
            id="key in a list of pairs not UTF-8",
        ),
        pytest.param(raw(IDS + varint(99 << 3 | 4)), id="a group's end alone"),
        pytest.param(raw(IDS + varint(99 << 3 | 3)), id="a group without an end"),
        pytest.param(raw(b"\x02\x00"), id="field number 0"),
        pytest.param(raw(varint(99 << 3 | 7)), id="no such wire type"),
        pytest.param(raw(varint(6 << 3) + b"\xff" * 10 + b"\x01"), id="a number of 11 bytes"),
        pytest.param(b'{"resourceSpans":[]}', id="JSON"),
    ],
)
def test_a_request_that_cannot_be_read_is_refused_alone(payload: bytes) -> None:
    assert not protobuf_reads(payload)
    batch, verdicts = decode(NEIGHBOUR, payload, NEIGHBOUR)
    assert isinstance(verdicts[1].error, MalformedError)
    assert verdicts[1].accepted == 0
    assert [verdict.accepted for verdict in verdicts] == [1, 0, 1]
    assert len(batch) == 2


def nested_arrays(depth: int) -> bytes:
    value = X
    for _ in range(depth):
        value = delimited(5, delimited(1, value))
    return with_value(delimited(2, value))


@pytest.mark.parametrize("depth", [1, 10, 40])
def test_nested_values_are_read_at_any_depth_that_a_person_would_write(depth: int) -> None:
    assert_reads([nested_arrays(depth)])


@pytest.mark.parametrize("depth", [60, 1_000, 10_000])
def test_nesting_without_end_is_refused_and_nothing_breaks(depth: int) -> None:
    _, verdicts = decode(nested_arrays(depth), NEIGHBOUR)
    assert isinstance(verdicts[0].error, MalformedError)
    assert verdicts[1] == Verdict(accepted=1)


# Tables -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        pytest.param({"trace_id": b""}, "invalid_trace_id", id="no trace id"),
        pytest.param({"trace_id": bytes(16)}, "invalid_trace_id", id="zero trace id"),
        pytest.param({"trace_id": b"\1" * 8}, "invalid_trace_id", id="short trace id"),
        pytest.param({"span_id": bytes(8)}, "invalid_span_id", id="zero span id"),
        pytest.param({"parent_span_id": b"\1"}, "invalid_parent_span_id", id="short parent id"),
        pytest.param({"start_time_unix_nano": 0}, "time_out_of_range", id="no start"),
        pytest.param({"end_time_unix_nano": 2**63}, "time_out_of_range", id="end after 2262"),
        pytest.param({"duration_ns": -NS - 1}, "end_before_start", id="ends too early"),
        pytest.param({"start_ns": NOON_NS - 3600 * NS - 1}, "too_old", id="too old"),
        pytest.param({"start_ns": NOON_NS + 60 * NS + 1}, "in_the_future", id="in the future"),
        pytest.param({"span_id": b"", "trace_id": b""}, "invalid_trace_id", id="one reason a span"),
    ],
)
def test_one_bad_span_is_rejected_alone_with_its_reason(
    fields: dict[str, Any], reason: str
) -> None:
    batch, verdicts = decode(request(span(), span(**fields), span(number=3)), request(span()))
    assert verdicts == [Verdict(accepted=2, rejected={reason: 1}), Verdict(accepted=1)]
    assert batch["SpanId"].to_pylist() == [f"{n:016x}" for n in (1, 3, 1)]


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"duration_ns": -NS}, id="clock stepped back as far as is allowed"),
        pytest.param({"start_ns": NOON_NS - 3600 * NS}, id="as old as is allowed"),
        pytest.param({"start_ns": NOON_NS + 60 * NS}, id="as far in the future as is allowed"),
        pytest.param({"duration_ns": 0}, id="no duration"),
    ],
)
def test_a_span_at_a_limit_is_taken(fields: dict[str, int]) -> None:
    batch, verdicts = decode(request(span(**fields)))
    assert verdicts == [Verdict(accepted=1)]
    assert batch["Duration"].to_pylist() == [max(fields.get("duration_ns", NS), 0)]


def test_no_requests_make_an_empty_batch() -> None:
    batch, verdicts = decode()
    assert (len(batch), verdicts) == (0, [])


def test_text_of_a_value_is_what_a_person_would_expect() -> None:
    values = ["a", True, 5, 2.5, b"\0\1", None, [1, "b", None], {"k": [1.0, float("nan")]}]
    batch, _ = decode(request(span([(f"k{n}", value) for n, value in enumerate(values)])))
    assert batch.attributes.text.to_pylist() == [
        *("a", "true", "5", "2.5", "AAE=", "", '[1,"b",null]', '{"k":[1.0,"nan"]}'),
    ]


def test_equal_nested_values_of_different_kinds_are_not_mixed_up() -> None:
    values = [[], {}, ["x"], {"x": None}, [["x"]], [[]], ["x"], []]
    batch, _ = decode(
        request(*(span({"v": value}, number=n + 1) for n, value in enumerate(values)))
    )
    assert [value_of(batch.attributes, n) for n in range(len(values))] == [
        any_value(value) for value in values
    ]
