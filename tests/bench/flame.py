"""How long the flame core takes for a million spans: CPU time, on one core, from columns to tree.

python -m tests.bench.flame
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from exporter.query.flame.build import hierarchy
from exporter.query.flame.encode.levels import to_levels
from exporter.query.flame.fold import fold
from exporter.query.flame.lineage import lineage
from exporter.query.flame.profile_types import BY_NAME, flame_graph
from exporter.query.flame.spans import FlameSpans
from exporter.query.flame.wall import wall
from exporter.query.flame.work import work

# One trace: a service's root, an agent, two rounds of planning, a call and tools, some of them at
# the same time. Parent, then start and end as parts of a thousand.
SHAPE = (
    (-1, 0, 1000),  # http
    (0, 10, 990),  # agent
    (1, 20, 300),  # llm
    (1, 310, 600),  # tool
    (1, 310, 500),  # tool, beside it
    (3, 320, 590),  # db
    (1, 610, 800),  # agent, called by the first
    (6, 620, 790),  # llm
    (1, 805, 1010),  # llm, a stream that outlasts its agent
    (0, 995, 999),  # span
)
KINDS = (
    "http.POST /",
    "agent.",
    "llm.",
    "tool.",
    "tool.",
    "db.",
    "agent.",
    "llm.",
    "llm.",
    "span.",
)


def traces(count: int, seed: int = 1) -> FlameSpans:
    """Make `count` traces of ten spans, in no order."""
    random = np.random.default_rng(seed)
    size = count * len(SHAPE)
    above, begin, end = (np.array(column) for column in zip(*SHAPE, strict=True))
    ids = random.integers(1, 2**63, (count, len(SHAPE)), dtype=np.uint64)
    parent = np.where(above >= 0, ids[:, np.maximum(above, 0)], np.uint64(0))
    start = random.integers(1_760_000_000 * 10**9, 1_760_003_600 * 10**9, (count, 1))
    unit = random.integers(10**6, 2 * 10**7, (count, 1))
    frames = tuple(f"{kind}{number}" for kind in KINDS for number in range(20))
    frame = np.arange(len(SHAPE)) * 20 + random.integers(0, 20, (count, len(SHAPE)))
    order = random.permutation(size)
    return FlameSpans(
        trace=np.repeat(random.integers(1, 2**63, count, dtype=np.uint64), len(SHAPE)),
        span=ids.ravel(),
        parent=parent.ravel(),
        frame=frame.ravel().astype(np.int32),
        frames=frames,
        start_ns=(start + unit * begin).ravel(),
        end_ns=(start + unit * end).ravel(),
        value=random.integers(1, 10**7, size),
    ).take(order)


def measured(name: str, work_of: Callable[[], Any], repeats: int) -> Any:
    """Run, print the least CPU time, and give the result."""
    least, result = float("inf"), None
    for _ in range(repeats):
        begin = time.process_time()
        result = work_of()
        least = min(least, time.process_time() - begin)
    print(f"{name:<44} {least:6.3f} s CPU")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--traces", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    spans = traces(chosen.traces)
    print(f"{len(spans):,} spans in {chosen.traces:,} traces")
    family = measured("lineage", lambda: lineage(spans), chosen.repeats)
    measured("wall time, lineage known", lambda: wall(spans, family), chosen.repeats)
    measured("work time, lineage known", lambda: work(spans, family), chosen.repeats)
    tree = measured("hierarchy, lineage known", lambda: hierarchy(spans, family), chosen.repeats)
    measured("hierarchy from columns", lambda: hierarchy(spans), chosen.repeats)

    for name in ("wall", "work"):
        measured(
            f"{name} time and hierarchy from columns",
            lambda kind=BY_NAME[name]: flame_graph(spans, kind),
            chosen.repeats,
        )
    few = spans.valued(np.where(np.arange(len(spans)) % 20 == 0, spans.value, 0))
    measured("hierarchy from columns, 1 span of 20 counts", lambda: hierarchy(few), chosen.repeats)
    print(f"{len(tree):,} frames")
    measured("fold to 16,384 and encode as levels", lambda: to_levels(fold(tree, 16_384)), 3)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{peak:,.0f} MiB at most, the spans themselves among it")


if __name__ == "__main__":
    main()
