"""Write down what a scenario truly cost: from the stand-in's bill, never from the product."""

from collections.abc import Sequence
from typing import Any

from tests.golden.libraries import Library, Scenario
from tests.golden.stand_in.turns import Charge

_TAXONOMY = {429: "rate_limited"}


def expectation(
    library: Library, scenario: Scenario, bill: Sequence[Charge], capture: str
) -> dict[str, Any]:
    """Return the truth about a scenario. The capture only tells which contents were sent."""
    calls = _without_retries(bill)
    expected: dict[str, Any] = {
        "calls": len(calls),
        "by_call": [_call(charge, ttft=library.tells_ttft(scenario)) for charge in calls],
        "tool_calls": scenario.tools,
        "agents": scenario.agents,
        "content": {
            "input_contains": _if_sent(scenario.script.prompt, capture),
            "output_contains": _if_sent(scenario.script.last_text, capture),
        },
    }
    if len(bill) != len(calls):
        expected["attempts"] = len(bill)
    if scenario.name in library.faults:
        expected["library_fault"] = library.faults[scenario.name]
    return expected


def _without_retries(bill: Sequence[Charge]) -> list[Charge]:
    """A refusal followed by the same refusal is one call that tried again."""
    return [
        charge
        for n, charge in enumerate(bill)
        if not (n and charge.status >= 400 and charge == bill[n - 1])
    ]


def _call(charge: Charge, *, ttft: bool) -> dict[str, Any]:
    usage = charge.usage
    failed = charge.status >= 400
    reasoning = usage.reasoning
    output = usage.output
    if not charge.reasoning_told:
        output, reasoning = output + reasoning, 0
    return {
        "provider": charge.provider,
        "request_model": charge.request_model,
        "response_model": charge.response_model,
        "operation": charge.operation,
        "streamed": charge.streamed,
        "input": usage.input,
        "cache_read": usage.cache_read,
        "cache_write": usage.cache_write,
        "output": output,
        "reasoning": reasoning,
        "status": "error" if failed else "ok",
        "error_type": _TAXONOMY[charge.status] if failed else None,
        "finish_reason": charge.finish_reason,
        "has_ttft": ttft and charge.streamed and not failed,
    }


def _if_sent(phrase: str | None, capture: str) -> str | None:
    return phrase if phrase and phrase in capture else None
