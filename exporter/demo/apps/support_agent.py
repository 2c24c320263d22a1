"""Solve customers' problems with tools over several turns. Traced by OpenLLMetry."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import anthropic
from anthropic.types import (
    MessageParam,
    TextBlockParam,
    ToolParam,
    ToolResultBlockParam,
    ToolUseBlock,
)
from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer

from exporter.demo.apps.endpoint import endpoint
from exporter.demo.faults import Fault, fault_headers
from exporter.demo.telemetry import app_tracer
from exporter.demo.visits import Visit

AGENT = "support"
MODEL = "claude-sonnet-4-6"
TURNS_MAX = 4

_ORDER: dict[str, object] = {
    "type": "object",
    "properties": {"order": {"type": "string"}},
    "required": ["order"],
}
_TOOLS: Sequence[ToolParam] = (
    {"name": "find_order", "description": "Look up an order.", "input_schema": _ORDER},
    {"name": "track_parcel", "description": "Ask the courier.", "input_schema": _ORDER},
)
_RESULTS: Mapping[str, str] = {
    "find_order": "One blue mug, paid, sent on Monday.",
    "track_parcel": "Out for delivery, expected before noon.",
}
_INSTRUCTIONS: Sequence[TextBlockParam] = (
    {
        "type": "text",
        "text": "You help customers of a small shop. Check the order before you promise. " * 70,
        "cache_control": {"type": "ephemeral"},
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportAgent:
    """One agent endpoint."""

    client: anthropic.Anthropic
    tracer: Tracer

    def serve(self, visit: Visit) -> None:
        """Work on one request until the model has no more tool calls."""
        attributes = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": AGENT,
            "gen_ai.conversation.id": visit.session_id,
        }
        with (
            endpoint(self.tracer, "POST /support", visit, expected=anthropic.APIError),
            self.tracer.start_as_current_span(f"invoke_agent {AGENT}", attributes=attributes),
        ):
            self._converse(visit)

    def _converse(self, visit: Visit) -> None:
        messages: list[MessageParam] = [{"role": "user", "content": visit.question}]
        for turn in range(TURNS_MAX):
            # The provider fails in the middle of the work, when tokens have been spent already.
            fault = visit.fault if turn == 1 else None
            answer = self.client.messages.create(
                model=MODEL,
                max_tokens=400,
                system=list(_INSTRUCTIONS),
                tools=list(_TOOLS),
                messages=messages,
                extra_headers=fault_headers(fault),
            )
            calls = [block for block in answer.content if isinstance(block, ToolUseBlock)]
            if not calls:
                return
            results = [self._use(call, visit) for call in calls]
            messages.append({"role": "assistant", "content": answer.content})
            messages.append({"role": "user", "content": results})

    def _use(self, call: ToolUseBlock, visit: Visit) -> ToolResultBlockParam:
        attributes = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": call.name,
            "gen_ai.tool.call.id": call.id,
            "gen_ai.tool.type": "function",
        }
        name = f"execute_tool {call.name}"
        with self.tracer.start_as_current_span(
            name, kind=SpanKind.INTERNAL, attributes=attributes
        ) as span:
            if visit.fault is Fault.RATE_LIMIT:  # The courier's service has a bad day as well.
                span.set_attribute("error.type", "TimeoutError")
                span.set_status(Status(StatusCode.ERROR))
                return _result(call, "The courier did not answer.", failed=True)
            return _result(call, _RESULTS[call.name], failed=False)


def start(provider: TracerProvider, provider_url: str) -> Callable[[Visit], None]:
    """Instrument the Anthropic SDK, and return what serves one visit."""
    AnthropicInstrumentor().instrument(tracer_provider=provider)
    client = anthropic.Anthropic(
        base_url=provider_url,
        api_key="demo",
        max_retries=0,
        open_telemetry=False,  # One source of spans is enough here; report_writer has both.
    )
    return SupportAgent(client=client, tracer=app_tracer(provider)).serve


def _result(call: ToolUseBlock, text: str, *, failed: bool) -> ToolResultBlockParam:
    return {"type": "tool_result", "tool_use_id": call.id, "content": text, "is_error": failed}
