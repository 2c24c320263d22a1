"""The columns that a flame graph is made from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Uints = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]

# No sum reaches this: half of what an int64 holds, so that two trees can be added up for a diff.
# It is 146 years in nanoseconds and 4.6 billion dollars in nano-dollars.
LARGEST_SUM = 2**62


@dataclass(frozen=True, slots=True)
class FlameSpans:
    """n spans of any number of traces, in any order.

    Whole traces, as far as they are known: a span that a selector left out still gives its frame
    to the path of those below it, with `value` 0. Where two spans of a trace share an id, children
    belong to the first by time.
    """

    trace: Uints
    """Hash of the trace id, n."""
    span: Uints
    """Span id, n."""
    parent: Uints
    """Parent's span id, n; 0: a root."""
    frame: Rows
    """Index into `frames`, n."""
    frames: tuple[str, ...]
    """Distinct frame texts."""
    start_ns: Ints
    """Unix time of the start, n."""
    end_ns: Ints
    """Unix time of the end, n; before the start: taken as the start."""
    value: Ints
    """What the profile type adds up, n: nano-dollars, tokens, calls. For times, which come from
    start and end, it is 1 where the span counts. 0: the span counts nothing."""

    def __post_init__(self) -> None:
        sizes = {len(column) for column in self._columns()}
        if len(sizes) != 1:
            raise ValueError(f"columns of different lengths: {sorted(sizes)}")

    def __len__(self) -> int:
        return len(self.span)

    def valued(self, value: Ints) -> FlameSpans:
        """Give the same spans with other values."""
        return replace(self, value=value)

    def take(self, rows: npt.NDArray[np.integer[Any]]) -> FlameSpans:
        """Give these rows only, in this order."""
        return FlameSpans(
            trace=self.trace[rows],
            span=self.span[rows],
            parent=self.parent[rows],
            frame=self.frame[rows],
            frames=self.frames,
            start_ns=self.start_ns[rows],
            end_ns=self.end_ns[rows],
            value=self.value[rows],
        )

    def _columns(self) -> tuple[npt.NDArray[Any], ...]:
        return (
            self.trace,
            self.span,
            self.parent,
            self.frame,
            self.start_ns,
            self.end_ns,
            self.value,
        )


def bounded(values: Ints) -> Ints:
    """Make values that add up: none below 0, and the sum below `LARGEST_SUM`.

    Where senders' nonsense (a span of 200 years) would take the sum beyond, the largest values
    are cut to one level, and the small ones stay exact.
    """
    values = np.maximum(values, 0)
    if values.sum(dtype=np.float64) < LARGEST_SUM:
        return values
    ascending = np.sort(values).astype(np.float64)
    below = np.concatenate(([0.0], np.cumsum(ascending)[:-1]))
    count = np.arange(len(values), 0, -1)
    # The level at which all values from i on would have to be cut, if those below stay.
    level = (LARGEST_SUM * (1 - 1e-9) - below) / count
    first = int(np.argmax(ascending > level))
    return np.minimum(values, np.int64(level[first]))
