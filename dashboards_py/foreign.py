"""Metrics of other programs that alert rules use: Prometheus' own and the ClickHouse server's."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ForeignMetric:
    """A metric by the name and labels under which Prometheus stores it."""

    name: str
    meaning: str
    labels: tuple[str, ...] = ("job", "instance")

    @property
    def sample_name(self) -> str:
        """The name that a query uses."""
        return self.name


UP = ForeignMetric("up", "1: Prometheus could scrape the target, 0: it could not.")
READONLY_REPLICAS = ForeignMetric(
    "ClickHouseMetrics_ReadonlyReplica", "Replicated tables that take no writes."
)
PARTS = ForeignMetric(
    "ClickHouseAsyncMetrics_MaxPartCountForPartition", "Most parts in a partition of any table."
)
REJECTED_INSERTS = ForeignMetric(
    "ClickHouseProfileEvents_RejectedInserts", "Inserts refused for too many parts."
)
FOREIGN: tuple[ForeignMetric, ...] = (UP, READONLY_REPLICAS, PARTS, REJECTED_INSERTS)
