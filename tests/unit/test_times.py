"""Points and lengths of time as people write them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import WrongQueryError
from exporter.query.asked import TimeRange
from exporter.query.times import length_s, point, rfc3339, step_s, time_range
from tests.support.otlp import NS

# A Wednesday.
NOW = datetime(2026, 11, 18, 13, 30, 15, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * NS + 5


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW_NS),
        ("now-1h", NOW_NS - 3600 * NS),
        ("now-1h30m", NOW_NS - 5400 * NS),
        ("now+10s", NOW_NS + 10 * NS),
        ("now-500ms", NOW_NS - NS // 2),
        ("now/h", at("2026-11-18T13:00:00")),
        ("now/d", at("2026-11-18")),
        ("now-1d/d", at("2026-11-17")),
        ("now/w", at("2026-11-16")),
        ("now/M", at("2026-11-01")),
        ("now/y", at("2026-01-01")),
        ("2026-11-18T13:30:15Z", NOW_NS - 5),
        ("2026-11-18T13:30:15.000000005Z", NOW_NS),
        ("2026-11-18t14:30:15.5+01:00", NOW_NS - 5 + NS // 2),
        ("1795008615", 1795008615 * NS),
        ("1795008615.25", 1795008615 * NS + NS // 4),
        ("1795008615123", 1795008615123 * 10**6),
        ("1795008615123456", 1795008615123456 * 1000),
        ("1795008615123456789", 1795008615123456789),
        (" 0 ", 0),
    ],
)
def test_a_point_in_time(text: str, expected: int) -> None:
    assert point(text, NOW_NS) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("now/d", "2026-11-19"), ("now/w", "2026-11-23"), ("now/M", "2026-12-01")],
)
def test_the_end_of_a_range_is_rounded_to_the_end_of_the_unit_as_in_grafana(
    text: str, expected: str
) -> None:
    assert point(text, NOW_NS, at_end=True) == at(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("yesterday", "is no time: write now-1h", id="word"),
        pytest.param("", "is no time", id="nothing"),
        pytest.param("now-1", "is no time", id="no unit"),
        pytest.param("now-1h/x", "is no time", id="unknown unit"),
        pytest.param("-5", "is no time", id="negative"),
        pytest.param("2026-11-18", "is no time", id="day only"),
        pytest.param("2026-11-18T13:30:15", "is no time", id="no zone"),
        pytest.param("2026-02-30T00:00:00Z", "there is no such date", id="no such day"),
        pytest.param("0001-01-01T00:00:00+23:00", "there is no such date", id="before year 1"),
        pytest.param("now-999999999y", "between 1970 and 2262", id="too long ago"),
        pytest.param("now+999999999y/M", "between 1970 and 2262", id="too far ahead"),
        pytest.param("now+7978y/y", "between 1970 and 2262", id="in the last year of all"),
        pytest.param("9999-12-31T23:59:59Z", "between 1970 and 2262", id="beyond the store"),
        pytest.param("९", "is no time", id="foreign digits"),
        pytest.param("x" * 500, "is no time", id="long"),
    ],
)
def test_what_is_no_time_is_refused_with_what_to_write(text: str, message: str) -> None:
    with pytest.raises(WrongQueryError, match=message):
        point(text, NOW_NS)


def test_a_range_ends_after_it_starts() -> None:
    with pytest.raises(WrongQueryError, match="from must be before to"):
        time_range("now", "now-1h", NOW_NS)
    assert time_range("now-1h", "now", NOW_NS).seconds == 3600


@pytest.mark.parametrize(
    ("text", "expected"), [("30s", 30), ("5m", 300), ("1h30m", 5400), ("60", 60), ("2000ms", 2)]
)
def test_a_length(text: str, expected: int) -> None:
    assert length_s(text, name="step") == expected


@pytest.mark.parametrize("text", ["", "0s", "1.5h", "h", "100ms", "-5m", "1x"])
def test_what_is_no_length_is_refused(text: str) -> None:
    with pytest.raises(WrongQueryError, match="step: write a length"):
        length_s(text, name="step")


def test_a_step_that_makes_too_many_rows_is_refused() -> None:
    with pytest.raises(WrongQueryError, match="more than 11,000 steps"):
        step_s("1s", TimeRange(0, 11_001 * NS))
    assert step_s("1s", TimeRange(0, 11_000 * NS)) == 1
    assert step_s("", TimeRange(0, 1)) == 0


@given(st.integers(0, 2**63 - 1))
def test_what_is_printed_is_read_as_the_same_time(time_ns: int) -> None:
    assert point(rfc3339(time_ns), NOW_NS) == time_ns


@given(st.integers(0, 2**62), st.integers(1, 2**40), st.integers(1, 10**12))
def test_a_widened_range_holds_the_range_and_is_less_than_two_units_longer(
    start: int, length: int, unit: int
) -> None:
    found = TimeRange(start, start + length)
    wide = found.widened(unit)
    assert wide.start_ns <= start < start + length <= wide.end_ns
    assert wide.start_ns % unit == wide.end_ns % unit == 0
    assert wide.length_ns < length + 2 * unit
