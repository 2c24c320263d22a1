"""Procedures that give values over time."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from exporter.api.pyroscope.asked import check_no_call_site, label_pairs, series_query
from exporter.api.pyroscope.messages import new
from exporter.api.pyroscope.questions import Profiles
from exporter.cancellation import Cancellation
from exporter.query.profiles.series import Exemplar, HeatmapSeries, ProfileSeries

# Values of types.v1.TimeSeriesAggregationType, types.v1.ExemplarType and HeatmapQueryType.
_AVERAGE = 1
_EXEMPLARS = (2, 3)
_HEATMAP_BY_SPAN = 2


class TimeProcedures:
    """Series and heat maps."""

    def __init__(self, profiles: Profiles) -> None:
        self._profiles = profiles

    def select_series(self, asked: Any, cancellation: Cancellation) -> Any:
        """Give values over time."""
        check_no_call_site(asked)
        query = replace(
            series_query(asked),
            average=asked.aggregation == _AVERAGE,
            with_exemplars=asked.exemplar_type in _EXEMPLARS,
        )
        return new(
            "querier.v1.SelectSeriesResponse",
            series=[
                new(
                    "types.v1.Series",
                    labels=label_pairs(zip(query.group_by, each.words, strict=True)),
                    points=_points(each),
                )
                for each in self._profiles.series(query, cancellation)
            ],
        )

    def select_heatmap(self, asked: Any, cancellation: Cancellation) -> Any:
        """Give the spread of values over time, of traces or of spans."""
        query = replace(series_query(asked), with_exemplars=asked.exemplar_type in _EXEMPLARS)
        found = self._profiles.heatmap(
            query, cancellation, by_span=asked.query_type == _HEATMAP_BY_SPAN
        )
        return new(
            "querier.v1.SelectHeatmapResponse",
            series=[
                new(
                    "types.v1.HeatmapSeries",
                    labels=label_pairs(zip(query.group_by, each.words, strict=True)),
                    slots=_slots(each),
                )
                for each in found
            ],
        )


def _slots(heatmap: HeatmapSeries) -> list[Any]:
    exemplars = heatmap.exemplars or (None,) * len(heatmap.times_ms)
    return [
        new(
            "types.v1.HeatmapSlot",
            timestamp=time_ms,
            y_min=heatmap.bounds,
            counts=counts,
            exemplars=[_exemplar(exemplar)] if exemplar else [],
        )
        for time_ms, counts, exemplar in zip(
            heatmap.times_ms, heatmap.counts, exemplars, strict=True
        )
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
