"""Traffic that every panel has something to say about: models, failures, tools, agents, prompts.

Built as OTLP, so that each feature is there in each run, however short.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.support.otlp import ERROR, NS, request, span

SERVER, CLIENT = Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT
MS = NS // 1000
_ids = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Service:
    """A service of the shop, what it asks, and for whom."""

    name: str
    provider: str
    model: str
    feature: str
    tenant: str
    environment: str = "production"


SERVICES = (
    Service("storefront", "openai", "gpt-4o-mini", "product-help", "acme"),
    Service("support", "anthropic", "claude-sonnet-4-6", "refunds", "globex"),
    Service("reports", "openai", "gpt-4o", "weekly-report", "initech", "staging"),
    Service("reviews", "gcp.gemini", "gemini-2.5-flash", "triage", "acme"),
)


def traces(now_ns: int, release: str) -> Iterator[bytes]:
    """Yield requests, one for each service: calls that ended shortly before `now_ns`."""
    for at, service in enumerate(SERVICES):
        start_ns = now_ns - (20 + at) * NS
        yield request(
            *_conversation(service, start_ns, user=f"user-{at:03}"),
            *_failures(service, start_ns, user=f"user-{at + 10:03}"),
            *_oddities(service, start_ns),
            resource={
                "service.name": service.name,
                "service.version": release,
                "deployment.environment.name": service.environment,
            },
        )


def _conversation(service: Service, start_ns: int, user: str) -> Iterator[Span]:
    """A visit: an agent that asks a model, uses tools, looks something up and asks again."""
    visit = _Visit(service, start_ns, user)
    root = visit.span("POST /chat", {"http.route": "/chat"}, 0, 9_000, kind=SERVER)
    agent = visit.span(
        "invoke_agent planner",
        {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"},
        10, 8_900, parent=root,
    )  # fmt: skip
    yield from (root, agent)
    yield visit.call(agent, 20, 1_900, cached=300)
    for at, tool in enumerate(("find_order", "track_parcel")):
        yield visit.span(
            f"execute_tool {tool}",
            {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool},
            2_000 + at * 700, 600, parent=agent, failed=tool == "track_parcel",
        )  # fmt: skip
    yield visit.span(
        "retrieval pages", {"gen_ai.operation.name": "retrieval"}, 3_500, 200, parent=agent,
        kind=CLIENT,
    )  # fmt: skip
    yield visit.call(agent, 3_800, 4_000, written=200, reasoning=50)
    yield visit.call(agent, 7_900, 800, reason="length", version="v2")
    yield visit.call(root, 8_750, 100, operation="embeddings", model="text-embedding-3-small")


def _failures(service: Service, start_ns: int, user: str) -> Iterator[Span]:
    """A visit that meets a limit, tries again, and one that times out."""
    visit = _Visit(service, start_ns, user)
    root = visit.span("POST /chat", {"http.route": "/chat"}, 0, 4_000, kind=SERVER)
    yield root
    limited = {"error.type": "RateLimitError", "http.response.status_code": 429}
    message = "Rate limit reached for requests"
    yield visit.call(root, 50, 300, failure=limited, message=message)
    yield visit.call(root, 500, 900)
    yield visit.call(
        root, 2_000, 1_900, failure={"error.type": "APITimeoutError"}, message="timed out"
    )


def _oddities(service: Service, start_ns: int) -> Iterator[Span]:
    """A model without a price, and calls that report no usage, with and without their text."""
    visit = _Visit(service, start_ns, "user-099")
    yield visit.call(None, 0, 700, model="house-model-7b")
    visit = _Visit(service, start_ns, "user-098")
    yield visit.call(None, 0, 700, usage=False)
    visit = _Visit(service, start_ns, "user-097")
    yield visit.call(None, 0, 700, usage=False, content=False)


@dataclass(slots=True)
class _Visit:
    service: Service
    start_ns: int
    user: str
    trace: int = 0

    def __post_init__(self) -> None:
        # Unlike any other run's, because a store may outlive one.
        self.trace = (self.start_ns << 20) + next(_ids)

    def span(
        self, name: str, attributes: dict[str, Any], start_ms: int, duration_ms: int,
        *, parent: Span | None = None, failed: bool = False, message: str = "", **fields: Any,
    ) -> Span:  # fmt: skip
        common = {
            "user.id": self.user,
            "session.id": f"session-{self.user}",
            "tenant.id": self.service.tenant,
            "feature": self.service.feature,
        }
        made = span(
            common | attributes,
            number=next(_ids),
            trace=self.trace,
            parent=int.from_bytes(parent.span_id, "big") if parent else 0,
            name=name,
            start_ns=self.start_ns + start_ms * MS,
            duration_ns=duration_ms * MS,
            status=ERROR if failed else Status.STATUS_CODE_UNSET,
            **fields,
        )
        made.status.message = message
        return made

    def call(
        self, parent: Span | None, start_ms: int, duration_ms: int, *, operation: str = "chat",
        model: str = "", cached: int = 0, written: int = 0, reasoning: int = 0,
        reason: str = "stop",
        failure: dict[str, Any] | None = None, message: str = "", usage: bool = True,
        content: bool = True, version: str = "v1",
    ) -> Span:  # fmt: skip
        model = model or self.service.model
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": self.service.provider,
            "gen_ai.request.model": model,
            "gen_ai.prompt.version": version,
            "http.response.header.x-ratelimit-remaining-requests": ["49"],
            "http.response.header.x-ratelimit-remaining-tokens": ["149984"],
        } | (failure or {})
        if failure is None:
            attributes["gen_ai.response.model"] = model
            attributes["gen_ai.response.finish_reasons"] = [reason]
        if failure is None and operation == "chat":
            attributes["gen_ai.response.time_to_first_chunk"] = duration_ms / 4000
        if failure is None and usage:
            attributes |= {
                "gen_ai.usage.input_tokens": 1200 + cached + written,
                "gen_ai.usage.output_tokens": 180 + reasoning,
            }
            kinds = {"cache_read.input": cached, "cache_write.input": written}
            kinds["reasoning.output"] = reasoning
            attributes |= {f"gen_ai.usage.{k}_tokens": n for k, n in kinds.items() if n}
        if content:
            attributes |= _content("Where is my parcel?", "It is out for delivery.")
        return self.span(
            f"{operation} {model}", attributes, start_ms, duration_ms, parent=parent,
            failed=failure is not None, message=message, kind=CLIENT,
        )  # fmt: skip


def _content(question: str, answer: str) -> dict[str, str]:
    def message(role: str, text: str) -> str:
        return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])

    return {
        "gen_ai.input.messages": message("user", question),
        "gen_ai.output.messages": message("assistant", answer),
        "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "Be kind."}]),
    }
