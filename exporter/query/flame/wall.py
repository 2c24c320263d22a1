"""Wall time: what a person waited, and for which spans.

At every instant the time that passes belongs to the deepest spans that run then, those with no
running span below them, in equal parts. Instants at which nothing of a trace runs belong to nobody.
So the values of a trace's spans add up exactly to the time in which something of it ran, however
its spans overlap, outlast or precede their parents.

All times become ranks among a trace's starts and ends, and the sharing is done on the segments
between neighbouring ranks, for all traces at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exporter.query.flame.lineage import Lineage, first_order, lineage
from exporter.query.flame.spans import Bools, FlameSpans, Ints, Rows, Uints

# A span that runs beyond its parent's end or before its start also takes the time of ancestors
# further up, this many at most: beyond that it shares with them. Bounds the work on hostile input.
ANCESTORS_MAX = 64
# For the same reason, the pairs of span and ancestor never exceed this many per span by far.
_PAIRS_PER_SPAN = 8


@dataclass(frozen=True, slots=True)
class Timeline:
    """The distinct starts and ends of n spans, r in all, in order of trace, then time."""

    start: Ints
    """Rank of each span's start, n."""
    end: Ints
    """Rank of each span's end, n; never below its start's."""
    passing: Ints
    """Nanoseconds from each rank to the next of the same trace, r; 0 at a trace's last."""
    trace: Ints
    """Number of the trace of each rank, r."""


@dataclass(frozen=True, slots=True)
class Stretches:
    """Stretches of ranks, each of one span."""

    row: Ints
    begin: Ints
    end: Ints


def wall(spans: FlameSpans, family: Lineage | None = None) -> Ints:
    """Give each of n spans its nanoseconds of wall time; 0 where its value is 0.

    What an equal division leaves over, less than one nanosecond a span and instant, goes to the
    first root of the trace.
    """
    if not len(spans):
        return np.zeros(0, np.int64)
    family = family or lineage(spans)
    line = _timeline(spans)
    active = _active(line, _blocked(line, family.parent))
    ranks = len(line.passing)
    change = np.bincount(active.begin, minlength=ranks) - np.bincount(active.end, minlength=ranks)
    running = np.cumsum(change)
    share = line.passing.copy()
    several = np.flatnonzero(running > 1)
    share[several], left = np.divmod(share[several], running[several])
    # What passes while nothing runs is counted here and read by nobody: no stretch holds it.
    elapsed = np.concatenate(([0], np.cumsum(share)))
    own = np.zeros(len(spans), np.int64)
    np.add.at(own, active.row, elapsed[active.end] - elapsed[active.begin])
    if left.any():
        first = _first_roots(spans, family, line)
        np.add.at(own, first[line.trace[several]], left)
    return np.where(spans.value > 0, own, 0)


def _timeline(spans: FlameSpans) -> Timeline:
    traces, number = np.unique(spans.trace, return_inverse=True)
    ends = np.maximum(spans.start_ns, spans.end_ns)
    first = np.full(len(traces), np.iinfo(np.int64).max)
    np.minimum.at(first, number, spans.start_ns)
    first = first[number]
    trace = number.astype(np.uint64)
    begun, ended = (spans.start_ns - first).astype(np.uint64), (ends - first).astype(np.uint64)
    bits = int(ended.max()).bit_length()
    if bits + len(traces).bit_length() > 64:
        return _timeline_of_nonsense(trace, begun, ended)
    # Trace and time in one number, which sorts ten times as fast as the two.
    shift = np.uint64(bits)
    begun, ended = trace << shift | begun, trace << shift | ended
    moments = np.sort(np.concatenate((begun, ended)))
    moments = moments[np.concatenate(([True], moments[1:] != moments[:-1]))]
    at = moments >> shift
    passing = np.where(at[1:] == at[:-1], moments[1:] - moments[:-1], np.uint64(0))
    return Timeline(
        _places(moments, begun),
        _places(moments, ended),
        np.append(passing.astype(np.int64), 0),
        at.astype(np.int64),
    )


def _places(moments: Uints, wanted: Uints) -> Ints:
    """Find numbers in a sorted list that holds them; in their order, because that is fast."""
    order = np.argsort(wanted)
    places = np.empty(len(wanted), np.int64)
    places[order] = np.searchsorted(moments, wanted[order])
    return places


