"""Known traffic for the end-to-end tests: what is sent, and by hand what must come of it.

Sent with the real OpenTelemetry SDK and its OTLP exporters. The prices are the providers' published
ones, typed in here, so that nothing of the product computes what it is held against.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode

NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Model:
    """A model as providers name it, and its price in US dollars for a million tokens."""

    provider: str
    requested: str
    answered: str
    listed: str
    input: Decimal
    cache_read: Decimal
    output: Decimal


MODELS = (
    Model(
        "openai",
        "gpt-4o",
        "gpt-4o-2024-08-06",
        "gpt-4o",
        Decimal("2.50"),
        Decimal("1.25"),
        Decimal(10),
    ),
    Model(
        "openai",
        "gpt-4o-mini",
        "gpt-4o-mini-2024-07-18",
        "gpt-4o-mini",
        Decimal("0.15"),
        Decimal("0.075"),
        Decimal("0.60"),
    ),
    Model(
        "anthropic",
        "claude-haiku-4-5",
        "claude-haiku-4-5-20251001",
        "claude-haiku-4-5",
        Decimal(1),
        Decimal("0.10"),
        Decimal(5),
    ),
)
SERVICES = ("chat", "search", "batch")


@dataclass(frozen=True, slots=True)
class Call:
    """One call and everything that is known of it."""

    service: str
    model: Model
    start_ns: int
    duration_ns: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    failed: bool

    @property
    def tokens(self) -> Counter[str]:
        """Tokens by disjoint kind."""
        if self.failed:
            return Counter()
        uncached = self.input_tokens - self.cached_tokens
        return Counter(
            {"input": uncached, "cache_read": self.cached_tokens, "output": self.output_tokens}
        )

    @property
    def cost_nano_usd(self) -> int:
        """Cost in nano-dollars. The prices make every product whole or half a nano-dollar."""
        rates = {
            "input": self.model.input,
            "cache_read": self.model.cache_read,
            "output": self.model.output,
        }
        return sum(
            int((count * rates[kind] * 1000).to_integral_value(rounding="ROUND_HALF_EVEN"))
            for kind, count in self.tokens.items()
        )


def calls(count: int, seed: int) -> list[Call]:
    """Return calls of the last minute: services, models, failures and sizes mixed by the seed."""
    rng = random.Random(seed)
    now = time.time_ns()
    made: list[Call] = []
    for _ in range(count):
        asked = rng.randrange(1, 20_000)
        made.append(
            Call(
                service=rng.choice(SERVICES),
                model=rng.choice(MODELS),
                start_ns=now - rng.randrange(60 * NS),
                duration_ns=int(rng.lognormvariate(0, 1) * NS),
                input_tokens=asked,
                cached_tokens=rng.randrange(asked) if rng.random() < 0.3 else 0,
                output_tokens=rng.randrange(1, 4000),
                failed=rng.random() < 0.1,
            )
        )
    return made


def send(traffic: Iterable[Call], exporters: Iterator[SpanExporter]) -> None:
    """Send each service's calls with the OpenTelemetry SDK; the next exporter serves the next."""
    traffic = list(traffic)
    for service in SERVICES:
        provider = TracerProvider(resource=Resource.create({"service.name": service}))
        provider.add_span_processor(
            BatchSpanProcessor(next(exporters), max_queue_size=100_000, schedule_delay_millis=50)
        )
        tracer = provider.get_tracer("tests.traffic")
        for call in (c for c in traffic if c.service == service):
            attributes: dict[str, str | int] = {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": call.model.provider,
                "gen_ai.request.model": call.model.requested,
            }
            if call.failed:
                attributes["error.type"] = "rate_limited"
            else:
                attributes["gen_ai.response.model"] = call.model.answered
                attributes["gen_ai.usage.input_tokens"] = call.input_tokens
                attributes["gen_ai.usage.output_tokens"] = call.output_tokens
                if call.cached_tokens:
                    attributes["gen_ai.usage.cache_read.input_tokens"] = call.cached_tokens
            span = tracer.start_span(
                f"chat {call.model.requested}",
                kind=SpanKind.CLIENT,
                attributes=attributes,
                start_time=call.start_ns,
            )
            if call.failed:
                span.set_status(Status(StatusCode.ERROR))
            span.end(end_time=call.start_ns + call.duration_ns)
        assert provider.force_flush(20_000)
        provider.shutdown()
