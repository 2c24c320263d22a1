"""Conditions: the store finds the spans that a plain reading of the same condition finds."""

import random
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from clickhouse.client import Address, Writer, connect, parse_address
from clickhouse.conditions import COMPARISONS_MAX, DEPTH_MAX, Beyond, where
from clickhouse.migrate import Retention, migrate
from clickhouse.reads.session import ReadLimits, ReadPool
from exporter.cancellation import Cancellation
from exporter.errors import WrongQueryError
from exporter.spans.condition import (
    EVERY_SPAN,
    AllOf,
    AnyOf,
    AttributeField,
    ColumnField,
    Compare,
    Comparison,
    Condition,
    Field,
    Not,
    Scope,
    Value,
)
from exporter.spans.rows import rows
from tests.support.clickhouse_http import ClickHouseServer
from tests.support.otlp import NOON_NS, NS, event, request, span
from tests.support.service import store_url
from tests.unit.pipeline import NORMALISE, PRICE, decode

RETENTION = Retention(spans_days=3650, content_days=3650, minutes_days=3650, hours_days=3650)
EXACT = 2**53 + 1
KEYS = ("a", "b'\\\"`", "ключ")
TEXTS = ("", "x", "X", "xy\nz", "3", "true", "it's \\ {a:String} %s", "日本")
NUMBERS = (0, 3, -1, 3.0, 0.1, EXACT, float(EXACT - 1), 2**63 - 1, -(2**63), 1e300)
VALUES: tuple[Any, ...] = (*TEXTS, *NUMBERS, True, False, None)
CONTENT_KEY = "gen_ai.input.messages"
RANGE = (NOON_NS - NS, NOON_NS + 3600 * NS)


@dataclass
class Seen:
    """A span as a person would write it down."""

    attributes: dict[str, Any] = field(default_factory=dict)
    resource: dict[str, Any] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    columns: dict[str, Any] = field(default_factory=dict)


def world() -> list[Seen]:
    """Two hundred spans whose attributes share few keys and values, so that questions hit."""
    chance = random.Random(4)

    def some() -> dict[str, Any]:
        return {key: chance.choice(VALUES) for key in KEYS if chance.random() < 0.5}

    found: list[Seen] = []
    for number in range(1, 201):
        tokens = chance.choice([None, 1, 10, 1000])
        seen = Seen(some(), some() | {"service.name": chance.choice(["shop", "x"])}, [])
        seen.events = [some() for _ in range(chance.randrange(3))]
        if chance.random() < 0.3:
            seen.attributes[CONTENT_KEY] = chance.choice(["Blue whale", "x"])
        seen.columns = {
            "SpanName": chance.choice(TEXTS[1:]),
            "Duration": chance.choice([0, 1, NS, 2**62]),
            "TokensInput": tokens,
            "Events.Name": [chance.choice(TEXTS[1:]) for _ in seen.events],
            "number": number,
        }
        found.append(seen)
    return found


WORLD = world()


def as_span(seen: Seen) -> Span:
    call = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai"}
    call |= {"gen_ai.request.model": "gpt-4o"}
    tokens = seen.columns["TokensInput"]
    usage = {} if tokens is None else {"gen_ai.usage.input_tokens": tokens}
    return span(
        {**call, **usage, **seen.attributes},
        number=seen.columns["number"],
        name=seen.columns["SpanName"],
        duration_ns=seen.columns["Duration"],
        events=[
            event(name, attributes)
            for name, attributes in zip(seen.columns["Events.Name"], seen.events, strict=True)
        ],
    )


@pytest.fixture(scope="module")
def client(clickhouse: ClickHouseServer) -> Iterator[Client]:
    address = parse_address(store_url(clickhouse))
    migrate(address, RETENTION)
    with closing(connect(address)) as opened:
        requests = [request(as_span(seen), resource=seen.resource) for seen in WORLD]
        for name, batch in rows(PRICE(NORMALISE(decode(*requests)))).tables.items():
            Writer(opened).insert_arrow(name, pa.Table.from_batches([batch]), {})
        yield opened


# The plain reading ----------------------------------------------------------------------------


def holds(condition: Condition, seen: Seen) -> bool:  # noqa: PLR0911  # one for each form
    match condition:
        case AllOf(parts):
            return all(holds(part, seen) for part in parts)
        case AnyOf(parts):
            return any(holds(part, seen) for part in parts)
        case Not(inner):
            return not holds(inner, seen)
        case Compare(of, Comparison.NOT_EQUAL, value):
            return not holds(Compare(of, Comparison.EQUAL, value), seen)
        case Compare(of, Comparison.MATCHES_NOT, value):
            return not holds(Compare(of, Comparison.MATCHES, value), seen)
        case Compare(of, comparison, None):
            assert comparison is Comparison.EQUAL
            found = values_of(of, seen)
            return not found or (of == ColumnField("TokensInput") and found == [None])
        case Compare(of, comparison, value):
            return any(meets(each, comparison, value) for each in values_of(of, seen))


