"""Report calls to a model on our own hardware by hand, in the simple `observatory` convention.

No SDK and no instrumentation: four spans with a few attributes are all it takes.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Status, StatusCode, Tracer

from exporter.demo.answers import count_tokens
from exporter.demo.telemetry import app_tracer
from exporter.demo.visits import Visit

MODEL = "llama-3.1-8b-instruct"
USD_PER_TOKEN = 0.08e-6  # What an hour of the hardware costs, over the tokens it makes in it.
OUTPUT_TOKENS_MAX = 64

_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeInference:
    """A model server that knows how long each of its stages takes."""

    tracer: Tracer

    def serve(self, visit: Visit) -> None:
        """Report one call that has just ended, so nobody waits for made-up latency."""
        draw = random.Random(f"{visit.user_id}:{visit.question}")
        input_tokens = count_tokens(visit.question)
        output_tokens = draw.randint(8, OUTPUT_TOKENS_MAX)
        stages = {
            "tokenize": draw.uniform(0.001, 0.003),
            "prefill": draw.uniform(0.04, 0.09),
            "generate": output_tokens * draw.uniform(0.010, 0.014),
        }
        end = time.time_ns()
        start = end - sum(int(seconds * _NS) for seconds in stages.values())
        request = self.tracer.start_span(
            "llm.request",
            start_time=start,
            attributes={
                "llm.provider": "vllm",
                "llm.model_name": MODEL,
                "llm.request.max_tokens": OUTPUT_TOKENS_MAX,
                "llm.usage.input_tokens": input_tokens,
            },
        )
        if visit.fault is not None:
            request.set_attribute("error.type", "OutOfMemoryError")
            request.set_status(Status(StatusCode.ERROR, "no memory for another batch"))
        else:
            tokens = input_tokens + output_tokens
            request.set_attribute("llm.usage.output_tokens", output_tokens)
            request.set_attribute("llm.usage.total_tokens", tokens)
            request.set_attribute("llm.cost_usd", tokens * USD_PER_TOKEN)
            self._report_stages(trace.set_span_in_context(request), stages, start)
        request.end(end)

    def _report_stages(self, parent: Context, stages: dict[str, float], start: int) -> None:
        for name, seconds in stages.items():
            stage = self.tracer.start_span(name, context=parent, start_time=start)
            start += int(seconds * _NS)
            stage.end(start)


def start(provider: TracerProvider, provider_url: str) -> Callable[[Visit], None]:
    """Return what reports one call. There is no provider to call, so its address is not used."""
    del provider_url
    return EdgeInference(tracer=app_tracer(provider)).serve
