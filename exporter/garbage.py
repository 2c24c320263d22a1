"""How often Python looks for reference cycles."""

from __future__ import annotations

import gc


def collect_seldom() -> None:
    """Make the collector run seldom: the write path makes no cycles.

    It makes many small objects that live for a while (the memory of recent traces), which the
    collector would walk over and over: a quarter of the time of a span (`make bench`).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 1000)
