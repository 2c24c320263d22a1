"""What the Pyroscope API needs to be answered; whoever has these methods will do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from exporter.cancellation import Cancellation
from exporter.query.flame.tree import FlameTree
from exporter.query.profiles.request import ProfileQuery, Selection, SeriesQuery, Time
from exporter.query.profiles.series import HeatmapSeries, ProfileSeries


class Profiles(Protocol):
    """Answers questions about what is stored; raises WrongQueryError and what the store raises."""

    def flame_graph(self, query: ProfileQuery, cancellation: Cancellation) -> FlameTree:
        """Return a flame graph with all its frames, empty when nothing was found."""
        ...

    def series(self, query: SeriesQuery, cancellation: Cancellation) -> list[ProfileSeries]:
        """Return values over time, the largest series first."""
        ...

    def heatmap(
        self, query: SeriesQuery, cancellation: Cancellation, *, by_span: bool
    ) -> list[HeatmapSeries]:
        """Return how the values of spans, or of whole traces, are spread over time."""
        ...

    def label_names(
        self, selection: Selection, during: Time, cancellation: Cancellation
    ) -> list[str]:
        """Return the labels that selected spans have."""
        ...

    def label_sets(
        self,
        names: Sequence[str],
        selection: Selection,
        during: Time,
        cancellation: Cancellation,
    ) -> list[tuple[str, ...]]:
        """Return the combinations of labels that selected spans have, the most frequent first."""
        ...

    def stored_time(self, cancellation: Cancellation) -> tuple[int, int] | None:
        """Return when the first and the last trace began, in nanoseconds, None: there is none."""
        ...
