"""Stream reports. Traced twice, by OpenInference and by the Anthropic SDK itself.

That is what happens to anyone who adds an instrumentation to an SDK that learned to trace itself:
each call arrives as two spans and must be counted and priced once. With `messages.create` the SDK's
span is the child of the other, with `messages.stream` the two are siblings, so the demo uses both.
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
NESTED_FEATURE = "weekly-report"


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
        if visit.feature == NESTED_FEATURE:
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
    """Instrument the Anthropic SDK on top of its own tracing, and return what serves one visit."""
    AnthropicInstrumentor().instrument(tracer_provider=provider)
    client = anthropic.Anthropic(
        base_url=provider_url,
        api_key="demo",
        max_retries=0,
        open_telemetry={"tracer_provider": provider},
    )
    return ReportWriter(client=client, tracer=app_tracer(provider)).serve
