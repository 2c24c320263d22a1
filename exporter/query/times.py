"""Points and lengths of time as people write them: in Grafana's words, Prometheus' and others'.

now   now-1h   now-1h30m   now-2d/d   2026-11-21T20:00:00Z   1763755200   1763755200123
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

from exporter.errors import WrongQueryError
from exporter.query.asked import TimeRange
from exporter.query.periods import EPOCH, Unit, storable
from exporter.spans.schema import NANOSECONDS

_UNITS_NS: dict[str, int] = {
    "ms": NANOSECONDS // 1000,
    "s": NANOSECONDS,
    "m": 60 * NANOSECONDS,
    "h": 3600 * NANOSECONDS,
    "d": 86_400 * NANOSECONDS,
    "w": 7 * 86_400 * NANOSECONDS,
    "M": 30 * 86_400 * NANOSECONDS,
    "y": 365 * 86_400 * NANOSECONDS,
}
_PIECE = r"([0-9]{1,9})(ms|[smhdwMy])"
_LENGTH = re.compile(rf"(?:{_PIECE})+")
_RELATIVE = re.compile(
    rf"now(?:(?P<sign>[-+])(?P<length>(?:{_PIECE})+))?(?:/(?P<whole>[smhdwMy]))?"
)
_NUMBER = re.compile(r"[0-9]{1,19}(\.[0-9]{1,9})?")
_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[-+]\d\d:\d\d)", re.ASCII
)
_CALENDAR = {"w": Unit.WEEK, "M": Unit.MONTH, "y": Unit.YEAR}
_FORMS = (
    "write now-1h, 2026-11-21T20:00:00Z, or a Unix time in seconds, milliseconds or nanoseconds"
)
# Most steps of an answer: Prometheus has the same limit, and no panel is as wide.
STEPS_MAX = 11_000


def time_range(start: str, end: str, now_ns: int) -> TimeRange:
    """Return the range from one point to another; raise WrongQueryError that says what to write."""
    found = TimeRange(point(start, now_ns, name="from"), point(end, now_ns, name="to", at_end=True))
    if found.length_ns <= 0:
        raise WrongQueryError("from must be before to")
    return found


def point(text: str, now_ns: int, *, name: str = "time", at_end: bool = False) -> int:
    """Return a point in time; `at_end`: what is rounded goes to the end of its unit (`now/d`)."""
    written = text.strip()
    if relative := _RELATIVE.fullmatch(written):
        found = _relative(relative, now_ns, at_end=at_end)
    elif _NUMBER.fullmatch(written):
        found = _unix(Decimal(written))
    elif moment := _RFC3339.fullmatch(written):
        found = _moment(moment, name)
    else:
        raise WrongQueryError(f"{name}: {text[:60]!r} is no time: {_FORMS}")
    return storable(found, name)


def length_s(text: str, *, name: str) -> int:
    """Return a length like 30s, 5m or 1h30m in seconds; raise WrongQueryError."""
    found = _length_ns(text) if _LENGTH.fullmatch(text) else 0
    if text.isascii() and text.isdecimal() and len(text) < 10:
        found = int(text) * NANOSECONDS
    if not found or found % NANOSECONDS:
        raise WrongQueryError(f"{name}: write a length in whole seconds, like 30s, 5m, 1h or 1d")
    return found // NANOSECONDS


def step_s(text: str, within: TimeRange) -> int:
    """Return the length of a step, 0 for no text; raise WrongQueryError for too many steps."""
    if not text:
        return 0
    found = length_s(text, name="step")
    if within.length_ns > STEPS_MAX * found * NANOSECONDS:
        raise WrongQueryError(f"step: the time has more than {STEPS_MAX:,} steps of {text}")
    return found


def rfc3339(time_ns: int) -> str:
    """Return a time as RFC 3339 in UTC, with as many digits of the second as it has."""
    seconds, rest = divmod(time_ns, NANOSECONDS)
    whole = (EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{rest:09d}".rstrip("0").rstrip(".")
    return f"{whole}{fraction}Z"


def _relative(found: re.Match[str], now_ns: int, *, at_end: bool) -> int:
    moved = _length_ns(found["length"]) if found["length"] else 0
    at = now_ns - moved if found["sign"] == "-" else now_ns + moved
    return _rounded(at, found["whole"], at_end=at_end) if found["whole"] else at


def _length_ns(text: str) -> int:
    return sum(int(count) * _UNITS_NS[unit] for count, unit in re.findall(_PIECE, text))


def _rounded(at_ns: int, unit: str, *, at_end: bool) -> int:
    """Return the start of the unit that a time is in, or the start of the next one."""
    if unit in "smhd":
        start = at_ns // _UNITS_NS[unit] * _UNITS_NS[unit]
        return start + _UNITS_NS[unit] if at_end else start
    whole = _CALENDAR[unit].holding(at_ns)
    return whole.end_ns if at_end else whole.start_ns


def _unix(number: Decimal) -> int:
    """Return a Unix time whose unit its size tells, as seconds up to the year 5138."""
    for digits, unit in ((11, 9), (14, 6), (17, 3)):
        if number < Decimal(10) ** digits:
            return int(number.scaleb(unit))
    return int(number)


def _moment(found: re.Match[str], name: str) -> int:
    day, clock, fraction, zone = found.groups()
    try:
        at = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if zone in 'Zz' else zone}")
        whole = at.astimezone(UTC) - EPOCH
    except (ValueError, OverflowError, InvalidOperation):
        raise WrongQueryError(f"{name}: there is no such date or time") from None
    nanoseconds = int((fraction or "").ljust(9, "0"))
    return (whole.days * 86_400 + whole.seconds) * NANOSECONDS + nanoseconds
