"""Every procedure of Pyroscope's API that is served, by service and method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from exporter.api.pyroscope.connect import Procedure
from exporter.api.pyroscope.flamegraphs import FlameProcedures
from exporter.api.pyroscope.labels import LabelProcedures
from exporter.api.pyroscope.messages import new
from exporter.api.pyroscope.questions import Profiles
from exporter.api.pyroscope.timelines import TimeProcedures
from exporter.cancellation import Cancellation

_Answer = Callable[[Any, Cancellation], Any]


def procedures(profiles: Profiles, *, nodes_max: int) -> dict[str, Procedure]:
    """Return them; a flame graph has at most `nodes_max` frames."""
    labels, times = LabelProcedures(profiles), TimeProcedures(profiles)
    flames = FlameProcedures(profiles, nodes_max=nodes_max)
    querier, types = "querier.v1", "types.v1"
    served: dict[str, tuple[str, _Answer]] = {
        "ProfileTypes": (f"{querier}.ProfileTypesRequest", labels.profile_types),
        "LabelNames": (f"{types}.LabelNamesRequest", labels.label_names),
        "LabelValues": (f"{types}.LabelValuesRequest", labels.label_values),
        "Series": (f"{querier}.SeriesRequest", labels.series),
        "GetProfileStats": (f"{types}.GetProfileStatsRequest", labels.profile_stats),
        "AnalyzeQuery": (f"{querier}.AnalyzeQueryRequest", labels.analyze_query),
        "SelectMergeStacktraces": (
            f"{querier}.SelectMergeStacktracesRequest",
            flames.merge_stacktraces,
        ),
        "SelectMergeSpanProfile": (
            f"{querier}.SelectMergeSpanProfileRequest",
            flames.merge_span_profile,
        ),
        "SelectMergeProfile": (f"{querier}.SelectMergeProfileRequest", flames.merge_profile),
        "Diff": (f"{querier}.DiffRequest", flames.diff),
        "SelectSeries": (f"{querier}.SelectSeriesRequest", times.select_series),
        "SelectHeatmap": (f"{querier}.SelectHeatmapRequest", times.select_heatmap),
    }
    found = {
        f"{querier}.QuerierService/{method}": _procedure(request, answer)
        for method, (request, answer) in served.items()
    }
    # Profiles Drilldown keeps its settings in the browser where there are none.
    found["settings.v1.SettingsService/Get"] = _procedure(
        "settings.v1.GetSettingsRequest",
        lambda _asked, _cancellation: new("settings.v1.GetSettingsResponse"),
    )
    return found


def _procedure(request: str, answer: _Answer) -> Procedure:
    return Procedure(lambda: new(request), answer)
