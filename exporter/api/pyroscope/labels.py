"""Procedures about labels: what there is to choose from."""

from __future__ import annotations

from typing import Any

from exporter.api.pyroscope.asked import label_pairs, split_query
from exporter.api.pyroscope.messages import new
from exporter.api.pyroscope.questions import Profiles
from exporter.cancellation import Cancellation
from exporter.query.flame.profile_types import PROFILE_TYPES
from exporter.query.profiles.request import (
    PROFILE_TYPE,
    profile_types_of,
    selection_of,
    selection_of_any,
    time_of,
)
from exporter.query.selectors import LABELS

# Labels that nearly every span has its own word for.
_OF_ONE_SPAN = frozenset({"trace_id", "span_id", "span_name"})
_ID_PARTS = ("name", "sample_type", "sample_unit", "period_type", "period_unit")
_NS_PER_MS = 1_000_000


class LabelProcedures:
    """What can be selected, and from when."""

    def __init__(self, profiles: Profiles) -> None:
        self._profiles = profiles

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
                    labels=label_pairs([(PROFILE_TYPE, id_), *zip(names, words, strict=True)]),
                )
                for id_ in ids
                for words in found
            ],
        )

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
        _, selector = split_query(asked.query)
        selection = selection_of(selector)
        during = time_of(asked.start, asked.end)
        found = self._profiles.label_sets(["service_name"], selection, during, cancellation)
        return new(
            "querier.v1.AnalyzeQueryResponse",
            query_scopes=[new("querier.v1.QueryScope", component_type="store", component_count=1)],
            query_impact=new("querier.v1.QueryImpact", total_queried_series=len(found)),
        )