def values_of(of: Field, seen: Seen) -> list[Any]:
    match of:
        case ColumnField("Events.Name"):
            return seen.columns["Events.Name"]
        case ColumnField(column):
            return [seen.columns[column]]
        case AttributeField(Scope.SPAN, key):
            return [seen.attributes[key]] if key in seen.attributes else []
        case AttributeField(Scope.RESOURCE, key):
            return [seen.resource[key]] if key in seen.resource else []
        case AttributeField(Scope.EVENT, key):
            return [each[key] for each in seen.events if key in each]
        case AttributeField(_, key):
            merged = seen.resource | seen.attributes
            return [merged[key]] if key in merged else []


def meets(found: Any, comparison: Comparison, wanted: Value) -> bool:
    if found is None or kind(found) != kind(wanted):
        return False
    checks: dict[Comparison, Callable[[Any, Any], bool]] = {
        Comparison.EQUAL: lambda a, b: a == b,
        Comparison.LESS: lambda a, b: a < b,
        Comparison.LESS_OR_EQUAL: lambda a, b: a <= b,
        Comparison.GREATER: lambda a, b: a > b,
        Comparison.GREATER_OR_EQUAL: lambda a, b: a >= b,
        Comparison.MATCHES: lambda a, b: re.fullmatch(b, a, re.DOTALL) is not None,
    }
    if isinstance(found, str) and comparison is not Comparison.MATCHES:
        found, wanted = found.encode(), str(wanted).encode()
    return checks[comparison](found, wanted)


def kind(value: Any) -> type:
    return float if type(value) in {int, float} else type(value)


# The questions --------------------------------------------------------------------------------

ORDERS = st.sampled_from([Comparison(sign) for sign in ("=", "!=", "<", "<=", ">", ">=")])
EQUALITY = st.sampled_from([Comparison.EQUAL, Comparison.NOT_EQUAL])
PATTERNS = st.sampled_from(["x", "x.*", ".*", "", "(?i)x", "xy.z", "[^x]+", "tru|false", "日."])
MATCHING = st.sampled_from([Comparison.MATCHES, Comparison.MATCHES_NOT])
ATTRIBUTES = st.builds(
    AttributeField,
    st.sampled_from([Scope.SPAN, Scope.RESOURCE, Scope.EVENT, Scope.ANY]),
    st.sampled_from([*KEYS, CONTENT_KEY, "service.name"]),
)


def comparisons(of: st.SearchStrategy[Field]) -> st.SearchStrategy[Condition]:
    return st.one_of(
        st.builds(Compare, of, ORDERS, st.sampled_from((*TEXTS, *NUMBERS, "Blue whale", "shop"))),
        st.builds(Compare, of, EQUALITY, st.sampled_from([True, False, None])),
        st.builds(Compare, of, MATCHING, PATTERNS),
    )


COLUMNS = st.sampled_from(
    [ColumnField(name) for name in ("SpanName", "Duration", "TokensInput", "Events.Name")]
)
CONDITIONS = st.recursive(
    st.one_of(comparisons(ATTRIBUTES), comparisons(COLUMNS)),
    lambda inner: st.one_of(
        st.builds(AllOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Not, inner),
    ),
    max_leaves=6,
)


def found(client: Client, condition: Condition) -> set[int]:
    asked = where(condition, beyond=Beyond(lambda key: key == CONTENT_KEY, *RANGE))
    result = client.query(
        f"SELECT SpanId FROM otel_traces WHERE {asked.sql} LIMIT 1000",
        parameters=asked.parameters,
    )
    return {int(span_id, 16) for (span_id,) in result.result_rows}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(condition=CONDITIONS)
def test_the_store_finds_what_a_plain_reading_finds(client: Client, condition: Condition):
    wanted = {seen.columns["number"] for seen in WORLD if holds(condition, seen)}
    assert found(client, condition) == wanted


