"""Stream reports, in both ways that the Anthropic SDK has, traced by OpenInference.

The SDK can trace itself as well; each call would then arrive as two spans, which are counted twice
as long as nothing tells that they are the same call. So its own tracing is off here.
"""

from collections.abc import Callable
from dataclasses import dataclass

import anthropic
from anthropic.types import MessageParam
from openinference.instrumentation.anthropic import AnthropicInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Status, StatusCode, Tracer

from exporter.demo.faults import fault_headers
from exporter.demo.telemetry import app_tracer
from exporter.demo.visits import Visit

MODEL = "claude-haiku-4-5"
TOKENS_MAX = 1024
EVENTS_FEATURE = "weekly-report"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportWriter:
    """One job that writes reports."""

    client: anthropic.Anthropic
    tracer: Tracer

    def serve(self, visit: Visit) -> None:
        """Write one report."""
        with self.tracer.start_as_current_span(f"write {visit.feature}") as span:
            try:
                self._write(visit)
            except anthropic.APIError as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(Status(StatusCode.ERROR))

    def _write(self, visit: Visit) -> None:
        headers = fault_headers(visit.fault)
        messages: list[MessageParam] = [
            {"role": "user", "content": f"Write the report. Note: {visit.question}"}
        ]
        if visit.feature == EVENTS_FEATURE:
            with self.client.messages.create(
                model=MODEL,
                max_tokens=TOKENS_MAX,
                messages=messages,
                stream=True,
                extra_headers=headers,
            ) as events:
                for _ in events:
                    pass
        else:
            with self.client.messages.stream(
                model=MODEL, max_tokens=TOKENS_MAX, messages=messages, extra_headers=headers
            ) as stream:
                stream.until_done()


def start(provider: TracerProvider, provider_url: str) -> Callable[[Visit], None]:
    """Instrument the Anthropic SDK, and return what serves one visit."""
    AnthropicInstrumentor().instrument(tracer_provider=provider)
    client = anthropic.Anthropic(
        base_url=provider_url,
        api_key="demo",
        max_retries=0,
        open_telemetry=False,
    )
    return ReportWriter(client=client, tracer=app_tracer(provider)).serve
