"""The composition root: the only module that picks concrete classes and wires them."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
import time
from collections.abc import Callable

from fastapi import FastAPI

from clickhouse.store import Insert, Store
from exporter import __version__
from exporter.answering import report_questions, routers
from exporter.api.health import health_router
from exporter.api.metrics import metrics_app
from exporter.database import Database
from exporter.endpoints import Endpoints
from exporter.errors import ConfigurationError
from exporter.garbage import collect_seldom
from exporter.genai.attribution.memory import TraceMemory
from exporter.genai.convention import load as load_conventions
from exporter.genai.messages.content import ContentLimits, content_columns
from exporter.genai.normalise import Normaliser
from exporter.genai.prices.book import PriceBook
from exporter.genai.prices.price_file import load_overrides
from exporter.genai.prices.pricer import Pricer
from exporter.hold import Hold
from exporter.listen import HttpServer, bind, shown_host
from exporter.metrics.exposition import WorkloadCollector
from exporter.notices.reports import scheduled
from exporter.parts import (
    asking,
    budgets,
    estimator,
    observer,
    queue,
    request_limits,
    span_limits,
    store_limits,
)
from exporter.pipeline import Pipeline
from exporter.query.explain import Explainer
from exporter.receive.admission import Admission
from exporter.receive.grpc import otlp_grpc_server
from exporter.receive.http import otlp_http_app
from exporter.settings import Settings
from exporter.spans.decode import Decoder
from exporter.streams import Streams
from exporter.telemetry import Telemetry
from exporter.watch import watch_estimates, watch_limits, watch_state

log = logging.getLogger(__name__)

# How often a ClickHouse that has not answered yet is asked.
_PROBE_S = 2.0


class App:
    """One service: build it, `start` it, `stop` it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._telemetry = Telemetry()
        self._queue = queue(settings)
        self._observer = observer(settings)
        self._telemetry.registry.register(WorkloadCollector(self._observer))
        self._streams = Streams(settings, self._observer)
        self._database = Database(settings)
        self._store = Store(self._database.writer, store_limits(settings), self._count_insert)
        limits = ContentLimits(text_chars_max=settings.content_max_chars)
        estimates = estimator(settings)
        overrides = load_overrides(settings.prices_file) if settings.prices_file else ()
        self._explainer = Explainer(load_conventions(), PriceBook(overrides), settings.cost_source)
        self._budgets = budgets(settings, self._database)
        self._telemetry.registry.register(self._budgets)
        self._reports = report_questions(settings, self._database.reads, self._budgets)
        self._schedule = scheduled(settings, self._reports.digest)
        self._asking = asking(settings, self._queue, self._telemetry)
        self._hold = Hold(seconds=settings.hold_s, max_spans=settings.hold_max_spans)
        memory = TraceMemory(
            max_spans=settings.trace_memory_max_spans, max_age_s=settings.trace_memory_max_age_s
        )
        pipeline = Pipeline(
            queue=self._queue,
            decode=Decoder(span_limits(settings)),
            normalise=Normaliser(load_conventions()),
            memory=memory,
            hold=self._hold,
            content=lambda batch: batch.with_columns(content_columns(batch, limits)),
            estimate=estimates or (lambda batch: batch),
            price=Pricer(PriceBook(overrides), settings.cost_source),
            observe=self._streams.after(self._observer),
            write=self._store.write,
            telemetry=self._telemetry,
            step_max_bytes=settings.step_max_bytes,
        )
        self._workers = [
            threading.Thread(target=run, name=run.__name__, daemon=True)
            for run in (pipeline.run_accept, pipeline.run_finish)
        ]
        self._admission = Admission(
            self._queue,
            self._telemetry,
            request_limits(settings),
        )
        self._grpc = otlp_grpc_server(self._admission)
        self._http: list[HttpServer] = []
        self._stopping = False
        self._probe: asyncio.Task[None] | None = None
        watch_state(self._telemetry, self._queue, self._hold, self._store, self._observer)
        watch_limits(self._telemetry, settings, self._budgets)
        if estimates is not None:
            watch_estimates(self._telemetry, estimates)

    async def start(self) -> Endpoints:
        """Open the store and listen; raise ConfigurationError when that cannot work."""
        settings = self._settings
        self._database.prepare()
        self._probe = asyncio.create_task(self._reach_database())
        self._store.start()
        self._streams.start()
        self._budgets.start()
        if self._schedule is not None:
            self._schedule.start()
        for worker in self._workers:
            worker.start()
        grpc_port = self._open_grpc_port()
        await self._grpc.start()
        otlp = await self._listen(
            otlp_http_app(self._admission), settings.otlp_http_port, "otlp_http_port"
        )
        metrics = await self._listen(
            metrics_app(self._telemetry), settings.metrics_port, "metrics_port"
        )
        api = await self._listen(self._api(), settings.api_port, "api_port")
        host = shown_host(settings.host)
        return Endpoints(
            f"http://{host}:{grpc_port}",
            f"http://{host}:{otlp}",
            f"http://{host}:{metrics}/metrics",
            f"http://{host}:{api}",
        )

    async def stop(self) -> bool:
        """Take no more, hand on what was accepted, stop; return whether nothing was left over."""
        self._stopping = True
        deadline = time.monotonic() + self._settings.shutdown_timeout_s
        await asyncio.to_thread(self._budgets.stop)
        if self._schedule is not None:
            await asyncio.to_thread(self._schedule.stop)
        # New requests are told to come back from here on; those that wait are still answered.
        self._queue.close()
        accept, finish = self._workers
        await asyncio.to_thread(_join, accept, (deadline - time.monotonic()) / 3)
        self._queue.abandon()
        await self._grpc.stop(grace=1.0)
        otlp, *others = self._http or [None]
        if otlp is not None:
            await otlp.close()
        self._hold.close()
        await asyncio.to_thread(_join, finish, (deadline - time.monotonic()) / 2)
        left = max(deadline - time.monotonic(), 1.0)
        written = await asyncio.to_thread(self._store.close, left)
        if stuck := any(worker.is_alive() for worker in self._workers):
            log.error("stopped with spans not processed", extra={"spans": self._hold.spans})
        self._streams.close()
        for server in others:
            if server is not None:
                await server.close()
        self._asking.close()
        if self._probe is not None:
            self._probe.cancel()
        self._telemetry.shutdown()
        return written and not stuck

    def _open_grpc_port(self) -> int:
        settings = self._settings
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        # gRPC's own message about a port that is taken is for its developers.
        bind(settings.host, settings.otlp_grpc_port, "otlp_grpc_port").close()
        try:
            return self._grpc.add_insecure_port(f"{host}:{settings.otlp_grpc_port}")
        except RuntimeError as error:
            raise ConfigurationError(
                f"{host}:{settings.otlp_grpc_port} (otlp_grpc_port): cannot listen there"
            ) from error

    async def _reach_database(self) -> None:
        """Try again until ClickHouse was reached once; from then on the inserts tell."""
        while not await asyncio.to_thread(self._database.reached):  # noqa: ASYNC110
            await asyncio.sleep(_PROBE_S)

    async def _listen(self, app: FastAPI, port: int, setting: str) -> int:
        server = HttpServer(app, bind(self._settings.host, port, setting))
        self._http.append(server)
        await server.start()
        return server.port

    def _api(self) -> FastAPI:
        app = FastAPI(title="LLM Observatory", version=__version__)
        self._asking.serve(app)
        app.include_router(health_router(self._problems))
        for router in routers(self._settings, self._database.reads, self._explainer, self._reports):
            app.include_router(router)
        app.include_router(self._streams.router())
        return app

    def _problems(self) -> list[str]:
        problems: list[str] = []
        if self._stopping:
            problems.append("stopping")
        if not all(worker.is_alive() for worker in self._workers):
            problems.append("the pipeline is not running")
        if self._database.problem:
            problems.append(self._database.problem)
        return problems

    def _count_insert(self, insert: Insert) -> None:
        labels = {"table": insert.table, "outcome": insert.outcome}
        if insert.outcome in {"ok", "retried", "split"}:
            self._telemetry.insert_duration.record(insert.seconds, labels)
        if insert.outcome in {"ok", "rejected", "lost"}:
            self._telemetry.rows.add(insert.rows, labels)
        # A refusal of rows is an answer, too.
        answered = insert.outcome in {"ok", "split", "rejected"}
        self._database.problem = "" if answered else "ClickHouse takes no rows"


async def run(settings: Settings, announce: Callable[[Endpoints], None]) -> bool:
    """Serve until SIGINT or SIGTERM; return whether everything accepted was handed on."""
    app = App(settings)
    collect_seldom()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        endpoints = await app.start()
        announce(endpoints)
        await stop.wait()
        log.info("stopping")
    finally:
        drained = await app.stop()
    log.info("stopped", extra={"drained": drained})
    return drained


def _join(worker: threading.Thread, timeout_s: float) -> None:
    """Wait for a thread; one that never started has ended."""
    if worker.is_alive():
        worker.join(max(timeout_s, 0.0))
