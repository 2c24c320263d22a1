"""A service with six traces of a shop in two releases, for tests of the Pyroscope API."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.support.clickhouse_http import ClickHouseServer
from tests.support.otlp import ERROR, NS, request, span
from tests.support.pyroscope import PyroscopeApi, profile
from tests.support.service import Service, running_service, store_url

# On a whole minute, so that it is clear which steps of a series the spans are in.
NOW_NS = time.time_ns() // (60 * NS) * (60 * NS) - 600 * NS
RANGE = {"start": str(NOW_NS // 10**6 - 60_000), "end": str(NOW_NS // 10**6 + 300_000)}
AGENT = "agent.planner"
ROOT = "http.POST /chat"


def _chat(number: int, parent: int, trace: int, model: str, tokens: int, **of_span: Any) -> Any:
    called = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": model,
        "gen_ai.usage.input_tokens": tokens,
        "gen_ai.usage.output_tokens": tokens // 10,
    }
    return span(
        called, number=number, parent=parent, trace=trace, name=f"chat {model}", kind=3, **of_span
    )


def _one_trace(trace: int, at_ns: int, tokens: int) -> list[Any]:
    """A request of 4 s: an agent for 3 s, in it two calls of 1 s at once, a tool that fails."""
    first = trace * 100
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"}
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
    return [
        span({"http.route": "/chat"}, number=first, trace=trace, name="POST /chat", kind=2,
             start_ns=at_ns, duration_ns=4 * NS),
        span(agent, number=first + 1, parent=first, trace=trace, name="invoke_agent planner",
             start_ns=at_ns + NS // 2, duration_ns=3 * NS),
        _chat(first + 2, first + 1, trace, "gpt-4o", tokens, start_ns=at_ns + NS),
        _chat(first + 3, first + 1, trace, "gpt-4o-mini", tokens, start_ns=at_ns + NS),
        span(tool, number=first + 4, parent=first + 1, trace=trace, name="execute_tool search",
             start_ns=at_ns + 2 * NS, duration_ns=NS // 2, status=ERROR),
    ]  # fmt: skip


@contextmanager
def shop(clickhouse: ClickHouseServer, directory: Path) -> Iterator[Service]:
    """Three traces of release 1.4, three of 1.5 that use twice the tokens; one was sent twice."""
    with running_service(directory, clickhouse_url=store_url(clickhouse)) as service:
        for release, tokens in (("1.4", 1000), ("1.5", 2000)):
            for number in range(3):
                trace = (1 if release == "1.4" else 4) + number
                sent = request(
                    *_one_trace(trace, NOW_NS + number * 60 * NS, tokens),
                    resource={"service.name": "shop", "service.version": release},
                )
                assert service.export(sent).status == 200
                service.wait_until_stored(trace * 5)
        assert service.export(sent).status == 200
        service.wait_until_stored(7 * 5)
        yield service


def flame_graph(api: PyroscopeApi, name: str, selector: str = "{}", **more: Any) -> Any:
    answer = api.ask(
        "SelectMergeStacktraces",
        profileTypeID=profile(name),
        labelSelector=selector,
        **(RANGE | more),
    )
    return answer.get("flamegraph")


def own_cost(stored: Service, condition: str = "1") -> int:
    """Return what the rows say, in nano-dollars."""
    sql = f"SELECT sum(CostUsd) FROM otel_traces WHERE UsageRole = 'own' AND {condition}"
    return int(Decimal(stored.query(sql)[0][0]) * 10**9)
