"""Classify product reviews with a cheap model, then summarise them. Traced by OpenInference."""

from collections.abc import Callable
from dataclasses import dataclass

import openai
from openinference.instrumentation.openai import OpenAIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Tracer

from exporter.demo.apps.endpoint import endpoint
from exporter.demo.faults import Fault, fault_headers
from exporter.demo.telemetry import app_tracer
from exporter.demo.visits import Visit

CLASSIFIER = "gpt-4.1-nano"
CLASSIFIER_FALLBACK = "gpt-4.1-mini"
SUMMARISER = "o4-mini"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewTriage:
    """One triage endpoint."""

    client: openai.OpenAI
    tracer: Tracer

    def serve(self, visit: Visit) -> None:
        """Sort one review and summarise it."""
        chain = {"openinference.span.kind": "CHAIN"}
        with (
            endpoint(self.tracer, "POST /reviews", visit, expected=openai.APIError),
            self.tracer.start_as_current_span("triage review", attributes=chain),
        ):
            try:
                self._classify(CLASSIFIER, visit, visit.fault)
            except openai.RateLimitError:
                self._classify(CLASSIFIER_FALLBACK, visit, None)
            self._summarise(visit)

    def _classify(self, model: str, visit: Visit, fault: Fault | None) -> None:
        self.client.chat.completions.create(
            model=model,
            messages=[
                {"role": "system", "content": "Is this review praise, a complaint or a question?"},
                {"role": "user", "content": visit.question},
            ],
            max_completion_tokens=200,
            extra_headers=fault_headers(fault),
        )

    def _summarise(self, visit: Visit) -> None:
        self.client.responses.create(
            model=SUMMARISER,
            instructions="Say in one sentence what the customer wants.",
            input=visit.question,
        )


def start(provider: TracerProvider, provider_url: str) -> Callable[[Visit], None]:
    """Instrument the OpenAI SDK, and return what serves one visit."""
    OpenAIInstrumentor().instrument(tracer_provider=provider)
    client = openai.OpenAI(base_url=f"{provider_url}/v1", api_key="demo", max_retries=0)
    return ReviewTriage(client=client, tracer=app_tracer(provider)).serve
