"""TraceQL conditions on several fields and on a span's place: the store finds what Python finds."""

import math
import operator
import random
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clickhouse.client import Address, Writer, connect, parse_address
from clickhouse.conditions import Beyond, where
from clickhouse.migrate import Retention, migrate
from clickhouse.reads.session import ReadLimits, ReadPool
from exporter.api.tempo.parameters import search_of
from exporter.cancellation import Cancellation
from exporter.query.search import FoundTrace
from exporter.query.traceql.ast import Filter
from exporter.query.traceql.parse import parse
from exporter.questions.search import SearchQuestions
from exporter.spans.rows import rows
from tests.support.clickhouse_http import ClickHouseServer
from tests.support.otlp import NOON_NS, NS, request, span
from tests.support.service import store_url
from tests.unit.pipeline import NORMALISE, PRICE, decode

RETENTION = Retention(spans_days=3650, content_days=3650, minutes_days=3650, hours_days=3650)
RANGE = (NOON_NS - NS, NOON_NS + 3600 * NS)
VALUES: tuple[Any, ...] = (0, 1, 2, 3, -2, 0.5, 4.0, "1", "x", True, False)
MISSING = 99
"""A parent that never arrived."""


@dataclass(frozen=True)
class Seen:
    """A span as a person would write it down; it was sent twice."""

    trace: int
    number: int
    parent: int
    duration_ns: int
    attributes: dict[str, Any]

    @property
    def key(self) -> tuple[int, int]:
        return self.trace, self.number


def world() -> list[Seen]:
    chance = random.Random(11)
    return [
        Seen(
            trace,
            number,
            0 if number == 1 else chance.choice([*range(1, number), MISSING]),
            chance.randrange(5),
            {key: chance.choice(VALUES) for key in "abc" if chance.random() < 0.8},
        )
        for trace in range(1, 31)
        for number in range(1, 9)
    ]


WORLD = world()
BY_KEY = {seen.key: seen for seen in WORLD}


@pytest.fixture(scope="module")
def address(clickhouse: ClickHouseServer) -> Address:
    return parse_address(store_url(clickhouse))


@pytest.fixture(scope="module")
def client(address: Address) -> Iterator[Client]:
    migrate(address, RETENTION)
    spans = [
        span(
            seen.attributes,
            trace=seen.trace,
            number=seen.number,
            parent=seen.parent,
            name=f"step {seen.number}",
            start_ns=NOON_NS + seen.number * NS,
            duration_ns=seen.duration_ns,
        )
        for seen in WORLD
    ]
    with closing(connect(address)) as opened:
        for sent in (spans, spans[::-1]):
            body = request(*sent, resource={"service.name": "shop"})
            for name, batch in rows(PRICE(NORMALISE(decode(body)))).tables.items():
                Writer(opened).insert_arrow(name, pa.Table.from_batches([batch]), {})
        yield opened


def found(client: Client, q: str) -> set[tuple[int, int]]:
    spans = parse(q).spans
    assert isinstance(spans, Filter)
    asked = where(spans.condition, beyond=Beyond(lambda _: False, *RANGE))
    result = client.query(
        f"SELECT DISTINCT TraceId, SpanId FROM otel_traces WHERE {asked.sql} LIMIT 1000",
        parameters=asked.parameters,
    )
    return {(int(trace, 16), int(number, 16)) for trace, number in result.result_rows}


# Numbers ---------------------------------------------------------------------------------------

Number = float | None


@dataclass(frozen=True)
class Expression:
    """A text, and what it is of a span: None where it is not known."""

    text: str
    of: Callable[[Seen], Number]


def attribute(key: str) -> Expression:
    def of(seen: Seen) -> Number:
        value = seen.attributes.get(key)
        return float(value) if type(value) in {int, float} else None

    return Expression(f"span.{key}", of)


def computed(sign: str, left: Expression, right: Expression) -> Expression:
    def of(seen: Seen) -> Number:
        one, other = left.of(seen), right.of(seen)
        if one is None or other is None or (sign in "/%" and not other):
            return None
        try:
            result = SIGNS[sign](one, other)
        except (ArithmeticError, ValueError):
            return None
        return result if isinstance(result, float) and not math.isnan(result) else None

    return Expression(f"({left.text} {sign} {right.text})", of)


def remainder(one: float, other: float) -> float:
    # As the store rounds it: `math.fmod` is exact where a quotient is not.
    return one - math.trunc(one / other) * other


