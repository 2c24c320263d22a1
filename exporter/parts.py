"""The parts of a service as the settings describe them."""

from __future__ import annotations

from clickhouse.store import StoreLimits
from exporter.api.asking import Asking
from exporter.budgets import BudgetWatch, load_budgets
from exporter.database import Database
from exporter.genai.estimate import Estimator
from exporter.genai.tokenizers import read as read_tokenizers
from exporter.metrics.observe import Observer
from exporter.metrics.service_graph import ServiceGraph
from exporter.pace import Pace
from exporter.questions.budgets import BudgetQuestions
from exporter.queue import MemoryQueue
from exporter.receive.admission import RequestLimits
from exporter.settings import Settings
from exporter.spans.rejection import SpanLimits
from exporter.spans.schema import NANOSECONDS
from exporter.telemetry import Telemetry

_DAY_NS = 24 * 3600 * NANOSECONDS
# Threads that wait for the store beside those that it is answering.
_THREADS_PER_QUERY = 4


def queue(settings: Settings) -> MemoryQueue:
    """Return what holds requests until they are read."""
    return MemoryQueue(
        max_bytes=settings.waiting_max_bytes,
        max_requests=settings.waiting_max_requests,
        retry_after_s=settings.retry_after_s,
    )


def request_limits(settings: Settings) -> RequestLimits:
    """Return what is read of a request."""
    return RequestLimits(
        request_max_bytes=settings.request_max_bytes,
        request_max_parts=settings.request_max_parts,
        receiving_max_bytes=settings.waiting_max_bytes,
        retry_after_s=settings.retry_after_s,
    )


def observer(settings: Settings) -> Observer:
    """Return who counts spans."""
    return Observer(
        extra_labels=settings.metric_labels,
        label_values_max=settings.label_values_max,
        series_max=settings.series_max,
        graph=_service_graph(settings),
    )


def asking(settings: Settings, waiting: MemoryQueue, telemetry: Telemetry) -> Asking:
    """Return where questions run."""
    return Asking(
        threads=_THREADS_PER_QUERY * settings.queries_max,
        pace=Pace(share=settings.query_share, pause_max_s=settings.query_wait_max_s),
        waiting=lambda: waiting.depth[0] > 0,
        told=telemetry.asked,
    )


def span_limits(settings: Settings) -> SpanLimits:
    """Return which times of spans are believed."""
    return SpanLimits(
        end_before_start_max_ns=round(settings.end_before_start_max_s * NANOSECONDS),
        age_max_ns=settings.span_age_max_days * _DAY_NS,
        future_max_ns=round(settings.span_future_max_s * NANOSECONDS),
    )


def store_limits(settings: Settings) -> StoreLimits:
    """Return how rows are gathered for an insert."""
    return StoreLimits(
        max_rows=settings.insert_max_rows,
        max_age_s=settings.insert_max_age_s,
        buffer_max_bytes=settings.buffer_max_bytes,
        retry_max_s=settings.insert_retry_max_s,
    )


def _service_graph(settings: Settings) -> ServiceGraph | None:
    if not settings.service_graph:
        return None
    return ServiceGraph(
        nodes_max=settings.label_values_max,
        max_spans=settings.service_graph_max_spans,
        wait_s=settings.service_graph_wait_s,
        max_age_s=settings.trace_memory_max_age_s,
    )


def estimator(settings: Settings) -> Estimator | None:
    """Return who estimates tokens that nobody reported, None where nobody is to."""
    if not settings.estimate_tokens:
        return None
    return Estimator(
        read_tokenizers(settings.tokenizers_dir),
        span_max_chars=settings.estimate_span_max_chars,
        batch_max_chars=settings.estimate_batch_max_chars,
    )


def budgets(settings: Settings, database: Database) -> BudgetWatch:
    """Return who compares what was spent with the budgets."""
    found = ()
    if settings.budgets_file is not None:
        found = load_budgets(
            settings.budgets_file,
            spans_days=settings.spans_retention_days,
            hours_days=settings.hours_retention_days,
        )
    spent = BudgetQuestions(database.reads).spent
    return BudgetWatch(found, spent, refresh_s=settings.budgets_refresh_s)
