"""The stages of the core one after another, for tests that start from spans."""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from exporter.genai import convention
from exporter.genai.normalise import Normaliser
from exporter.genai.prices.book import PriceBook
from exporter.genai.prices.pricer import Pricer
from exporter.spans.batch import SpanBatch
from exporter.spans.decode import Decoder
from exporter.spans.rejection import SpanLimits
from tests.support.otlp import NOON_NS, NS, Attributes, request, span

AGE_MAX_NS = 4 * 365 * 86_400 * NS
DECODER = Decoder(
    SpanLimits(end_before_start_max_ns=NS, age_max_ns=AGE_MAX_NS, future_max_ns=86_400 * NS)
)
NORMALISE = Normaliser(convention.load())
PRICE = Pricer(PriceBook())


def decode(*requests: bytes) -> SpanBatch:
    """Return the batch of requests that have nothing to reject."""
    batch, verdicts = DECODER.decode(requests, NOON_NS)
    assert all(verdict.error is None and not verdict.rejected for verdict in verdicts)
    return batch


def normalise(*spans: Span, **of_request: Any) -> SpanBatch:
    return NORMALISE(decode(request(*spans, **of_request)))


def price(*spans: Span, pricer: Pricer = PRICE, **of_request: Any) -> SpanBatch:
    return pricer(normalise(*spans, **of_request))


def chat(attributes: Attributes = (), **of_span: Any) -> Span:
    """Return a chat call of gpt-4o in OpenTelemetry's convention."""
    more = dict(attributes)
    call = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
    }
    return span({**call, **more}, **of_span)


def row(batch: SpanBatch, at: int = 0) -> dict[str, Any]:
    """Return one span's columns as Python values."""
    return {name: column[at].as_py() for name, column in batch.columns.items()}


def known(values: dict[str, Any]) -> dict[str, Any]:
    """Return what is known: neither null nor empty."""
    return {name: value for name, value in values.items() if value not in (None, "", [])}
