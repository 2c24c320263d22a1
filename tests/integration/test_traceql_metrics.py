"""TraceQL metrics: the store computes what a plain reading of the same spans computes."""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clickhouse.client import Address, Writer, connect, parse_address
from clickhouse.migrate import Retention, migrate
from clickhouse.reads import repeats
from clickhouse.reads.contrast import VALUE_CHARS_MAX
from clickhouse.reads.session import ReadLimits, ReadPool
from exporter.api.tempo.answers import instant_json, range_json
from exporter.api.tempo.parameters import series_of
from exporter.cancellation import Cancellation
from exporter.errors import WrongQueryError
from exporter.query.search import Series
from exporter.questions import contrast
from exporter.questions.series import SeriesQuestions
from exporter.spans.rows import rows
from tests.support.clickhouse_http import ClickHouseServer
from tests.support.otlp import ERROR, NOON_NS, NS, request, span
from tests.support.service import store_url
from tests.unit.pipeline import NORMALISE, PRICE, decode

RETENTION = Retention(spans_days=3650, content_days=3650, minutes_days=3650, hours_days=3650)
HOUR_S = 3600
LONG = "x" * (VALUE_CHARS_MAX + 1)


@dataclass(frozen=True)
class Seen:
    """A span as a person would write it down; `copies`: how often it was sent."""

    number: int
    trace: int
    parent: int
    name: str
    at_s: int
    duration_ns: int
    failed: bool
    attributes: dict[str, Any]
    resource: dict[str, Any]
    copies: int


def world() -> list[Seen]:
    chance = random.Random(7)
    found: list[Seen] = []
    for number in range(1, 301):
        trace = (number - 1) // 6 + 1
        attributes: dict[str, Any] = {"n": chance.randrange(12)}
        if chance.random() < 0.7:
            attributes["route"] = chance.choice(["/a", "/b", "/c", LONG])
        if chance.random() < 0.5:
            attributes["mixed"] = chance.choice([1, 1.5, True, "1"])
        resource = {"service.name": chance.choice(["shop", "stock"]), "zone": chance.choice("xy")}
        found.append(
            Seen(
                number=number,
                trace=trace,
                parent=0 if number % 6 == 1 else number - 1,
                name=f"step {number % 6}",
                at_s=chance.randrange(HOUR_S),
                duration_ns=chance.randrange(1, 5) * NS,
                failed=chance.random() < 0.2,
                attributes=attributes,
                resource=resource,
                copies=chance.choice([1, 1, 1, 2, 3]),
            )
        )
    return found


WORLD = world()
# Before noon every span was sent once.
QUIET = [Seen(**(seen.__dict__ | {"copies": 1, "at_s": seen.at_s - HOUR_S})) for seen in WORLD]


def bodies(seen: list[Seen], sent: int, first_number: int = 0) -> list[bytes]:
    return [
        request(
            span(
                each.attributes,
                number=each.number + first_number,
                trace=each.trace + first_number,
                parent=each.parent + first_number if each.parent else 0,
                name=each.name,
                start_ns=NOON_NS + each.at_s * NS,
                duration_ns=each.duration_ns,
                **({"status": ERROR} if each.failed else {}),
            ),
            resource=each.resource,
        )
        for each in seen
        if each.copies > sent
    ]


@pytest.fixture(scope="module")
def address(clickhouse: ClickHouseServer) -> Address:
    return parse_address(store_url(clickhouse))


@pytest.fixture(scope="module")
def client(address: Address) -> Iterator[Client]:
    migrate(address, RETENTION)
    with closing(connect(address)) as opened:
        for sent in range(3):
            write(opened, bodies(WORLD, sent))
        write(opened, bodies(QUIET, 0, 1000))
        yield opened


def write(client: Client, sent: list[bytes]) -> None:
    for name, batch in rows(PRICE(NORMALISE(decode(*sent)))).tables.items():
        Writer(client).insert_arrow(name, pa.Table.from_batches([batch]), {})


