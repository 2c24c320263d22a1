"""The flame core: whatever spans are sent, the tree is sound and nothing is lost."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.query.flame.build import (
    NOT_SET,
    dimensions,
    hierarchy,
)
from exporter.query.flame.diff import diff
from exporter.query.flame.fold import fold
from exporter.query.flame.lineage import lineage
from exporter.query.flame.profile_types import BY_ID, BY_NAME, DEFAULT, PROFILE_TYPES, flame_graph
from exporter.query.flame.spans import LARGEST_SUM, bounded
from exporter.query.flame.subtree import subtree
from exporter.query.flame.tree import FlameTree
from exporter.spans.schema import TOKEN_KINDS
from tests.support.flame import (
    Span,
    any_spans,
    check,
    columns,
    family,
    own_values,
    paths,
)

TYPES = pytest.mark.parametrize("name", ["cost", "wall", "work"])


def same(left: FlameTree, right: FlameTree) -> bool:
    return left.names == right.names and all(
        np.array_equal(getattr(left, field.name), getattr(right, field.name))
        for field in fields(FlameTree)
    )


@given(any_spans, st.integers(1, 5), st.booleans())
def test_values_are_added_up_by_path(spans, deepest, few):
    if few:
        spans = [span._replace(value=span.value // 5) for span in spans]
    tree = hierarchy(columns(spans), deepest=deepest)
    check(tree)
    assert own_values(tree) == paths(spans, deepest)


@TYPES
@given(spans=any_spans)
def test_the_root_is_the_sum_over_the_traces(name, spans):
    traces = {span.trace for span in spans}
    each = [
        flame_graph(columns([s for s in spans if s.trace == trace]), BY_NAME[name])
        for trace in traces
    ]
    whole = flame_graph(columns(spans), BY_NAME[name])
    check(whole)
    assert whole.total[0] == sum(int(tree.total[0]) for tree in each)
    added = Counter()
    for tree in each:
        added.update(own_values(tree))
    assert own_values(whole) == added


@TYPES
@given(spans=any_spans, random=st.randoms(), words=st.lists(st.sampled_from("zxa")))
def test_the_order_of_the_input_makes_no_difference(name, spans, random, words):
    shuffled = list(spans)
    random.shuffle(shuffled)
    kind = BY_NAME[name]
    assert same(flame_graph(columns(spans), kind), flame_graph(columns(shuffled, words), kind))


@given(any_spans)
def test_a_tree_less_itself_is_nothing(spans):
    tree = hierarchy(columns(spans))
    both = diff(tree, tree)
    assert np.array_equal(both.left_self, both.right_self)
    assert np.array_equal(both.left_total, both.right_total)
    assert np.array_equal(both.left_total, tree.total)
    assert [both.names[n] for n in both.name] == [tree.names[n] for n in tree.name]


@given(any_spans, any_spans)
def test_a_diff_holds_both_trees(left, right):
    before, after = hierarchy(columns(left)), hierarchy(columns(right))
    both = diff(before, after)
    sides = [
        FlameTree(both.names, both.name, both.parent, both.depth, both.left_self, both.left_total),
        FlameTree(
            both.names, both.name, both.parent, both.depth, both.right_self, both.right_total
        ),
    ]
    assert [own_values(side) for side in sides] == [own_values(before), own_values(after)]
    assert [side.total[0] for side in sides] == [before.total[0], after.total[0]]
    check(
        FlameTree(
            both.names,
            both.name,
            both.parent,
            both.depth,
            both.left_self + both.right_self,
            both.left_total + both.right_total,
        )
    )


@given(any_spans, st.integers(0, 12), st.integers(0, 12))
def test_folding_keeps_the_sum_and_the_limit(spans, most, again):
    tree = hierarchy(columns(spans))
    folded = fold(tree, most)
    check(folded)
    assert folded.total[0] == tree.total[0]
    assert len(folded) <= max(most, 2)
    if "other" not in tree.names:
        # The next frame may need room for itself and for an "other" below it.
        assert len(folded) >= min(max(most, 2), len(tree)) - 1
    check(fold(folded, again))
    # What keeps its name keeps its total.
    kept = totals(tree)
    assert all(kept[path] == total for path, total in totals(folded).items() if "other" not in path)


def totals(tree: FlameTree) -> dict[tuple[str, ...], int]:
    lines, found = [], {}
    for index in range(len(tree)):
        above = lines[tree.parent[index]] if index else ()
        lines.append((*above, tree.names[tree.name[index]]))
        found[lines[-1]] = int(tree.total[index])
    return found


def test_folding_keeps_the_largest():
    spans = [Span(1, i, 0, f"llm.{i}", 0, 1, value=i) for i in range(1, 101)]
    folded = fold(hierarchy(columns(spans)), 5)
    assert own_values(folded) == {
        ("llm.98",): 98,
        ("llm.99",): 99,
        ("llm.100",): 100,
        ("other",): 97 * 98 // 2,
    }


@given(any_spans, st.integers(1, 9))
def test_a_subtree_is_a_span_and_all_below_it(spans, chosen):
    part = subtree(columns(spans), np.array([chosen], np.uint64))
    assert not lineage(part).missing.any()
    kept = [
        [above.span for above in (node, *node.ancestors())]
        for node in family(spans)
        if chosen in {above.span.span for above in (node, *node.ancestors())}
    ]
    expected = Counter()
    for line in kept:
        top = max(at for at, span in enumerate(line) if span.span == chosen)
        frames = [span.frame for span in line[top::-1]]
        path = tuple(frame for frame, before in zip(frames, ["", *frames], strict=False)
                     if frame != before)  # fmt: skip
        expected[path] += line[0].value
    assert own_values(hierarchy(part)) == {path: value for path, value in expected.items() if value}


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 9)), max_size=30),
    st.permutations(["", "x", "total", "other"]),
)
def test_dimensions_are_levels(rows, words):
    first, second = ("p", "q", "p"), tuple(words)
    tree = dimensions(
        [np.array([row[at] for row in rows], np.int32) for at in (0, 1)],
        [first, second],
        np.array([row[2] for row in rows], np.int64),
    )
    check(tree)
    expected = Counter()
    for one, two, value in rows:
        expected[(first[one], second[two] or NOT_SET)] += value
    assert own_values(tree) == {path: value for path, value in expected.items() if value}


@given(st.lists(st.integers(-5, 2**63 - 1), max_size=20))
def test_sums_never_overflow(values):
    values = np.array(values, np.int64)
    cut = bounded(values)
    total = sum(cut.tolist())
    assert total <= LARGEST_SUM
    assert (cut >= 0).all()
    if sum(max(value, 0) for value in values.tolist()) < LARGEST_SUM * 0.999:
        assert np.array_equal(cut, np.maximum(values, 0))
    else:
        assert total >= LARGEST_SUM * 0.99
    # Only the largest are cut, all to one level.
    assert len(set(cut[cut != np.maximum(values, 0)].tolist())) <= 1


def test_profile_types_keep_what_pyroscope_and_grafana_ask_of_ids():
    assert DEFAULT.id == "llm:cost:nUSD:llm:count"
    for kind in PROFILE_TYPES:
        assert len(kind.id.split(":")) == 5
        assert "cpu" not in kind.id  # Grafana would take it for the default
    assert len(BY_ID) == len(BY_NAME) == len(PROFILE_TYPES)


def test_every_profile_type_is_documented():
    text = (Path(__file__).parents[2] / "docs" / "flame-graphs.md").read_text()
    listed = re.findall(r"^\| `(llm:[^`]+)`", text, re.MULTILINE)
    assert listed == [kind.id for kind in PROFILE_TYPES]


def test_the_kinds_of_tokens_are_all_tokens():
    kinds = [kind.columns for kind in PROFILE_TYPES if kind.name.startswith("tokens_")]
    assert sorted(column for some in kinds for column in some) == sorted(
        kind.column for kind in TOKEN_KINDS
    )
    assert sorted(BY_NAME["tokens"].columns) == sorted(kind.column for kind in TOKEN_KINDS)
