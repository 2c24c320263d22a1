"""The procedures of Pyroscope's QuerierService: messages in, questions asked, messages out."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from exporter.api.pyroscope.connect import Procedure
from exporter.api.pyroscope.messages import new
from exporter.api.pyroscope.questions import Profiles
from exporter.cancellation import Cancellation
from exporter.errors import UnsupportedError, WrongQueryError
from exporter.query.flame.diff import diff
from exporter.query.flame.encode.levels import to_diff_levels, to_levels
from exporter.query.flame.encode.pprof import profile as to_profile
from exporter.query.flame.fold import fold
from exporter.query.flame.profile_types import PROFILE_TYPES, ProfileType
from exporter.query.flame.tree import FlameTree
from exporter.query.profiles.dot import to_dot
from exporter.query.profiles.fold_diff import fold_diff
from exporter.query.profiles.request import (
    GROUP_BY,
    PROFILE_TYPE,
    ProfileQuery,
    SeriesQuery,
    profile_type,
    profile_types_of,
    selection_of,
    selection_of_any,
    span_ids_of,
    time_of,
    trace_ids_of,
)
from exporter.query.profiles.series import Exemplar, ProfileSeries
from exporter.query.selectors import LABELS
from exporter.spans.schema import NANOSECONDS

SERVICE = "querier.v1.QuerierService"
# A picture of more nodes is no picture.
DOT_NODES = 100
# Labels that nearly every span has its own word for.
_OF_ONE_SPAN = frozenset({"trace_id", "span_id", "span_name"})
_NS_PER_MS = 1_000_000
# Enumerations of the messages.
_FLAMEGRAPHS, _TREE, _DOT, _PPROF = (0, 1), 2, 3, 4
_AVERAGE = 1
_EXEMPLARS = (2, 3)
_HEATMAP_BY_SPAN = 2


class Querier:
    """The procedures, by their names."""

    def __init__(self, profiles: Profiles, *, nodes_max: int) -> None:
        self._profiles = profiles
        self._nodes_max = nodes_max

    @property
    def procedures(self) -> dict[str, Procedure]:
        """Every procedure that is served, by service and method."""
        served: dict[str, tuple[str, Callable[[Any, Cancellation], Any]]] = {
            "ProfileTypes": ("querier.v1.ProfileTypesRequest", self.profile_types),
            "LabelNames": ("types.v1.LabelNamesRequest", self.label_names),
            "LabelValues": ("types.v1.LabelValuesRequest", self.label_values),
            "Series": ("querier.v1.SeriesRequest", self.series),
            "SelectMergeStacktraces": (
                "querier.v1.SelectMergeStacktracesRequest",
                self.merge_stacktraces,
            ),
            "SelectMergeSpanProfile": (
                "querier.v1.SelectMergeSpanProfileRequest",
                self.merge_span_profile,
            ),
            "SelectMergeProfile": ("querier.v1.SelectMergeProfileRequest", self.merge_profile),
            "SelectSeries": ("querier.v1.SelectSeriesRequest", self.select_series),
            "SelectHeatmap": ("querier.v1.SelectHeatmapRequest", self.select_heatmap),
            "Diff": ("querier.v1.DiffRequest", self.diff),
            "GetProfileStats": ("types.v1.GetProfileStatsRequest", self.profile_stats),
            "AnalyzeQuery": ("querier.v1.AnalyzeQueryRequest", self.analyze_query),
        }
        return {
            f"{SERVICE}/{method}": Procedure(_maker(request), answer)
            for method, (request, answer) in served.items()
        }

    # Labels ---------------------------------------------------------------------------------

    def profile_types(self, asked: Any, cancellation: Cancellation) -> Any:
        """Say which profiles there are; they are the same at any time."""
        del asked, cancellation
        return new(
            "querier.v1.ProfileTypesResponse",
            profile_types=[
                new(
                    "types.v1.ProfileType",
                    **dict(zip(_ID_PARTS, kind.id.split(":"), strict=True)),
                    ID=kind.id,
                )
                for kind in PROFILE_TYPES
            ],
        )

    def label_names(self, asked: Any, cancellation: Cancellation) -> Any:
        """Say which labels spans have."""
        selection = selection_of_any(asked.matchers)
        names: list[str] = []
        if profile_types_of(selection):
            during = time_of(asked.start, asked.end)
            names = self._profiles.label_names(selection, during, cancellation)
            names = sorted([PROFILE_TYPE, *names]) if names else []
        return new("types.v1.LabelNamesResponse", names=names)

    def label_values(self, asked: Any, cancellation: Cancellation) -> Any:
        """Say which values a label has; an unknown one has none."""
        selection = selection_of_any(asked.matchers)
        kinds = profile_types_of(selection)
        names: list[str] = []
        if asked.name == PROFILE_TYPE:
            names = [kind.id for kind in kinds]
        elif asked.name in LABELS and kinds:
            during = time_of(asked.start, asked.end)
            found = self._profiles.label_sets([asked.name], selection, during, cancellation)
            names = sorted(word for (word,) in found if word)
        return new("types.v1.LabelValuesResponse", names=names)

    def series(self, asked: Any, cancellation: Cancellation) -> Any:
        """Say which combinations of labels there are."""
        selection = selection_of_any(asked.matchers)
        kinds = profile_types_of(selection)
        wanted = list(asked.label_names) or [PROFILE_TYPE, *(LABELS.keys() - _OF_ONE_SPAN)]
        names = sorted({name for name in wanted if name in LABELS})
        found: list[tuple[str, ...]] = []
        if kinds:
            # Without a label there is one series, if there are spans.
            during = time_of(asked.start, asked.end)
            found = self._profiles.label_sets(
                names or ["service_name"], selection, during, cancellation
            )
            found = found if names or not found else [()]
        ids = [kind.id for kind in kinds] if PROFILE_TYPE in wanted else [""]
        return new(
            "querier.v1.SeriesResponse",
            labels_set=[
                new(
                    "types.v1.Labels",
                    labels=_labels([(PROFILE_TYPE, id_), *zip(names, words, strict=True)]),
                )
                for id_ in ids
                for words in found
            ],
        )

    # Flame graphs ---------------------------------------------------------------------------

    def merge_stacktraces(self, asked: Any, cancellation: Cancellation) -> Any:
        """Give a flame graph, in one of several forms."""
        query = _flame_query(asked)
        tree = self._profiles.flame_graph(query, cancellation)
        answer = new("querier.v1.SelectMergeStacktracesResponse")
        if tree.is_empty:
            return answer
        if asked.format == _DOT:
            answer.dot = to_dot(fold(tree, self._nodes(asked.max_nodes, DOT_NODES)), query.kind)
        elif asked.format == _PPROF:
            answer.pprof.profile.ParseFromString(self._pprof(tree, query))
        else:
            _check_format(asked.format)
            answer.flamegraph.CopyFrom(_flame_graph(fold(tree, self._nodes(asked.max_nodes))))
        return answer

    def merge_span_profile(self, asked: Any, cancellation: Cancellation) -> Any:
        """Give the flame graph of what is at or below some spans."""
        _check_format(asked.format)
        query = _query(asked, span_ids=span_ids_of(asked.span_selector))
        answer = new("querier.v1.SelectMergeSpanProfileResponse")
        tree = self._profiles.flame_graph(query, cancellation)
        if not tree.is_empty:
            answer.flamegraph.CopyFrom(_flame_graph(fold(tree, self._nodes(asked.max_nodes))))
        return answer

    def merge_profile(self, asked: Any, cancellation: Cancellation) -> Any:
        """Give the flame graph as a pprof profile."""
        query = _query(
            asked, trace_ids=trace_ids_of(asked.trace_id_selector, asked.profile_id_selector)
        )
        _no_call_site(asked)
        tree = self._profiles.flame_graph(query, cancellation)
        answer = new("google.v1.Profile")
        if not tree.is_empty:
            answer.ParseFromString(self._pprof(fold(tree, self._nodes(asked.max_nodes)), query))
        return answer

    def diff(self, asked: Any, cancellation: Cancellation) -> Any:
        """Lay two flame graphs of one profile type on each other."""
        left, right = _flame_query(asked.left), _flame_query(asked.right)
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

    # Over time ------------------------------------------------------------------------------

    def select_series(self, asked: Any, cancellation: Cancellation) -> Any:
        """Give values over time."""
        _no_call_site(asked)
        query = replace(
            _series_query(asked),
            average=asked.aggregation == _AVERAGE,
            with_exemplars=asked.exemplar_type in _EXEMPLARS,
        )
        return new(
            "querier.v1.SelectSeriesResponse",
            series=[
                new(
                    "types.v1.Series",
                    labels=_labels(zip(query.group_by, each.words, strict=True)),
                    points=_points(each),
                )
                for each in self._profiles.series(query, cancellation)
            ],
        )

    def select_heatmap(self, asked: Any, cancellation: Cancellation) -> Any:
        """Give the spread of values over time, of traces or of spans."""
        query = _series_query(asked)
        found = self._profiles.heatmap(
            query, cancellation, by_span=asked.query_type == _HEATMAP_BY_SPAN
        )
        return new(
            "querier.v1.SelectHeatmapResponse",
            series=[
                new(
                    "types.v1.HeatmapSeries",
                    labels=_labels(zip(query.group_by, each.words, strict=True)),
                    slots=[
                        new("types.v1.HeatmapSlot", timestamp=t, y_min=each.bounds, counts=counts)
                        for t, counts in zip(each.times_ms, each.counts, strict=True)
                    ],
                )
                for each in found
            ],
        )

    # The rest -------------------------------------------------------------------------------

    def profile_stats(self, asked: Any, cancellation: Cancellation) -> Any:
        """Say whether anything is stored, and from when to when."""
        del asked
        stored = self._profiles.stored_time(cancellation)
        if stored is None:
            return new("types.v1.GetProfileStatsResponse")
        return new(
            "types.v1.GetProfileStatsResponse",
            data_ingested=True,
            oldest_profile_time=stored[0] // _NS_PER_MS,
            newest_profile_time=stored[1] // _NS_PER_MS,
        )

    def analyze_query(self, asked: Any, cancellation: Cancellation) -> Any:
        """Say how many series and calls a query is about."""
        kind, selector = split_query(asked.query)
        selection = selection_of(selector)
        during = time_of(asked.start, asked.end)
        found = self._profiles.label_sets(["service_name"], selection, during, cancellation)
        del kind
        return new(
            "querier.v1.AnalyzeQueryResponse",
            query_scopes=[new("querier.v1.QueryScope", component_type="store", component_count=1)],
            query_impact=new("querier.v1.QueryImpact", total_queried_series=len(found)),
        )

    def _nodes(self, asked: int, default: int | None = None) -> int:
        wanted = asked if asked > 0 else default or self._nodes_max
        return min(wanted, self._nodes_max)

    def _pprof(self, tree: FlameTree, query: ProfileQuery) -> bytes:
        time = query.time
        found = to_profile(tree, query.kind, time.start_ns, time.end_ns - time.start_ns)
        return found.SerializeToString()


_ID_PARTS = ("name", "sample_type", "sample_unit", "period_type", "period_unit")


def split_query(text: str) -> tuple[ProfileType | None, str]:
    """Read `profile_type{selector}`, either of which may be missing."""
    name, brace, rest = text.partition("{")
    return profile_type(name.strip()) if name.strip() else None, brace + rest


def _maker(name: str) -> Callable[[], Any]:
    return lambda: new(name)


def _query(
    asked: Any, trace_ids: tuple[str, ...] = (), span_ids: tuple[str, ...] = ()
) -> ProfileQuery:
    selection = selection_of(asked.label_selector, trace_ids)
    kind = profile_type(asked.profile_typeID)
    if kind not in profile_types_of(selection):
        raise WrongQueryError(f"the selector's {PROFILE_TYPE} is another than {kind.id}")
    return ProfileQuery(
        kind=kind, time=time_of(asked.start, asked.end), selection=selection, span_ids=span_ids
    )


def _flame_query(asked: Any) -> ProfileQuery:
    _no_call_site(asked)
    return _query(
        asked,
        trace_ids=trace_ids_of(asked.trace_id_selector, asked.profile_id_selector),
        span_ids=span_ids_of(asked.span_selector),
    )


def _series_query(asked: Any) -> SeriesQuery:
    if not (math.isfinite(asked.step) and 0 < asked.step <= 366 * 86_400):
        raise WrongQueryError("the step is a number of seconds above 0")
    profile = _query(asked)
    if profile.selection.dimensions:
        raise WrongQueryError(f"{GROUP_BY} is for flame graphs; a series has group_by")
    return SeriesQuery(
        profile=profile,
        step_ns=max(int(asked.step * NANOSECONDS), _NS_PER_MS),
        group_by=tuple(dict.fromkeys(asked.group_by)),
        limit=asked.limit if asked.limit > 0 else None,
    )


def _no_call_site(asked: Any) -> None:
    if asked.stack_trace_selector.call_site or asked.stack_trace_selector.HasField("go_pgo"):
        raise UnsupportedError("stack traces cannot be selected by call site: use labels")


def _check_format(format_: int) -> None:
    if format_ not in _FLAMEGRAPHS:
        raise UnsupportedError("this format is not served: use FLAMEGRAPH, DOT or PPROF")


def _flame_graph(tree: FlameTree) -> Any:
    found = to_levels(tree)
    return new(
        "querier.v1.FlameGraph",
        names=found.names,
        levels=[new("querier.v1.Level", values=level.tolist()) for level in found.levels],
        total=found.total,
        max_self=found.max_self,
    )


def _flame_graph_diff(both: Any) -> Any:
    found = to_diff_levels(both)
    return new(
        "querier.v1.FlameGraphDiff",
        names=found.names,
        levels=[new("querier.v1.Level", values=level.tolist()) for level in found.levels],
        total=found.total,
        max_self=found.max_self,
        leftTicks=found.left_ticks,
        rightTicks=found.right_ticks,
    )


def _labels(pairs: Any) -> list[Any]:
    """Return label pairs in the order of their names; empty ones are not there."""
    return [
        new("types.v1.LabelPair", name=name, value=value) for name, value in sorted(pairs) if value
    ]


def _points(series: ProfileSeries) -> list[Any]:
    exemplars = series.exemplars or (None,) * len(series.values)
    return [
        new(
            "types.v1.Point",
            value=value,
            timestamp=time_ms,
            exemplars=[_exemplar(exemplar)] if exemplar else [],
        )
        for time_ms, value, exemplar in zip(series.times_ms, series.values, exemplars, strict=True)
    ]


def _exemplar(exemplar: Exemplar) -> Any:
    """A trace is the profile: its id, written as a UUID, is what a profile is selected by."""
    return new(
        "types.v1.Exemplar",
        timestamp=exemplar.time_ms,
        profile_id=str(uuid.UUID(exemplar.trace_id)),
        span_id=exemplar.span_id,
        trace_id=exemplar.trace_id,
        value=exemplar.value,
    )
