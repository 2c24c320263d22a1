"""What the service shows of its own state at each scrape, besides what it counts as it happens."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import lru_cache

from clickhouse.store import Store
from exporter import __version__
from exporter.budgets import BudgetWatch
from exporter.genai.estimate import Estimator
from exporter.genai.prices.age import newest_price
from exporter.hold import Hold
from exporter.metrics.observe import Observer
from exporter.queue import MemoryQueue
from exporter.settings import Settings
from exporter.telemetry import Telemetry


def watch_limits(telemetry: Telemetry, settings: Settings, budgets: BudgetWatch) -> None:
    """Show what the state of queue and store is to be compared with, and how old the prices are."""
    telemetry.gauge(
        "queue.limit",
        "By",
        "Most bytes of requests that may wait.",
        lambda: [(settings.waiting_max_bytes, {})],
    )
    telemetry.gauge(
        "buffer.limit",
        "By",
        "Most bytes of rows that may wait.",
        lambda: [(settings.buffer_max_bytes, {})],
    )
    telemetry.gauge(
        "price_list.newest_timestamp",
        "s",
        "Date of the newest price in force that the price list dates.",
        _newest_price,
    )
    telemetry.counter(
        "budget_reads",
        "",
        "Readings of the budgets, by outcome.",
        lambda: [(count, {"outcome": name}) for name, count in budgets.reads.items()],
    )


def _newest_price() -> list[tuple[float, dict[str, str]]]:
    day = _newest_price_on(datetime.now(UTC).date())
    return (
        []
        if day is None
        else [(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp(), {})]
    )


@lru_cache(maxsize=1)
def _newest_price_on(today: date) -> date | None:
    # Two thousand models, so once a day.
    return newest_price(today)


def watch_estimates(telemetry: Telemetry, estimator: Estimator) -> None:
    """Show how tokens are estimated, and how many were."""
    telemetry.gauge(
        "estimate_method",
        "",
        "1, with how texts of an encoding are counted.",
        lambda: [(1, {"encoding": e, "method": str(m)}) for e, m in estimator.methods.items()],
    )
    telemetry.counter(
        "estimates",
        "",
        "Calls estimated, by method.",
        lambda: [(n, {"method": str(m)}) for m, n in estimator.estimated.items()],
    )


def watch_state(
    telemetry: Telemetry, queue: MemoryQueue, hold: Hold, store: Store, observer: Observer
) -> None:
    """Show the state of queue, store and series at each scrape."""
    telemetry.gauge("queue.requests", "", "Requests that wait.", lambda: [(queue.depth[0], {})])
    telemetry.gauge(
        "queue.size", "By", "Bytes of requests that wait.", lambda: [(queue.depth[1], {})]
    )
    telemetry.gauge(
        "held.spans", "", "Spans whose traces are given time.", lambda: [(hold.spans, {})]
    )
    telemetry.gauge(
        "buffer.spans", "", "Spans that wait for ClickHouse.", lambda: [(store.waiting[0], {})]
    )
    telemetry.gauge(
        "buffer.size", "By", "Bytes of rows that wait.", lambda: [(store.waiting[1], {})]
    )
    telemetry.gauge(
        "series",
        "",
        "Label sets of each metric of the workload.",
        lambda: [(count, {"metric": name}) for name, count in observer.series.items()],
    )
    telemetry.counter(
        "overflow",
        "",
        "Label values and series counted as __overflow__, by label or metric.",
        lambda: [(count, {"name": name}) for name, count in observer.overflows.items()],
    )
    telemetry.gauge(
        "build_info", "", "1, with the version.", lambda: [(1, {"version": __version__})]
    )