@pytest.mark.parametrize(
    ("column", "comparison", "value", "expected"),
    [
        pytest.param("CostUsd", "=", 0.000025, True, id="cost equals"),
        pytest.param("CostUsd", ">", 0.000025, False, id="cost is not above itself"),
        pytest.param("CostUsd", ">", 0.00002499999999999, True, id="cost is above a bit less"),
        pytest.param("CostUsd", "<", 0.0000250000000001, True, id="cost is below a bit more"),
        pytest.param("CostUsd", "<", 10**60, True, id="cost is below everything large"),
        pytest.param("CostUsd", ">", -(10**60), True, id="cost is above everything small"),
        pytest.param("CostUsd", "=", 1e-300, False, id="cost is not nearly nothing"),
        pytest.param("TokensTotal", "=", 10, True, id="derived total of tokens"),
        pytest.param("TokensTotal", ">", 10, False, id="derived total is exact"),
        pytest.param("CacheHit", "=", None, True, id="not known"),
        pytest.param("Model", "=", "gpt-4o", True, id="model"),
        pytest.param("Model", "=", 4, False, id="a number is no text"),
        pytest.param("Tool", "=", None, True, id="text that is not known"),
        pytest.param("Timestamp", "=", NOON_NS, True, id="time in nanoseconds"),
        pytest.param("Links.SpanId", "=", "0000000000000001", False, id="no link"),
    ],
)
def test_columns_are_compared_in_their_own_type(
    client: Client, column: str, comparison: str, value: Value, *, expected: bool
):
    tens = {s.columns["number"] for s in WORLD if s.columns["TokensInput"] == 10}
    assert tens
    assert Decimal(10) * Decimal("2.5") / 10**6 == Decimal("0.000025")
    ten = Compare(ColumnField("TokensInput"), Comparison.EQUAL, 10)
    asked = AllOf((ten, Compare(ColumnField(column), Comparison(comparison), value)))
    assert found(client, asked) == (tens if expected else set())


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (Compare(ColumnField("Nowhere"), Comparison.EQUAL, 1), "no column Nowhere"),
        (Compare(ColumnField("SpanAttributes"), Comparison.EQUAL, 1), "cannot be compared"),
        (Compare(AttributeField(Scope.SPAN, "a"), Comparison.LESS, None), "nil is compared by"),
        (Compare(AttributeField(Scope.SPAN, "a"), Comparison.LESS, True), "true and false are"),
        (Compare(AttributeField(Scope.SPAN, "a"), Comparison.MATCHES, 1), "a pattern is text"),
    ],
)
def test_what_cannot_be_compared_is_refused(condition: Condition, message: str):
    with pytest.raises(WrongQueryError, match=message):
        where(condition)


def test_conditions_may_be_nested_only_so_deep():
    condition: Condition = EVERY_SPAN
    for _ in range(DEPTH_MAX - 1):
        condition = Not(condition)
    assert where(condition).sql
    with pytest.raises(WrongQueryError, match="nested more than"):
        where(Not(condition))


def test_a_condition_has_only_so_many_comparisons():
    one = Compare(ColumnField("Tool"), Comparison.EQUAL, "")
    assert where(AllOf((one,) * COMPARISONS_MAX)).sql
    with pytest.raises(WrongQueryError, match=f"more than {COMPARISONS_MAX} comparisons"):
        where(AllOf((one,) * (COMPARISONS_MAX + 1)))


def test_every_value_is_bound_under_a_name_of_its_own():
    one = Compare(AttributeField(Scope.ANY, "key'"), Comparison.EQUAL, "value'")
    asked = where(AllOf((one, one)), prefix="left")
    assert "key'" not in asked.sql
    assert "value'" not in asked.sql
    marks = re.findall(r"\{(\w+):\w+\}", asked.sql)
    assert set(marks) == set(asked.parameters)
    assert all(name.startswith("left") for name in marks)
    assert not set(asked.parameters) & set(where(one, prefix="right").parameters)


def test_a_pattern_that_cannot_be_read_is_the_askers_mistake(clickhouse: ClickHouseServer):
    address: Address = parse_address(store_url(clickhouse))
    pool = ReadPool(lambda: connect(address), size=1, wait_max_s=1.0, limits=ReadLimits())
    asked = where(Compare(ColumnField("Model"), Comparison.MATCHES, "gpt-("))
    with (
        pool.session(Cancellation()) as session,
        pytest.raises(WrongQueryError, match=r"not a pattern that RE2 reads: .*missing"),
    ):
        session.rows(f"SELECT SpanId FROM otel_traces WHERE {asked.sql} LIMIT 1", asked.parameters)


def test_the_index_of_attribute_keys_is_used(client: Client):
    asked = where(Compare(AttributeField(Scope.SPAN, "nobody.has.this"), Comparison.EQUAL, "x"))
    plan = client.query(
        f"EXPLAIN indexes = 1 SELECT SpanId FROM otel_traces WHERE {asked.sql}",
        parameters=asked.parameters,
    ).result_rows
    assert any("idx_span_attribute_keys" in line for (line,) in plan), plan
