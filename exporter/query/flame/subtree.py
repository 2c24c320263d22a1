"""Part of a trace: what is below given spans."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from exporter.query.flame.forest import under
from exporter.query.flame.lineage import lineage
from exporter.query.flame.spans import FlameSpans, Uints


def subtree(spans: FlameSpans, chosen: Uints) -> FlameSpans:
    """Keep the spans with these ids and all below them; the topmost of them become roots.

    Times are then shared among the kept spans only: one span's wall time is what it took itself.
    """
    family = lineage(spans)
    kept = under(family.parent, np.isin(spans.span, chosen))
    top = kept & ~((family.parent >= 0) & kept[family.parent])
    part = replace(spans, parent=np.where(top, np.uint64(0), spans.parent))
    return part.take(np.flatnonzero(kept))
