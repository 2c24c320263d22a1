"""The live streams as the service uses them: made from its settings, fed by its pipeline."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter

from exporter.api.live import Live, live_router
from exporter.live.meter import Meter
from exporter.live.seats import Seats
from exporter.live.snapshots import Snapshots
from exporter.live.traces import TraceFeed
from exporter.metrics.observe import Observer
from exporter.settings import Settings
from exporter.spans.batch import SpanBatch


class Streams:
    """What people watch while it happens."""

    def __init__(self, settings: Settings, observer: Observer) -> None:
        self._snapshots = Snapshots(
            Meter(observer),
            interval_s=settings.live_interval_s,
            window_s=settings.live_window_s,
            history=settings.live_history_snapshots,
        )
        self._traces = TraceFeed(
            traces_max=settings.live_traces_max, waiting_max=settings.live_waiting_max_traces
        )
        seats = Seats(settings.live_clients_max)
        self._live = Live(self._snapshots, self._traces, seats, settings.live_heartbeat_s)

    def router(self) -> APIRouter:
        """Return the routes."""
        return live_router(self._live)

    def after(self, observe: Callable[[SpanBatch], None]) -> Callable[[SpanBatch], None]:
        """Return a stage that counts a batch and then shows it to who watches."""

        def counted(batch: SpanBatch) -> None:
            observe(batch)
            self._traces.offer(batch)

        return counted

    def start(self) -> None:
        """Begin to hand on."""
        self._traces.start()

    def close(self) -> None:
        """End all streams, so that the server need not wait for them."""
        self._snapshots.close()
        self._traces.close()