def _timeline_of_nonsense(trace: Uints, begun: Uints, ended: Uints) -> Timeline:
    """Do the same for times so far apart that they do not fit into one number with the trace."""
    traces, since = np.concatenate((trace, trace)), np.concatenate((begun, ended))
    order = np.lexsort((since, traces))
    traces, since = traces[order], since[order]
    same = traces[1:] == traces[:-1]
    new = np.concatenate(([True], ~same | (since[1:] != since[:-1])))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.cumsum(new) - 1
    traces, since = traces[new], since[new]
    passing = np.where(traces[1:] == traces[:-1], since[1:] - since[:-1], np.uint64(0))
    return Timeline(
        rank[: len(trace)],
        rank[len(trace) :],
        np.append(passing.astype(np.int64), 0),
        traces.astype(np.int64),
    )


def _blocked(line: Timeline, parent: Rows) -> Stretches:
    """Give the stretches in which something below a span runs, of all spans; they may overlap."""
    row = np.flatnonzero((parent >= 0) & (line.start < line.end))
    above = parent[row]
    found: list[Stretches] = []
    pairs = 0
    for _ in range(ANCESTORS_MAX):
        if not len(row) or pairs > _PAIRS_PER_SPAN * len(parent):
            break
        begin = np.maximum(line.start[row], line.start[above])
        end = np.minimum(line.end[row], line.end[above])
        some = begin < end
        found.append(Stretches(above[some].astype(np.int64), begin[some], end[some]))
        pairs += len(row)
        # Where a span lies within its ancestor, those further up wait for the ancestor anyway.
        within = (line.start[row] >= line.start[above]) & (line.end[row] <= line.end[above])
        further = ~within & (parent[above] >= 0)
        row, above = row[further], parent[above[further]]
    return _joined(found)


def _active(line: Timeline, blocked: Stretches) -> Stretches:
    """Give the stretches in which a span runs and nothing below it does."""
    order = np.argsort(blocked.row << 32 | blocked.begin)
    row, begin, end = blocked.row[order], blocked.begin[order], blocked.end[order]
    # How far the spans below one span reach so far: a running maximum that starts anew with each
    # span because every span's ranks are lifted above those of the one before.
    lift = row * (len(line.passing) + 1)
    reach = np.maximum.accumulate(end + lift) - lift if len(row) else end
    first = np.concatenate(([True], row[1:] != row[:-1])) if len(row) else np.zeros(0, np.bool_)
    last = np.concatenate((first[1:], [True])) if len(row) else first
    before = np.where(first, line.start[row], np.roll(reach, 1))
    free = np.ones(len(line.start), np.bool_)
    free[row] = False
    alone = np.flatnonzero(free)
    return _joined(
        [
            _some(Stretches(alone, line.start[alone], line.end[alone])),
            _some(Stretches(row, before, begin)),
            _some(Stretches(row[last], reach[last], line.end[row[last]])),
        ]
    )


def _some(stretches: Stretches) -> Stretches:
    """Leave out the empty ones."""
    some: Bools = stretches.begin < stretches.end
    return Stretches(stretches.row[some], stretches.begin[some], stretches.end[some])


def _joined(parts: list[Stretches]) -> Stretches:
    nothing = np.zeros(0, np.int64)
    return Stretches(
        np.concatenate([nothing, *(part.row for part in parts)]),
        np.concatenate([nothing, *(part.begin for part in parts)]),
        np.concatenate([nothing, *(part.end for part in parts)]),
    )


def _first_roots(spans: FlameSpans, family: Lineage, line: Timeline) -> Ints:
    """Give each trace's first span without a parent, in time; one that misses its parent last."""
    top = np.flatnonzero(family.parent < 0)
    trace = line.trace[line.start[top]]
    late = line.start[top] + family.missing[top] * len(line.passing)
    least = np.full(int(trace.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(least, trace, late)
    some = late == least[trace]
    top, trace = top[some], trace[some]
    order = first_order(spans, top, trace)
    first = np.zeros(len(least), np.int64)
    # Backwards, so that the first of a trace is what stays.
    first[trace[order[::-1]]] = top[order[::-1]]
    return first
