"""Whole days, weeks, months and years of the calendar, in UTC. A week begins on Monday."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum

from exporter.errors import WrongQueryError
from exporter.query.asked import TimeRange
from exporter.spans.schema import NANOSECONDS

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What the store's times can hold: up to the year 2262.
_LAST_NS = 2**63 - 1
_OUT_OF_TIME = "the time must lie between 1970 and 2262"
_LONGER_THAN_A_MONTH = timedelta(days=32)


class Unit(StrEnum):
    """What the calendar counts in."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"

    def bounds(self, instant: datetime) -> tuple[datetime, datetime]:
        """Return the start of the one that holds an instant, and the start of the next.

        Raise OverflowError or ValueError for the first and the last that a datetime knows.
        """
        day = instant.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        match self:
            case Unit.DAY:
                return day, day + timedelta(days=1)
            case Unit.WEEK:
                monday = day - timedelta(days=day.weekday())
                return monday, monday + timedelta(days=7)
            case Unit.MONTH:
                first = day.replace(day=1)
                return first, (first + _LONGER_THAN_A_MONTH).replace(day=1)
            case Unit.YEAR:
                first = day.replace(month=1, day=1)
                return first, first.replace(year=first.year + 1)

    def holding(self, at_ns: int) -> TimeRange:
        """Return the one that holds a time; raise WrongQueryError."""
        try:
            start, end = self.bounds(EPOCH + timedelta(seconds=at_ns // NANOSECONDS))
        except (OverflowError, ValueError):
            raise WrongQueryError(_OUT_OF_TIME) from None
        return TimeRange(_nanoseconds(start), _nanoseconds(end))


def storable(at_ns: int, name: str) -> int:
    """Return a time that the store can hold; raise WrongQueryError for another one."""
    if not 0 <= at_ns <= _LAST_NS:
        raise WrongQueryError(f"{name}: {_OUT_OF_TIME}")
    return at_ns


def _nanoseconds(at: datetime) -> int:
    since = at - EPOCH
    return (since.days * 86_400 + since.seconds) * NANOSECONDS
