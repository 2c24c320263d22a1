"""Answer shoppers from help pages: embed, retrieve, stream. Traced by OpenTelemetry."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import openai
from openai.types.chat import ChatCompletionMessageParam
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind, Tracer

from exporter.demo.apps.endpoint import endpoint
from exporter.demo.faults import fault_headers
from exporter.demo.telemetry import app_tracer
from exporter.demo.visits import Visit

EMBEDDING_MODEL = "text-embedding-3-small"
CHAT_MODELS = {"product-help": "gpt-4o-mini", "order-help": "gpt-5.4-mini"}
PAGES_PER_ANSWER = 2

_PAGES = (
    "A refund takes up to five working days after your parcel is back with us.",
    "You can return shoes within thirty days if they were not worn outside.",
    "We deliver to the islands on Tuesdays and Fridays; a parcel takes one day longer.",
    "The storm jacket keeps out heavy rain, the city jacket only light rain.",
    "If something arrived broken, send us a picture and we will replace it.",
    "Stock is counted every night; a backpack that is sold out is back within two weeks.",
)
# Long enough to be cached by the provider, as a real shop's instructions are.
_INSTRUCTIONS = "Answer from the help pages only, in two sentences, and be kind. " * 80


@dataclass(frozen=True, slots=True, kw_only=True)
class StorefrontChat:
    """One chat endpoint with its clients and its index of help pages."""

    client: openai.OpenAI
    tracer: Tracer
    index: Sequence[tuple[str, Sequence[float]]]

    def serve(self, visit: Visit) -> None:
        """Answer one question."""
        with endpoint(self.tracer, "POST /chat", visit, expected=openai.APIError):
            vector = _embed(self.client, [visit.question])[0]
            self._answer(visit, self._retrieve(vector))

    def _retrieve(self, vector: Sequence[float]) -> list[str]:
        attributes = {
            "gen_ai.operation.name": "retrieval",
            "gen_ai.data_source.id": "help-pages",
            "gen_ai.retrieval.top_k": PAGES_PER_ANSWER,
        }
        with self.tracer.start_as_current_span(
            "retrieval help-pages", kind=SpanKind.CLIENT, attributes=attributes
        ):
            ranked = sorted(self.index, key=lambda entry: -_likeness(entry[1], vector))
            return [page for page, _ in ranked[:PAGES_PER_ANSWER]]

    def _answer(self, visit: Visit, pages: Sequence[str]) -> None:
        messages: list[ChatCompletionMessageParam] = [
            {"role": "system", "content": _INSTRUCTIONS},
            {"role": "user", "content": "\n".join([*pages, visit.question])},
        ]
        stream = self.client.chat.completions.create(
            model=CHAT_MODELS[visit.feature],
            messages=messages,
            stream=True,
            stream_options={"include_usage": True},
            extra_headers=fault_headers(visit.fault),
        )
        with stream:
            for _ in stream:
                pass


def start(provider: TracerProvider, provider_url: str) -> Callable[[Visit], None]:
    """Instrument the OpenAI SDK, index the help pages, and return what serves one visit."""
    OpenAIInstrumentor().instrument(tracer_provider=provider)
    client = openai.OpenAI(base_url=f"{provider_url}/v1", api_key="demo", max_retries=0)
    tracer = app_tracer(provider)
    with tracer.start_as_current_span("index help pages"):
        vectors = _embed(client, _PAGES)
    index = tuple(zip(_PAGES, vectors, strict=True))
    return StorefrontChat(client=client, tracer=tracer, index=index).serve


def _embed(client: openai.OpenAI, texts: Sequence[str]) -> list[list[float]]:
    answer = client.embeddings.create(model=EMBEDDING_MODEL, input=list(texts))
    return [item.embedding for item in answer.data]


def _likeness(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))
