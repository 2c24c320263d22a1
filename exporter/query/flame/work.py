"""Work time: how long spans ran themselves, parallel ones added up."""

from __future__ import annotations

import numpy as np

from exporter.query.flame.lineage import Lineage, lineage
from exporter.query.flame.spans import FlameSpans, Ints, bounded


def work(spans: FlameSpans, family: Lineage | None = None) -> Ints:
    """Give each of n spans its duration less its children's, never below 0, in nanoseconds.

    A parent whose children ran at the same time is as wide as their sum, not as its own duration.
    0 where the span's value is 0.
    """
    family = family or lineage(spans)
    duration = bounded(spans.end_ns - spans.start_ns)
    children = np.flatnonzero(family.parent >= 0)
    theirs = np.zeros(len(spans), np.int64)
    np.add.at(theirs, family.parent[children], duration[children])
    return np.where(spans.value > 0, np.maximum(duration - theirs, 0), 0)
