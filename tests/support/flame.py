"""Spans for flame graphs, and slow ways of making them that are easy to see to be right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from exporter.query.flame.build import DEEPER, DEEPEST, MISSING_PARENT
from exporter.query.flame.spans import FlameSpans
from exporter.query.flame.tree import FlameTree

Path = tuple[str, ...]


class Span(NamedTuple):
    trace: int
    span: int
    parent: int
    frame: str
    start: int
    end: int
    value: int = 1


def columns(spans: Sequence[Span], words: Iterable[str] = ()) -> FlameSpans:
    """Give the spans as columns; `words` go first in the dictionary, used or not."""
    frames = (*words, *(span.frame for span in spans))  # repeats are allowed

    def column(name: str, kind: type) -> np.ndarray:
        return np.array([getattr(span, name) for span in spans], kind)

    return FlameSpans(
        trace=column("trace", np.uint64),
        span=column("span", np.uint64),
        parent=column("parent", np.uint64),
        frame=np.arange(len(frames) - len(spans), len(frames), dtype=np.int32),
        frames=frames,
        start_ns=column("start", np.int64),
        end_ns=column("end", np.int64),
        value=column("value", np.int64),
    )


@st.composite
def any_span(draw: st.DrawFn) -> Span:
    start = draw(st.integers(0, 20))
    return Span(
        trace=draw(st.integers(1, 3)),
        span=draw(st.integers(1, 9)),
        parent=draw(st.integers(0, 10)),
        frame=draw(st.sampled_from(["agent.a", "agent.b", "llm.g", "tool.t", "other", "total"])),
        start=start,
        end=start + draw(st.integers(-2, 12)),
        value=draw(st.integers(0, 5)),
    )


# Ids repeat, parents are missing, circles close and times contradict each other.
any_spans = st.lists(any_span(), max_size=14)


@dataclass
class Node:
    span: Span
    parent: Node | None = None
    missing: bool = False

    def ancestors(self) -> list[Node]:
        found, node = [], self.parent
        while node is not None:
            found.append(node)
            node = node.parent
        return found


def family(spans: Sequence[Span]) -> list[Node]:
    """Find parents by looking through the spans, in order of time."""
    nodes = [Node(span) for span in sorted(spans, key=_first)]
    for node in nodes:
        if node.span.parent:
            wanted = (node.span.trace, node.span.parent)
            node.parent = next((n for n in nodes if (n.span.trace, n.span.span) == wanted), None)
            node.missing = node.parent is None
    for node in nodes:  # the first of a circle by time loses its parent
        seen, above = {id(node)}, node.parent
        while above is not None and id(above) not in seen:
            seen.add(id(above))
            above = above.parent
        if above is node:
            node.parent, node.missing = None, True
    return nodes


def _first(span: Span) -> tuple[int, int, str, int, int, int]:
    return (span.start, span.end, span.frame, span.span, span.parent, span.value)


def wall_times(spans: Sequence[Span]) -> list[tuple[Span, int]]:
    """Share out the time nanosecond by nanosecond; a remainder goes to the trace's first root."""
    nodes = family(spans)
    times: dict[int, int] = defaultdict(int)
    for trace in {span.trace for span in spans}:
        mine = [node for node in nodes if node.span.trace == trace]
        first = min(
            (node for node in mine if node.parent is None),
            key=lambda node: (node.missing, _first(node.span)),
        )
        edges = sorted({t for n in mine for t in (n.span.start, max(n.span.start, n.span.end))})
        for begin, end in zip(edges, edges[1:], strict=False):
            running = [n for n in mine if n.span.start <= begin and n.span.end >= end]
            waiting = {id(above) for node in running for above in node.ancestors()}
            deepest = [node for node in running if id(node) not in waiting]
            for node in deepest:
                times[id(node)] += (end - begin) // len(deepest)
            if deepest:
                times[id(first)] += (end - begin) % len(deepest)
    return [(node.span, times[id(node)] if node.span.value > 0 else 0) for node in nodes]


def work_times(spans: Sequence[Span]) -> list[tuple[Span, int]]:
    nodes = family(spans)

    def duration(node: Node) -> int:
        return max(0, node.span.end - node.span.start)

    return [
        (
            node.span,
            max(0, duration(node) - sum(duration(n) for n in nodes if n.parent is node))
            if node.span.value > 0
            else 0,
        )
        for node in nodes
    ]


def elapsed(spans: Iterable[Span]) -> int:
    """Count the nanoseconds in which something ran."""
    return len({t for span in spans for t in range(span.start, span.end)})


def paths(spans: Sequence[Span], deepest: int = DEEPEST) -> dict[Path, int]:
    """Add up the values by path of frames, span by span."""
    found: dict[Path, int] = defaultdict(int)
    for node in family(spans):
        line = [node, *node.ancestors()][::-1]
        frames = [MISSING_PARENT] if line[0].missing else []
        for each in line:
            if not frames or frames[-1] != each.span.frame or each is line[0]:
                frames.append(each.span.frame)
        if len(frames) > deepest:
            frames = [*frames[:deepest], DEEPER]
        found[tuple(frames)] += max(0, node.span.value)
    return {path: value for path, value in found.items() if value}


def own_values(tree: FlameTree) -> dict[Path, int]:
    """Give the own value of each path, from the top down."""
    lines: list[Path] = []
    found: dict[Path, int] = {}
    for index, name in enumerate(tree.name.tolist()):
        above = lines[tree.parent[index]] if index else ()
        lines.append((*above, tree.names[name]) if index else ())
        if tree.self_value[index]:
            assert lines[-1] not in found, "siblings of one name"
            found[lines[-1]] = int(tree.self_value[index])
    return found


def check(tree: FlameTree) -> None:
    """Whatever a tree was made from, this holds."""
    assert tree.names[0] == "total"
    assert len(set(tree.names)) == len(tree.names)
    assert (tree.name[0], tree.parent[0], tree.depth[0], tree.self_value[0]) == (0, -1, 0, 0)
    assert (tree.total[1:] > 0).all()
    assert (tree.self_value >= 0).all()
    below = np.zeros(len(tree), np.int64)
    siblings: dict[int, list[str]] = defaultdict(list)
    for index in range(1, len(tree)):
        parent = int(tree.parent[index])
        assert parent < index
        assert tree.depth[index] == tree.depth[parent] + 1
        assert all(tree.depth[parent + 1 : index] > tree.depth[parent]), "not depth first"
        below[parent] += tree.total[index]
        siblings[parent].append(tree.names[tree.name[index]])
    assert (below + tree.self_value == tree.total).all()
    for names in siblings.values():
        assert names == sorted(
            set(names), key=lambda name: (name == "other", name != "total", name)
        )
