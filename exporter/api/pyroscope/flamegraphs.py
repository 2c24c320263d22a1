"""Procedures that give flame graphs."""

from __future__ import annotations

from typing import Any

from exporter.api.pyroscope.asked import check_no_call_site, flame_query, profile_query
from exporter.api.pyroscope.messages import new
from exporter.api.pyroscope.questions import Profiles
from exporter.cancellation import Cancellation
from exporter.errors import UnsupportedError, WrongQueryError
from exporter.query.flame.diff import diff
from exporter.query.flame.encode.levels import DiffLevels, Levels, to_diff_levels, to_levels
from exporter.query.flame.encode.pprof import profile as to_profile
from exporter.query.flame.fold import fold
from exporter.query.flame.tree import FlameDiff, FlameTree
from exporter.query.profiles.dot import to_dot
from exporter.query.profiles.fold_diff import fold_diff
from exporter.query.profiles.request import ProfileQuery, span_ids_of, trace_ids_of

# A picture of more nodes is no picture.
DOT_NODES = 100
# Values of querier.v1.ProfileFormat.
_FLAMEGRAPHS, _DOT, _PPROF = (0, 1), 3, 4


class FlameProcedures:
    """Flame graphs of traces, of spans, and of two selections side by side."""

    def __init__(self, profiles: Profiles, *, nodes_max: int) -> None:
        self._profiles = profiles
        self._nodes_max = nodes_max

    def merge_stacktraces(self, asked: Any, cancellation: Cancellation) -> Any:
        """Give a flame graph, in one of several forms."""
        query = flame_query(asked)
        tree = self._profiles.flame_graph(query, cancellation)
        answer = new("querier.v1.SelectMergeStacktracesResponse")
        if tree.is_empty:
            return answer
        if asked.format == _DOT:
            answer.dot = to_dot(fold(tree, self._nodes(asked.max_nodes, DOT_NODES)), query.kind)
        elif asked.format == _PPROF:
            answer.pprof.profile.ParseFromString(_pprof(tree, query))
        else:
            _check_format(asked.format)
            answer.flamegraph.CopyFrom(_flame_graph(fold(tree, self._nodes(asked.max_nodes))))
        return answer

    def merge_span_profile(self, asked: Any, cancellation: Cancellation) -> Any:
        """Give the flame graph of what is at or below some spans."""
        _check_format(asked.format)
        query = profile_query(asked, span_ids=span_ids_of(asked.span_selector))
        answer = new("querier.v1.SelectMergeSpanProfileResponse")
        tree = self._profiles.flame_graph(query, cancellation)
        if not tree.is_empty:
            answer.flamegraph.CopyFrom(_flame_graph(fold(tree, self._nodes(asked.max_nodes))))
        return answer

    def merge_profile(self, asked: Any, cancellation: Cancellation) -> Any:
        """Give the flame graph as a pprof profile."""
        query = profile_query(
            asked, trace_ids=trace_ids_of(asked.trace_id_selector, asked.profile_id_selector)
        )
        check_no_call_site(asked)
        tree = self._profiles.flame_graph(query, cancellation)
        answer = new("google.v1.Profile")
        if not tree.is_empty:
            answer.ParseFromString(_pprof(fold(tree, self._nodes(asked.max_nodes)), query))
        return answer

    def diff(self, asked: Any, cancellation: Cancellation) -> Any:
        """Lay two flame graphs of one profile type on each other."""
        left, right = flame_query(asked.left), flame_query(asked.right)
        if left.kind is not right.kind:
            raise WrongQueryError("a diff is of one profile type")
        both = diff(
            self._profiles.flame_graph(left, cancellation),
            self._profiles.flame_graph(right, cancellation),
        )
        answer = new("querier.v1.DiffResponse")
        if not both.is_empty:
            nodes = self._nodes(max(asked.left.max_nodes, asked.right.max_nodes))
            answer.flamegraph.CopyFrom(_flame_graph_diff(fold_diff(both, nodes)))
        return answer

    def _nodes(self, asked: int, default: int | None = None) -> int:
        wanted = asked if asked > 0 else default or self._nodes_max
        return min(wanted, self._nodes_max)


def _pprof(tree: FlameTree, query: ProfileQuery) -> bytes:
    time = query.time
    found = to_profile(tree, query.kind, time.start_ns, time.end_ns - time.start_ns)
    return found.SerializeToString()


def _check_format(format_: int) -> None:
    if format_ not in _FLAMEGRAPHS:
        raise UnsupportedError("this format is not served: use FLAMEGRAPH, DOT or PPROF")


def _flame_graph(tree: FlameTree) -> Any:
    found = to_levels(tree)
    return new("querier.v1.FlameGraph", **_bars(found))


def _flame_graph_diff(both: FlameDiff) -> Any:
    found = to_diff_levels(both)
    ticks = {"leftTicks": found.left_ticks, "rightTicks": found.right_ticks}
    return new("querier.v1.FlameGraphDiff", **_bars(found), **ticks)


def _bars(found: Levels | DiffLevels) -> dict[str, Any]:
    return {
        "names": found.names,
        "levels": [new("querier.v1.Level", values=level.tolist()) for level in found.levels],
        "total": found.total,
        "max_self": found.max_self,
    }
