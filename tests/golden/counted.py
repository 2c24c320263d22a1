"""What the product counts of a capture, in the words of its expectation."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml
from genai_prices import Usage, calc_price

from exporter.genai.attribution.memory import TraceMemory
from exporter.genai.convention import load
from exporter.genai.messages.content import ContentLimits, content_columns
from exporter.genai.normalise import Normaliser
from exporter.genai.prices.book import PriceBook
from exporter.genai.prices.pricer import Pricer
from exporter.receive.json_body import to_protobuf
from exporter.spans.batch import SpanBatch
from exporter.spans.decode import Decoder
from exporter.spans.rejection import SpanLimits

CAPTURES = Path(__file__).parent / "captures"
_AGES = 100 * 365 * 86_400 * 10**9
_DECODER = Decoder(SpanLimits(end_before_start_max_ns=10**9, age_max_ns=_AGES, future_max_ns=10**9))
_NORMALISE = Normaliser(load())
_PRICE = Pricer(PriceBook())
# When the captures' spans begin.
_AT = datetime(2026, 11, 2, tzinfo=UTC)
_NOW_NS = 2_000_000_000 * 10**9

UNSAID: dict[str, dict[str, str]] = yaml.safe_load(
    Path(__file__).with_name("unsaid.yaml").read_text(encoding="utf-8")
)
"""What instrumentations do not say, by pattern of captures, and why."""
_FINISHES = {
    "STOP": "stop",
    "end_turn": "stop",
    "completed": "stop",
    "tool_use": "tool_calls",
    "tool_call": "tool_calls",
    "tool-calls": "tool_calls",
}

KINDS = {
    "input": ("TokensInput", "TokensInputAudio", "TokensInputImage"),
    "cache_read": ("TokensCacheRead",),
    "cache_write": ("TokensCacheWrite", "TokensCacheWrite1h"),
    "output": ("TokensOutput", "TokensOutputAudio", "TokensOutputImage"),
    "reasoning": ("TokensReasoning",),
}


def names() -> list[str]:
    """Return every capture as `library/scenario`."""
    found = (file.relative_to(CAPTURES) for file in CAPTURES.glob("*/*.otlp.json"))
    return sorted(str(file).removesuffix(".otlp.json") for file in found)


def expectation(name: str) -> dict[str, Any]:
    """Return what the provider billed."""
    return json.loads((CAPTURES / f"{name}.expected.json").read_text())


def processed(name: str) -> SpanBatch:
    """Return the capture's spans as the service would store them."""
    body = (CAPTURES / f"{name}.otlp.json").read_bytes()
    batch, verdicts = _DECODER.decode([to_protobuf(body)], _NOW_NS)
    assert verdicts[0].error is None
    assert not verdicts[0].rejected
    batch = _NORMALISE(batch)
    memory = TraceMemory(max_spans=10_000, max_age_s=600)
    memory.remember(batch, 0.0)
    attributed = memory.attribute(batch)
    content = content_columns(attributed, ContentLimits())
    return _PRICE(attributed.with_columns(content))


def counted(batch: SpanBatch) -> list[dict[str, Any]]:
    """Return what is counted, one entry for each span that owns its usage."""
    rows = [
        {name: column[i].as_py() for name, column in batch.columns.items()}
        for i in range(len(batch))
    ]
    return [_entry(row) for row in rows if row["UsageRole"] == "own"]


def _entry(row: dict[str, Any]) -> dict[str, Any]:
    tokens = {kind: sum(row[column] or 0 for column in columns) for kind, columns in KINDS.items()}
    return {
        **tokens,
        "provider": row["Provider"],
        "model": row["ResponseModel"] or row["RequestModel"],
        "operation": row["Operation"],
        "status": row["Status"],
        "outcome": row["Outcome"],
        "finish_reason": row["FinishReason"],
        "has_ttft": row["TimeToFirstToken"] is not None,
        "class": row["SpanClass"],
        "convention": row["Convention"],
        "span": row["SpanName"],
    }


def totals(calls: list[dict[str, Any]]) -> Counter[str]:
    """Return the tokens of all calls by kind."""
    return Counter({kind: sum(call[kind] for call in calls) for kind in KINDS})


def differences(name: str) -> list[str]:
    """Return in what the product differs from the truth, a line each."""
    truth, batch = expectation(name), processed(name)
    seen = counted(batch)
    calls: list[dict[str, Any]] = truth["by_call"]
    found: list[str] = []
    if len(seen) != truth["calls"]:
        found.append(f"calls: {len(seen)} counted, {truth['calls']} made")
    expected, got = totals(calls), totals(seen)
    found += [
        f"{kind}: {got[kind]} counted, {expected[kind]} billed"
        for kind in KINDS
        if got[kind] != expected[kind]
    ]
    found += _fields(calls, seen) + said_differently(name, calls, seen) + _content(truth, batch)
    if not found and abs(_cost(batch) - _list_price(calls)) > Decimal("1e-8"):
        found.append(f"cost: {_cost(batch)} counted, {_list_price(calls)} billed")
    return found