@pytest.fixture(scope="module")
def questions(client: Client, address: Address) -> SeriesQuestions:
    assert client.query("SELECT count() FROM otel_traces").result_rows[0][0] > len(WORLD)
    pool = ReadPool(lambda: connect(address), size=1, wait_max_s=1.0, limits=ReadLimits())
    return SeriesQuestions(pool, lambda _: False)


def ask(questions: SeriesQuestions, q: str, step_s: int = HOUR_S, **asked: Any) -> list[Series]:
    times = {"start": NOON_NS // NS, "end": NOON_NS // NS + HOUR_S} | asked
    texts = {name: str(value) for name, value in times.items()}
    wanted = series_of({"q": q, "step": f"{step_s}s"} | texts, 0, instant=False)
    return questions.series(wanted, Cancellation())


Values = dict[tuple[str, ...], dict[int, float]]


def by_label(found: list[Series]) -> Values:
    """Return the samples that are not 0 by the series' labels and by second."""
    return {
        tuple(str(value) for _, (value, _) in each.labels): {
            time_ns // NS - NOON_NS // NS: value for time_ns, value in each.samples if value
        }
        for each in found
    }


# What is computed -----------------------------------------------------------------------------

FILTERS = {
    "{}": bool,
    "{ status = error }": lambda seen: seen.failed,
    "{ duration > 2s }": lambda seen: seen.duration_ns > 2 * NS,
    '{ resource.zone = "x" && .route != nil }': lambda seen: (
        seen.resource["zone"] == "x" and "route" in seen.attributes
    ),
    "{ span.n > 8 }": lambda seen: seen.attributes["n"] > 8,
    "{ nestedSetParent < 0 }": lambda seen: not seen.parent,
}  # fmt: skip
MEASURES = {
    "count_over_time()": len,
    "rate()": len,
    "sum_over_time(span.n)": lambda spans: sum(s.attributes["n"] for s in spans),
    "avg_over_time(duration)": lambda spans: sum(s.duration_ns for s in spans) / NS / len(spans),
    "max_over_time(span.n)": lambda spans: max(s.attributes["n"] for s in spans),
    "quantile_over_time(duration, .5)": lambda spans: median([s.duration_ns / NS for s in spans]),
}
GROUPS = {"name": lambda seen: seen.name, "resource.zone": lambda seen: seen.resource["zone"]}


def median(numbers: list[float]) -> float:
    ordered = sorted(numbers)
    at = (len(ordered) - 1) / 2
    return (ordered[math.floor(at)] + ordered[math.ceil(at)]) / 2


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    spans=st.sampled_from([*FILTERS]),
    measure=st.sampled_from([*MEASURES]),
    by=st.sampled_from([*GROUPS]),
    step_s=st.sampled_from([300, 900, 1800]),
)
def test_a_span_that_was_sent_again_counts_once(
    questions: SeriesQuestions, spans: str, measure: str, by: str, step_s: int
):
    grouped: dict[str, dict[int, list[Seen]]] = defaultdict(lambda: defaultdict(list))
    for seen in filter(FILTERS[spans], WORLD):
        grouped[GROUPS[by](seen)][seen.at_s // step_s * step_s].append(seen)
    scale = 1 / step_s if measure == "rate()" else 1
    expected = {
        label: {at: MEASURES[measure](members) * scale for at, members in steps.items()}
        for label, steps in grouped.items()
    }
    found = by_label(ask(questions, f"{spans} | {measure} by ({by})", step_s))
    assert {label[0] for label in found} == set(expected)
    for label, steps in found.items():
        wanted = {at: value for at, value in expected[label[0]].items() if value}
        assert steps == pytest.approx(wanted)


def test_a_histogram_counts_each_span_once_and_shows_one_of_each_cell(questions: SeriesQuestions):
    found = ask(questions, "{} | histogram_over_time(duration)", 900, exemplars=100)
    expected = Counter(2.0 ** math.ceil(math.log2(seen.duration_ns / NS)) for seen in WORLD)
    totals = {float(each.labels[0][1][0] or "nan"): each.samples for each in found}
    assert {bucket: sum(v for _, v in samples) for bucket, samples in totals.items()} == expected
    durations = {f"{seen.number:016x}": seen.duration_ns / NS for seen in WORLD}
    for each in found:
        bucket = float(each.labels[0][1][0] or "nan")
        cells = [time_ns for time_ns, value in each.samples if value]
        assert [one.time_ns // (900 * NS) * 900 * NS for one in each.exemplars] == cells
        assert all(one.value == durations[one.span_id] for one in each.exemplars)
        assert all(bucket / 2 < one.value <= bucket for one in each.exemplars)


# Repeats ---------------------------------------------------------------------------------------


def test_repeats_are_looked_for_once(client: Client, address: Address):
    pool = ReadPool(lambda: connect(address), size=1, wait_max_s=1.0, limits=ReadLimits())
    known = repeats.Repeats()
    with pool.session(Cancellation()) as session:

        def may_be(first_s: int, last_s: int) -> bool:
            return known.may_be(session, NOON_NS + first_s * NS, NOON_NS + last_s * NS)

        assert may_be(0, HOUR_S)
        assert not may_be(-HOUR_S, 0)
        remembered = dict(known._known)  # what it knows is the point
        quiet = [each for at, each in remembered.items() if at < NOON_NS // NS]
        assert {rows - spans for rows, spans in quiet} == {0}
        assert sum(rows for rows, _ in quiet) == len(QUIET)
        assert not may_be(-2000, 0)
        first, second = (
            Seen(**(QUIET[0].__dict__ | {"number": number, "trace": 5001, "at_s": -1000}))
            for number in (5001, 5002)
        )
        write(client, bodies([first], 0))
        assert not may_be(-HOUR_S, 0)
        write(client, bodies([second, first], 0))
        assert may_be(-HOUR_S, 0)
        ids = {"id": f"{5001:032x}"}
        client.command("DELETE FROM otel_traces WHERE TraceId = {id:String}", parameters=ids)
        assert not may_be(-HOUR_S, 0)


def test_only_so_many_rows_are_looked_at_by_one_question(
    client: Client, address: Address, monkeypatch: pytest.MonkeyPatch
):
    assert client
    monkeypatch.setattr(repeats, "CHECKED_ROWS_MAX", 100)
    pool = ReadPool(lambda: connect(address), size=1, wait_max_s=1.0, limits=ReadLimits())
    known = repeats.Repeats()
    with pool.session(Cancellation()) as session:
        told = [known.may_be(session, NOON_NS - HOUR_S * NS, NOON_NS) for _ in range(6)]
    # Not known yet counts as yes; every question finds out more.
    assert told[0] is True
    assert told[-1] is False


# compare ---------------------------------------------------------------------------------------


Said = tuple[str, str]
"""The text and the kind of a value."""
KINDS = {int: "int", float: "double", bool: "bool", str: ""}


def said(seen: Seen) -> dict[str, Said]:
    """Return what `compare` compares of a span, by its name."""
    root = WORLD[(seen.trace - 1) * 6]
    values = {
        **{f"span.{key}": value for key, value in seen.attributes.items()},
        **{f"resource.{key}": value for key, value in seen.resource.items()},
        "name": seen.name,
        "rootName": root.name,
        "rootServiceName": root.resource["service.name"],
    }
    return {
        "status": ("Error" if seen.failed else "Unset", "keyword"),
        "kind": ("Unspecified", "keyword"),
        **{
            name: (str(value).lower() if value is True else str(value), KINDS[type(value)])
            for name, value in values.items()
        },
    }


Compared = dict[tuple[str, str], list[tuple[Said | None, Counter[int]]]]
"""Spans by step of each value, and of all of them (None), by side and name."""


def compared(selection: str, step_s: int) -> Compared:
    """Return what a plain reading of the spans finds; values that are too long have no text."""
    counts: dict[tuple[str, str], dict[Said | None, Counter[int]]] = defaultdict(dict)
    for seen in WORLD:
        side = "selection" if FILTERS[selection](seen) else "baseline"
        for name, value in said(seen).items():
            for each, at in ((value, side), (None, f"{side}_total")):
                steps = counts[at, name].setdefault(each, Counter())
                steps[seen.at_s // step_s * step_s] += 1
    return {key: list(values.items()) for key, values in counts.items()}


def answered(found: list[Series]) -> tuple[Compared, set[str]]:
    """Return the same of an answer, and the names that have too many values."""
    series: Compared = defaultdict(list)
    too_many: set[str] = set()
    for each in found:
        (label, (side, _)), (name, (text, kind)) = each.labels
        steps = {t // NS - NOON_NS // NS: int(v) for t, v in each.samples if v}
        if label == "__meta_error":
            assert (side, text, each.samples) == ("__too_many_values__", None, ())
            too_many.add(name)
        else:
            assert label == "__meta_type"
            value = None if text is None else (text, kind)
            series[str(side), name].append((value, Counter(steps)))
    return series, too_many


@pytest.mark.parametrize("step_s", [900, HOUR_S])
@pytest.mark.parametrize(
    ("selection", "top"),
    [
        ("{ status = error }", 10),
        ("{ span.n > 8 }", 3),
        ('{ resource.zone = "x" && .route != nil }', 100),
        ("{}", 12),
    ],
)
def test_attributes_of_a_selection_are_compared_with_those_of_the_others(
    questions: SeriesQuestions, selection: str, top: int, step_s: int
):
    found, too_many = answered(ask(questions, f"{{}} | compare({selection}, {top})", step_s))
    expected = compared(selection, step_s)
    assert too_many == {name for (_, name), values in expected.items() if len(values) > top}
    for key, values in expected.items():
        wanted = sorted((each for each in values if each[0] != (LONG, "")), key=str)
        if len(values) <= top:
            assert sorted(found[key], key=str) == wanted, key
            continue
        shown = [steps.total() for _, steps in found[key]]
        assert all(each in wanted for each in found[key])
        assert len(shown) in {top, top - 1}  # A value that is too long may be of the most frequent.
        every = sorted((steps.total() for _, steps in wanted), reverse=True)
        assert sorted(shown, reverse=True) == every[: len(shown)]
    found_out = {name for _, name in found if name.startswith("span.observatory.")}
    assert found_out == {"span.observatory.error_type"}
    assert {name for _, name in found} - found_out == {name for _, name in expected}


def test_a_selection_has_a_time(questions: SeriesQuestions):
    start_ns, end_ns = NOON_NS + 600 * NS, NOON_NS + 1800 * NS
    q = f"{{ status = error }} | compare({{ span.n > 8 }}, 100, {start_ns}, {end_ns})"
    found, _ = answered(ask(questions, q))
    ((_, steps),) = found["selection_total", "name"]
    chosen = [s for s in WORLD if s.failed and s.attributes["n"] > 8 and 600 <= s.at_s < 1800]
    assert steps.total() == len(chosen)
    ((_, steps),) = found["baseline_total", "name"]
    assert steps.total() == sum(s.failed for s in WORLD) - len(chosen)


def test_a_comparison_looks_as_tempo_writes_it(questions: SeriesQuestions):
    found = ask(questions, "{} | compare({ status = error }, 1)")
    kind = [each for each in found if each.labels[1][0] == "kind"]
    spans = float(sum(not seen.failed for seen in WORLD))
    sample = {"timestampMs": str(NOON_NS // 1_000_000), "value": spans}

    def labels(side: str, value: str) -> list[dict[str, Any]]:
        meta = {"key": "__meta_type", "value": {"stringValue": side}}
        return [meta, {"key": "kind", "value": {"stringValue": value}}]

    series = range_json(kind)["series"]
    assert {
        "labels": labels("baseline", "unspecified"),
        "samples": [sample],
        "exemplars": [],
    } in series
    assert {
        "labels": labels("baseline_total", "nil"),
        "samples": [sample],
        "exemplars": [],
    } in series
    instant = instant_json(found)["series"]
    assert {"labels": labels("baseline", "unspecified"), "value": spans} in instant
    assert all(each["labels"][0]["key"] == "__meta_type" for each in instant)


def test_a_comparison_has_only_so_many_samples(
    questions: SeriesQuestions, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(contrast, "SAMPLES_MAX", 50)
    with pytest.raises(WrongQueryError, match="more than 50 samples: ask for longer steps"):
        ask(questions, "{} | compare({ status = error })", 300)
