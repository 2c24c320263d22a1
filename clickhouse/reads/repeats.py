"""Whether spans are stored twice: a client that got no answer sends its batch again.

To take each span once costs more than most questions, and hardly any store has repeats. So it is
first asked whether a time has any, and what was found out of five minutes is remembered for as long
as they have as many rows. The rows of a time are counted by the table's key alone, so a question
that comes again is told in a few milliseconds.

A repeat begins when its span does: one that is in other five minutes is not noticed.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

from clickhouse.reads.session import Session, named_sql
from exporter.spans.schema import NANOSECONDS

BUCKET_S = 300
"""The table's key begins with these."""
CHECKED_ROWS_MAX = 10_000_000
"""Rows that one question looks at to find out: about half a second. The next one goes on."""
REMEMBERED_MAX = 50_000
"""Buckets that are remembered: half a year."""
# Spans still arrive in the newest of a time; these are counted one by one.
_NEWEST_S = 2 * BUCKET_S


class Repeats:
    """Knows which times have spans that are stored twice. For several threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, tuple[int, int]] = OrderedDict()
        """Rows and different spans by bucket."""
        self._lock = threading.Lock()

    def may_be(self, session: Session, start_ns: int, end_ns: int) -> bool:
        """Return whether a time has repeats; true also where that would take long to find out."""
        bucket_ns = BUCKET_S * NANOSECONDS
        start_s, end_s = start_ns // bucket_ns * BUCKET_S, -(-end_ns // bucket_ns) * BUCKET_S
        newest_s = max(start_s, end_s - _NEWEST_S)
        if not self._as_remembered(session, start_s, newest_s):
            newest_s = start_s
        found = _rows(session, newest_s, end_s)
        unknown = self._unknown(newest_s, end_s, dict(found))
        if unknown:
            looked_at = _up_to(CHECKED_ROWS_MAX, unknown)
            self._look(session, newest_s, end_s, looked_at)
            if len(looked_at) < len(unknown) or len(found) > REMEMBERED_MAX:
                return True
        with self._lock:
            return any(rows != spans for rows, spans in self._of(start_s, end_s))

    def _of(self, start_s: int, end_s: int) -> list[tuple[int, int]]:
        return [each for at, each in self._known.items() if start_s <= at < end_s]

    def _as_remembered(self, session: Session, start_s: int, end_s: int) -> bool:
        if end_s <= start_s:
            return True
        with self._lock:
            known = sum(rows for rows, _ in self._of(start_s, end_s))
        times = {"start_s": start_s, "end_s": end_s, "limit": 1}
        ((rows,),) = session.rows(named_sql("bucket_rows"), times)
        return rows == known

    def _unknown(self, start_s: int, end_s: int, found: dict[int, int]) -> list[tuple[int, int]]:
        """Return the buckets to look at; forget those of which the rows are gone."""
        with self._lock:
            for bucket in [at for at in self._known if start_s <= at < end_s and at not in found]:
                del self._known[bucket]
            return [
                each for each in found.items() if self._known.get(each[0], (0, 0))[0] != each[1]
            ]

    def _look(self, session: Session, start_s: int, end_s: int, buckets: Sequence[int]) -> None:
        """Count the spans of some buckets, and remember them."""
        times = {"start_s": start_s, "end_s": end_s, "limit": len(buckets)}
        found = session.rows(named_sql("spans_by_bucket"), times | {"buckets": list(buckets)})
        with self._lock:
            for bucket, rows, spans in found:
                self._known.pop(bucket, None)
                self._known[bucket] = rows, spans
            while len(self._known) > REMEMBERED_MAX:
                self._known.popitem(last=False)


def _rows(session: Session, start_s: int, end_s: int) -> list[tuple[int, int]]:
    """Return buckets and their rows, the newest first."""
    times = {"start_s": start_s, "end_s": end_s, "limit": REMEMBERED_MAX + 1}
    return [(bucket, rows) for bucket, rows in session.rows(named_sql("rows_by_bucket"), times)]


def _up_to(rows_max: int, buckets: Sequence[tuple[int, int]]) -> list[int]:
    """Return the first buckets that together have no more rows than this; at least one."""
    found: list[int] = []
    for bucket, rows in buckets:
        rows_max -= rows
        if rows_max < 0 and found:
            break
        found.append(bucket)
    return found