def _fields(calls: list[dict[str, Any]], seen: list[dict[str, Any]]) -> list[str]:
    """Compare what the calls are, each field over all of them."""
    pairs = {
        "outcomes": ([c["error_type"] or "ok" for c in calls], [_ending(c) for c in seen]),
        "providers": ([c["provider"] for c in calls], [c["provider"] for c in seen]),
        "operations": (
            [c["operation"] for c in calls],
            # Google's word for a chat.
            [str(c["operation"]).replace("generate_content", "chat") for c in seen],
        ),
        "first tokens": ([c["has_ttft"] for c in calls], [c["has_ttft"] for c in seen]),
    }
    return [
        f"{field}: {_shown(got)} counted, {_shown(made)} made"
        for field, (made, got) in pairs.items()
        if Counter(made) != Counter(got)
    ]


def said_differently(
    name: str,
    calls: list[dict[str, Any]],
    seen: list[dict[str, Any]],
    unsaid: Mapping[str, Mapping[str, str]] = UNSAID,
) -> list[str]:
    """Compare the models and finish reasons, but for what an instrumentation never says."""
    as_asked = _is_listed(name, unsaid["answered_model"])
    silent = _is_listed(name, unsaid["finish_reason"])
    made = [
        (
            (c["response_model"] if not as_asked else None) or c["request_model"],
            None if silent else _finish(c["finish_reason"]),
        )
        for c in calls
    ]
    got = [
        # Of Responses a status is told where others have a reason.
        (
            _model(c["model"], [model for model, _ in made]),
            None if silent else _finish(c["finish_reason"]),
        )
        for c in seen
    ]
    if all(c["finish_reason"] is None and c["status"] == "ok" for c in calls):
        got = [(model, None if finish == "stop" else finish) for model, finish in got]
    return [
        f"{field}: {_shown([g[at] for g in got])} counted, {_shown([m[at] for m in made])} made"
        for at, field in enumerate(("models", "finish reasons"))
        if Counter(m[at] for m in made) != Counter(g[at] for g in got)
    ]


def _is_listed(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _model(name: str | None, made: Iterable[str]) -> str | None:
    """Return a model's name without what a gateway or a vendor's id has before it."""
    bare = (name or "").rpartition("/")[2]
    return next((model for model in made if model in {bare, f"anthropic.{bare}"}), name)


def _finish(reason: str | None) -> str | None:
    """Return one word for each way to stop; every provider has its own."""
    return _FINISHES.get(reason, reason) if reason else reason


def _ending(call: dict[str, Any]) -> str:
    # An answer that was cut is a success for the provider.
    return "ok" if call["status"] == "ok" else call["outcome"]


def _shown(values: list[Any]) -> str:
    return ", ".join(
        f"{count} x {value}" for value, count in sorted(Counter(map(str, values)).items())
    )


def _content(truth: dict[str, Any], batch: SpanBatch) -> list[str]:
    wanted = truth.get("content") or {}
    places = {"input_contains": ("Input", "System"), "output_contains": ("Output",)}
    return [
        f"{name.partition('_')[0]}: not found in the content"
        for name, columns in places.items()
        if wanted.get(name)
        and not any(wanted[name] in (t or "") for c in columns for t in batch[c].to_pylist())
    ]


def _cost(batch: SpanBatch) -> Decimal:
    own = zip(batch["UsageRole"].to_pylist(), batch["CostUsd"].to_pylist(), strict=True)
    return sum((cost for role, cost in own if role == "own" and cost), Decimal(0))


def _list_price(calls: list[dict[str, Any]]) -> Decimal:
    """Return what the price list's own program makes of the bill."""
    total = Decimal(0)
    for call in calls:
        usage = Usage(
            input_tokens=call["input"] + call["cache_read"] + call["cache_write"],
            cache_read_tokens=call["cache_read"],
            cache_write_tokens=call["cache_write"],
            output_tokens=call["output"] + call["reasoning"],
        )
        if call["status"] == "ok":
            provider = {"gcp.gemini": "google", "aws.bedrock": "aws"}.get(
                call["provider"], call["provider"]
            )
            model = call["response_model"] or call["request_model"]
            total += calc_price(
                usage, model, provider_id=provider, genai_request_timestamp=_AT
            ).total_price
    return total
