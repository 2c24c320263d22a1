"""Whether spans are stored twice: a client that got no answer sends its batch again.

To take each span once costs more than most questions, and hardly any store has repeats. So it is
first asked whether a time has any, and what was found out is remembered: five minutes that have
as many rows as when all of them were different spans have no repeats now. The rows of a time are
counted by the table's key alone, so a question that comes again is told in a few milliseconds.

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
        self._unique: OrderedDict[int, int] = OrderedDict()
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
        if not unknown:
            return False
        checked = _up_to(CHECKED_ROWS_MAX, unknown)
        repeated = self._check(session, newest_s, end_s, checked)
        return repeated or len(checked) < len(unknown) or len(found) > REMEMBERED_MAX

    def _as_remembered(self, session: Session, start_s: int, end_s: int) -> bool:
        if end_s <= start_s:
            return True
        with self._lock:
            known = sum(rows for at, rows in self._unique.items() if start_s <= at < end_s)
        times = {"start_s": start_s, "end_s": end_s, "limit": 1}
        ((rows,),) = session.rows(named_sql("bucket_rows"), times)
        return rows == known

    def _unknown(self, start_s: int, end_s: int, found: dict[int, int]) -> list[tuple[int, int]]:
        """Return the buckets to look at; forget those of which the rows are gone."""
        with self._lock:
            for bucket in [at for at in self._unique if start_s <= at < end_s and at not in found]:
                del self._unique[bucket]
            return [each for each in found.items() if self._unique.get(each[0]) != each[1]]

    def _check(self, session: Session, start_s: int, end_s: int, buckets: Sequence[int]) -> bool:
        """Look at the spans of some buckets; remember those without repeats."""
        times = {"start_s": start_s, "end_s": end_s, "limit": len(buckets)}
        found = session.rows(named_sql("spans_by_bucket"), times | {"buckets": list(buckets)})
        with self._lock:
            for bucket, rows, spans in found:
                self._unique.pop(bucket, None)
                if rows == spans:
                    self._unique[bucket] = rows
            while len(self._unique) > REMEMBERED_MAX:
                self._unique.popitem(last=False)
        return any(rows != spans for _, rows, spans in found)


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
