"""TraceQL: what can be written, where a wrong query is wrong, what relations and stages find."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import WrongQueryError
from exporter.query.grammar import TEXT_CHARS_MAX
from exporter.query.traceql.ast import (
    AllSets,
    AnySets,
    By,
    Coalesce,
    Contrast,
    Filter,
    Finds,
    Function,
    Measure,
    Metrics,
    Named,
    Related,
    Relation,
    Select,
    Threshold,
    filters,
    shown,
)
from exporter.query.traceql.evaluate import FoundSet, Trace, evaluate, needed
from exporter.query.traceql.fields import DERIVED, INTRINSICS
from exporter.query.traceql.literals import nanoseconds
from exporter.query.traceql.parse import FILTERS_MAX, NESTING_MAX, parse
from exporter.query.traceql.stages import TOP_MAX
from exporter.query.traceql.terms import CALCULATIONS_MAX
from exporter.spans.condition import (
    EVERY_SPAN,
    AllOf,
    AnyOf,
    AttributeField,
    Calculated,
    ColumnField,
    Compare,
    CompareTerms,
    Comparison,
    Condition,
    Field,
    Not,
    OfParent,
    Operation,
    PlaceField,
    Scope,
    Term,
    TraceField,
    Value,
)
from exporter.spans.schema import DERIVED_COLUMNS, SPAN_COLUMNS

A = AttributeField(Scope.ANY, "a")


def compare(field: Field, sign: str, value: Value) -> Compare:
    return Compare(field, Comparison(sign), value)


def column(name: str, sign: str, value: Value) -> Compare:
    return compare(ColumnField(name), sign, value)


IN_RESOURCE = AttributeField(Scope.RESOURCE, "a")
DURATION = ColumnField("Duration")


def calculated(sign: str, left: Term, right: Term) -> Calculated:
    return Calculated(Operation(sign), left, right)


def terms(left: Term, sign: str, right: Term) -> CompareTerms:
    return CompareTerms(left, Comparison(sign), right)


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("", EVERY_SPAN),
        ("true", EVERY_SPAN),
        ("false", AnyOf(())),
        (".a=1", compare(A, "=", 1)),
        (".a = -1.5e3", compare(A, "=", -1500.0)),
        (".a = .5", compare(A, "=", 0.5)),
        (".a = 3s", compare(A, "=", 3 * 10**9)),
        (".a", compare(A, "=", True)),
        (".a = false", compare(A, "=", False)),
        (".a = nil", compare(A, "=", None)),
        (".a != nil", compare(A, "!=", None)),
        (".a != 1", AllOf((compare(A, "!=", None), compare(A, "!=", 1)))),
        (".a !~ `x`", AllOf((compare(A, "!=", None), compare(A, "!~", "x")))),
        ('"x" = .a', compare(A, "=", "x")),
        ("3 < .a", compare(A, ">", 3)),
        ("3 >= .a", compare(A, "<=", 3)),
        ("span.a.b-c/d:e=1", compare(AttributeField(Scope.SPAN, "a.b-c/d:e"), "=", 1)),
        ('span."a b".c=1', compare(AttributeField(Scope.SPAN, "a b.c"), "=", 1)),
        ('resource."q\\"q"=1', compare(AttributeField(Scope.RESOURCE, 'q"q'), "=", 1)),
        ("event.a=1", compare(AttributeField(Scope.EVENT, "a"), "=", 1)),
        ("link.a=1", compare(AttributeField(Scope.LINK, "a"), "=", 1)),
        ("instrumentation.a=1", compare(AttributeField(Scope.INSTRUMENTATION, "a"), "=", 1)),
        ("name='x'", column("SpanName", "=", "x")),
        ("name!='x'", column("SpanName", "!=", "x")),
        ("status=error", column("StatusCode", "=", "Error")),
        ("kind!=server", column("SpanKind", "!=", "Server")),
        ("status =~ `e.*`", column("StatusCode", "=~", "(?i:e.*)")),
        ("duration>1h1m1.5s", column("Duration", ">", 3661500000000)),
        ("span:duration<300µs", column("Duration", "<", 300_000)),
        ("trace:duration>1s", compare(TraceField.DURATION, ">", 10**9)),
        ("rootName='x'", compare(TraceField.ROOT_NAME, "=", "x")),
        ("parent.a = 1", OfParent(compare(A, "=", 1))),
        ("parent.span.a", OfParent(compare(AttributeField(Scope.SPAN, "a"), "=", True))),
        ("parent.resource.a = nil", Not(OfParent(compare(IN_RESOURCE, "!=", None)))),
        ("childCount > 3", compare(PlaceField.CHILDREN, ">", 3)),
        ("2 >= span:childCount", compare(PlaceField.CHILDREN, "<=", 2)),
        (".a + 1 > 3", terms(calculated("+", A, 1), ">", 3)),
        (".a -1 > 3", terms(calculated("-", A, 1), ">", 3)),
        ("3 < .a * 2 + 1", terms(calculated("+", calculated("*", A, 2), 1), ">", 3)),
        ("2 * (.a + 1) = 1", terms(calculated("*", 2, calculated("+", A, 1)), "=", 1)),
        ("-.a < .a ^ 2", terms(calculated("-", 0, A), "<", calculated("^", A, 2))),
        ("duration > 2 * .a", terms(DURATION, ">", calculated("*", 2, A))),
        (".a != .a", terms(A, "!=", A)),
        (".a > 2 * 1s + 500ms", compare(A, ">", 2_500_000_000)),
        ("(.a) = (1)", compare(A, "=", 1)),
        ("nestedSetParent<0", column("ParentSpanId", "=", None)),
        ("nestedSetParent >= 0", column("ParentSpanId", "!=", None)),
        ("trace:id='ABC'", column("TraceId", "=", "abc".zfill(32))),
        ("span.observatory.cost_usd>.01", column("CostUsd", ">", 0.01)),
        ("!(.a=1)", Not(compare(A, "=", 1))),
        ("!!!.a", Not(compare(A, "=", True))),
        (
            ".a=1 || .a=2 && .a=3",
            AnyOf((compare(A, "=", 1), AllOf((compare(A, "=", 2), compare(A, "=", 3))))),
        ),
        (
            "(.a=1 || .a=2) && .a=3",
            AllOf((AnyOf((compare(A, "=", 1), compare(A, "=", 2))), compare(A, "=", 3))),
        ),
    ],
)  # fmt: skip
def test_what_stands_in_braces_is_a_condition(inside: str, expected: Condition):
    spans = parse("{" + inside + "}").spans
    assert isinstance(spans, Filter)
    assert spans.condition == expected


def one(name: str) -> Filter:
    field = AttributeField(Scope.ANY, name)
    return Filter(compare(field, "=", True), (Named(f".{name}", field),))


def test_sets_of_spans_are_joined():
    a, b, c = one("a"), one("b"), one("c")
    assert parse("{.a} && {.b} || {.c}").spans == AnySets((AllSets((a, b)), c))
    assert parse("{.a} && ({.b} || {.c})").spans == AllSets((a, AnySets((b, c))))
    assert parse("{.a} > {.b} >> {.c}").spans == Related(
        Related(a, Relation.CHILD, b), Relation.DESCENDANT, c
    )
    assert parse("{.a} !~ {.b}").spans == Related(a, Relation.SIBLING, b, Finds.NOT)
    assert parse("{.a} &<< {.b}").spans == Related(a, Relation.ANCESTOR, b, Finds.BOTH)


def test_stages_follow():
    duration = Named("duration", ColumnField("Duration"))
    query = parse("{} | by(name) | avg(duration) >= 1s | coalesce() | select(.a, duration)")
    assert query.stages == (
        By(Named("name", ColumnField("SpanName"))),
        Threshold(Function.AVG, duration, Comparison.GREATER_OR_EQUAL, 10**9),
        Coalesce(),
        Select((Named(".a", A), duration)),
    )
    assert [each.name for each in shown(query)] == [".a", "duration"]
    assert parse("{} | count() != 2 with(most_recent=true, x=3)").hints == {
        "most_recent": "true",
        "x": "3",
    }


def test_metrics_follow():
    query = parse("{.a} | quantile_over_time(.n, .5, 1) by (name, .a) with (sample=true)")
    assert query.metrics == Metrics(
        Measure.QUANTILE,
        Named(".n", AttributeField(Scope.ANY, "n")),
        (0.5, 1.0),
        (Named("name", ColumnField("SpanName")), Named(".a", A)),
    )
    assert parse("{}|rate()").metrics == Metrics(Measure.RATE)


def test_a_comparison_has_a_selection():
    a = compare(A, "=", True)
    assert parse("{} | compare({.a})").metrics == Contrast(a, 10)
    assert parse("{} | compare({}, 3, 0, 0)").metrics == Contrast(EVERY_SPAN, 3)
    # As Traces Drilldown asks it.
    query = parse("{nestedSetParent<0 && true} | compare({.a}, 10, 100, 200)")
    within = column("Timestamp", ">=", 100), column("Timestamp", "<", 200)
    assert query.metrics == Contrast(AllOf((a, *within)), 10)


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("{ foo = 1 }", 2, "unknown field foo; an attribute is span.foo, resource.foo or .foo"),
        ("{ .a = }", 7, "} stands where ( or a duration or a name or a number"),
        ("{ .a 1 }", 5, "1 stands where"),
        ("{ .a = 1", 8, "the text ends where"),
        ("{ .a = 'x }", 7, "this quote is never closed"),
        ("{ .a =~ span.b }", 2, "=~ and !~ take a pattern in quotes"),
        ("{ status = span.b }", 2, "status is compared with a value only"),
        ("{ .a + event.b = 1 }", 2, "event.b is compared with a value only"),
        ("{ .a = rootName }", 2, "rootName is compared with a value only"),
        ("{ .a + name > 1 }", 2, "name is no number"),
        ("{ .a + 'x' > 1 }", 7, "this is no number"),
        ("{ .a > 1 / 0 }", 7, "this is no number"),
        ("{ .a * 2 }", 2, "this has to be compared with something"),
        ("{ .a + .b =~ 'x' }", 2, "=~ and !~ take a pattern in quotes"),
        ("{ .a + .b = 'x' }", 12, "this is no number"),
        ("{ parent.a * 2 > 1 }", 2, "parent.a is compared with a value only"),
        (
            "{ .a" + " + 1" * (CALCULATIONS_MAX + 1) + " > 1 }",
            2,
            f"more than {CALCULATIONS_MAX} calc",
        ),
        ("{ nestedSetLeft > 1 }", 2, "nestedSetLeft is not compared; | select(nestedSetLeft)"),
        ("{ childCount > 'x' }", 15, "childCount is compared with a number"),
        ("{} | by(nestedSetParent)", 5, "by(nestedSetParent) is not served"),
        ("{} | select(parent.a)", 12, "parent.a is compared with a value only"),
        ("{ 1 = 1 }", 2, "a comparison needs a field"),
        ("{ 1 }", 2, "a value alone is no condition"),
        ("{ duration }", 2, "duration has to be compared"),
        ("{ duration > 'x' }", 13, "duration takes a duration such as 1.5s"),
        ("{ status = 'x' }", 11, "this takes = or != and one of unset, ok, error"),
        ("{ status > ok }", 11, "this takes = or !="),
        ("{ .a = ok }", 7, "write the value of an attribute in quotes"),
        ("{ .a < true }", 2, "compared by = and != only"),
        ("{ .a =~ 1 }", 8, "=~ and !~ take a pattern in quotes"),
        ("{ rootName = 1 }", 13, "rootName takes text in quotes"),
        ("{ nestedSetParent = 3 }", 20, "only < 0 (roots) and >= 0"),
        ("{} | sample({.a})", 5, "sample is not served; served are select, by"),
        ("{} | compare()", 5, "compare() takes { ... }, a number of values"),
        ("{} | compare(.a)", 5, "compare() takes { ... }, a number of values"),
        ("{} | compare({.a}, 1, 2)", 5, "compare() takes { ... }, a number of values"),
        ("{} | compare({.a} && {.b})", 5, "compare() takes one { }"),
        ("{} | compare({.a}, 1.5)", 5, "compare() takes whole numbers after its { }"),
        ("{} | compare({.a}, {.b})", 5, "compare() takes whole numbers after its { }"),
        ("{} | compare({.a}, 0)", 5, f"compare() shows 1 to {TOP_MAX} values"),
        ("{} | compare({.a}, 5, 20, 10)", 5, "compare() takes a start before an end"),
        ("{} | compare({.a}) by (name)", 5, "compare() has no by(...)"),
        ("{} | compare({.a}) | count() > 1", 21, "nothing can follow the metrics"),
        ("{} | by(name) | compare({.a})", 16, "metrics are served of one { }"),
        ("{} | count()", 5, "count() has to be compared"),
        ("{} | avg(name) > 1", 5, "name is no number"),
        ("{} | by(name, .a)", 5, "by() takes one field"),
        ("{} | select()", 5, "select() takes fields"),
        ("{} | rate(.a)", 5, "rate() takes nothing"),
        ("{} | sum_over_time()", 5, "sum_over_time() takes a field"),
        ("{} | quantile_over_time(.a)", 5, "takes quantiles"),
        ("{} | quantile_over_time(.a, 2)", 5, "a quantile is a number from 0 to 1"),
        ("{} | rate() | count() > 1", 14, "nothing can follow the metrics"),
        ("{.a} && {.b} | rate()", 15, "metrics are served of one { }"),
        ("{} | rate() by (rootName)", 5, "by(rootName) is not served"),
        ("{} without(x=1)", 3, "without stands where with(...) or a stage is expected"),
        ("{" + "(" * NESTING_MAX + ".a", NESTING_MAX, f"more than {NESTING_MAX} deep"),
        ("{}" + "||{}" * FILTERS_MAX, 4 * FILTERS_MAX, f"more than {FILTERS_MAX} sets"),
        (" " * (TEXT_CHARS_MAX + 1) + "{}", None, f"more than {TEXT_CHARS_MAX} characters"),
    ],
)
def test_a_wrong_query_says_where(text: str, position: int | None, message: str):
    with pytest.raises(WrongQueryError) as error:
        parse(text)
    assert message in str(error.value)
    assert error.value.position == position


@given(text=st.text(alphabet="{}()|&!=~<>.,\"'`\\ax1s rate()by", max_size=60))
def test_whatever_is_written_is_read_or_refused_with_a_place(text: str):
    position: int | None = 0
    try:
        parse(text)
    except WrongQueryError as error:
        position = error.position
    assert position is not None
    assert 0 <= position <= len(text)


@pytest.mark.parametrize("text", ["{" + "!" * 9000 + ".a}", "{.a" + "||.a" * 2000 + "}"])
def test_a_long_query_is_read_without_deep_recursion(text: str):
    assert parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1ns", 1), ("2us", 2000), ("1.5ms", 1_500_000), ("1h1m1s", 3661 * 10**9), ("-1s", -(10**9))],
)
def test_durations_are_nanoseconds(text: str, expected: int):
    assert nanoseconds(text) == expected


def test_every_field_is_a_column_that_there_is():
    columns = {each.name for each in (*SPAN_COLUMNS, *DERIVED_COLUMNS)}
    assert set(DERIVED.values()) <= columns
    assert {f.column for f in INTRINSICS.values() if isinstance(f, ColumnField)} <= columns


# What is found in one trace -------------------------------------------------------------------

#      a
#    /   \
#   b     c       x (its parent is missing)
#  / \
# d   e
FAMILY = {"a": "", "b": "a", "c": "a", "d": "b", "e": "b", "x": "gone"}


def found(q: str, members: dict[str, str] = FAMILY) -> list[str]:
    """Return the names of spans that a query finds; `{.abc}` stands for the spans a, b and c."""
    query = parse(q)
    names = list(members)
    met = [
        [name in str(each.fields[0].field.key) for name in names]  # type: ignore[union-attr]
        for each in filters(query.spans)
    ]
    trace = Trace(ids=names, parents=list(members.values()), met=met, values={})
    return ["".join(names[at] for at in each.spans) for each in evaluate(query, trace)]


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("{.ab}", ["ab"]),
        ("{.z}", []),
        ("{.a} && {.d}", ["ad"]),
        ("{.a} && {.z}", []),
        ("{.z} || {.d}", ["d"]),
        ("{.ax} > {.bcde}", ["bc"]),
        ("{.a} >> {.bcdex}", ["bcde"]),
        ("{.de} < {.abc}", ["b"]),
        ("{.de} << {.abcx}", ["ab"]),
        ("{.d} ~ {.abcdex}", ["e"]),
        ("{.de} ~ {.de}", ["de"]),
        ("{.a} ~ {.x}", []),
        ("{.a} !> {.bcdx}", ["dx"]),
        ("{.a} !>> {.bcdx}", ["x"]),
        ("{.abc} &> {.de}", ["bde"]),
        ("{.ac} &>> {.de}", ["ade"]),
        ("{.a} > {.bc} > {.de}", ["de"]),
        ("{.abcde} | count() > 4", ["abcde"]),
        ("{.abcde} | count() > 5", []),
    ],
)
def test_relations_find_spans_by_their_place(q: str, expected: list[str]):
    assert found(q) == expected


def test_loops_of_parents_end():
    loop = {"a": "c", "b": "a", "c": "b"}
    assert found("{.a} >> {.abc}", loop) == ["abc"]
    assert found("{.a} << {.abc}", loop) == ["abc"]


def test_a_chain_of_ten_thousand_spans_is_walked():
    names = {str(n): str(n - 1) for n in range(10_000)}
    query = parse("{.first} >> {.all}")
    met = [[name == "0" for name in names], [True] * len(names)]
    trace = Trace(ids=list(names), parents=list(names.values()), met=met, values={})
    assert evaluate(query, trace) == [FoundSet(tuple(range(1, 10_000)))]


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("{.a}", [{0}]),
        ("{.a} && {.b}", [{0, 1}]),
        ("{.a} || {.b}", [{0}, {1}]),
        ("({.a} || {.b}) && {.c}", [{0, 2}, {1, 2}]),
        ("{.a} >> {.b}", [{0, 1}]),
        ("{.a} !> {.b}", [{1}]),
    ],
)
def test_what_a_trace_must_have(q: str, expected: list[set[int]]):
    assert [set(each) for each in needed(parse(q))] == expected