SIGNS: dict[str, Callable[[float, float], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": remainder,
    "^": operator.pow,
}
COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
FIELDS = [*map(attribute, "abc"), Expression("duration", lambda seen: float(seen.duration_ns))]
NUMBERS = [Expression(text, lambda _, n=float(text): n) for text in ("0", "1", "2.5", "-3")]
COMPUTED = st.recursive(
    st.builds(
        computed, st.sampled_from([*SIGNS]), st.sampled_from(FIELDS), st.sampled_from(NUMBERS)
    ),
    lambda inner: st.builds(
        computed, st.sampled_from([*SIGNS]), inner, st.one_of(inner, st.sampled_from(FIELDS))
    ),
    max_leaves=4,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    left=COMPUTED,
    sign=st.sampled_from([*COMPARED]),
    right=st.one_of(COMPUTED, st.sampled_from([*FIELDS, *NUMBERS])),
)
def test_numbers_are_computed_of_fields(
    client: Client, left: Expression, sign: str, right: Expression
):
    expected: set[tuple[int, int]] = set()
    for seen in WORLD:
        numbers = left.of(seen), right.of(seen)
        known = [number for number in numbers if number is not None and math.isfinite(number)]
        if len(known) == 2 and COMPARED[sign](*known):
            expected.add(seen.key)
    assert found(client, f"{{ {left.text} {sign} {right.text} }}") == expected
    # What is not known is neither: the opposite finds the others.
    assert found(client, f"{{ !({left.text} {sign} {right.text}) }}") == set(BY_KEY) - expected


@pytest.mark.parametrize("sign", [*COMPARED])
def test_fields_are_compared_with_each_other(client: Client, sign: str):
    def kind(value: Any) -> type:
        return float if type(value) is int else type(value)

    def meets(one: Any, other: Any) -> bool:
        if one is None or other is None or kind(one) is not kind(other):
            return False
        return COMPARED[sign](one, other)

    expected = {s.key for s in WORLD if meets(s.attributes.get("a"), s.attributes.get("b"))}
    assert found(client, f"{{ span.a {sign} span.b }}") == expected
    assert expected


# Places ----------------------------------------------------------------------------------------


def parent(seen: Seen) -> Seen | None:
    return BY_KEY.get((seen.trace, seen.parent))


def children(seen: Seen) -> int:
    return sum(each.trace == seen.trace and each.parent == seen.number for each in WORLD)


def of_parent(seen: Seen) -> Any:
    above = parent(seen)
    return None if above is None else above.attributes.get("a")


def is_number(value: Any) -> bool:
    return type(value) in {int, float}


PLACES: dict[str, Callable[[Seen], bool]] = {
    "parent.span.a > 1": lambda seen: is_number(of_parent(seen)) and of_parent(seen) > 1,
    "parent.a = 'x'": lambda seen: of_parent(seen) == "x",
    "parent.span.a != 'x'": lambda seen: of_parent(seen) not in {None, "x"},
    "parent.span.a": lambda seen: of_parent(seen) is True,
    "parent.span.a = nil": lambda seen: of_parent(seen) is None,
    "parent.span.a != nil && span.b = 1": lambda seen: (
        of_parent(seen) is not None
        and is_number(seen.attributes.get("b"))
        and seen.attributes["b"] == 1
    ),
    "parent.resource.service.name = 'shop'": lambda seen: parent(seen) is not None,
    **{
        f"childCount {sign} {number}": lambda seen, sign=sign, number=number: COMPARED[sign](
            children(seen), number
        )
        for sign in COMPARED
        for number in (0, 1, 2)
    },
}


@pytest.mark.parametrize("inside", PLACES)
def test_a_span_is_found_by_those_above_and_below_it(client: Client, inside: str):
    assert found(client, f"{{ {inside} }}") == {s.key for s in WORLD if PLACES[inside](s)}


def search(address: Address, q: str) -> tuple[FoundTrace, ...]:
    pool = ReadPool(lambda: connect(address), size=1, wait_max_s=1.0, limits=ReadLimits())
    times = {"start": str(RANGE[0] // NS), "end": str(RANGE[1] // NS)}
    asked = search_of({"q": q, "limit": "100", "spss": "100"} | times, 0)
    return SearchQuestions(pool, lambda _: False).search(asked, Cancellation()).traces


NESTED = "nestedSetParent, nestedSetLeft, nestedSetRight"
STRUCTURE = (
    "({nestedSetParent<0 && true} &>> { true }) || ({nestedSetParent<0}) "
    f"| select(status, resource.service.name, name, {NESTED}, childCount)"
)


@pytest.mark.parametrize(
    "q",
    [
        f"{{}} | select({NESTED}, childCount)",
        # As the structure tab of Traces Drilldown asks.
        STRUCTURE,
    ],
)
def test_nested_sets_tell_who_is_below_whom(client: Client, address: Address, q: str):
    assert client
    traces = search(address, q)
    assert len(traces) == 30
    for trace in traces:
        (one,) = trace.sets
        numbers = {
            int(s.span_id, 16): {name: int(text or "") for name, (text, kind) in s.values
                                 if kind == "int"}
            for s in one.spans
        }  # fmt: skip
        members = [s for s in WORLD if s.trace == int(trace.trace_id, 16)]
        led_to = {1}
        for seen in members:
            led_to |= {seen.number} if seen.parent in led_to else set()
        assert one.matched == (len(members) if q.startswith("{}") else len(led_to))
        for at, found_numbers in numbers.items():
            seen = BY_KEY[members[0].trace, at]
            left, right, above = (
                found_numbers[f"nestedSet{n}"] for n in ("Left", "Right", "Parent")
            )
            assert found_numbers["childCount"] == children(seen)
            if at not in led_to:
                assert (left, right, above) == (0, 0, 0)
                continue
            assert 0 < left < right <= 2 * len(led_to)
            assert above == (numbers[seen.parent]["nestedSetLeft"] if seen.parent else -1)
            for other, others in numbers.items():
                if other in led_to:
                    inside = left < others["nestedSetLeft"] and others["nestedSetRight"] < right
                    assert inside == is_below(members[0].trace, other, at)


def is_below(trace: int, number: int, above: int) -> bool:
    seen = BY_KEY.get((trace, BY_KEY[trace, number].parent))
    return seen is not None and (seen.number == above or is_below(trace, seen.number, above))


def test_a_span_that_was_sent_again_matches_once(client: Client, address: Address):
    assert client
    for q in ("{}", "{ span.a != nil } || { span.a = nil }", "{} | count() = 8"):
        traces = search(address, q)
        assert {trace.sets[0].matched for trace in traces} == {8}
        assert {len(trace.sets[0].spans) for trace in traces} == {8}
