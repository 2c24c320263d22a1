"""What a call costs: by hand, by genai-prices itself, and by a user's own file."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from exporter.errors import ConfigurationError
from exporter.genai.find import TOKENS_MAX
from exporter.genai.prices.book import PRICE_KEYS, PriceBook
from exporter.genai.prices.cards import Cards
from exporter.genai.prices.money import money, nano_dollars
from exporter.genai.prices.price_file import Override, load_overrides
from exporter.genai.prices.pricer import CHARGED, Pricer
from exporter.spans.batch import SpanBatch
from exporter.spans.schema import COST_COLUMNS, TOKEN_KINDS
from tests.support.otlp import ERROR, NOON, NS, request, span
from tests.unit.pipeline import NORMALISE, PRICE, chat, decode, price, row

NANO = Decimal("1e-9")
PAST = datetime(2025, 1, 1, tzinfo=UTC)
PARTS = [*COST_COLUMNS.values()]
ARN = "arn:aws:bedrock:eu-west-1:123456789012:inference-profile"


def with_tokens(batch: SpanBatch, tokens: list[dict[str, int]]) -> SpanBatch:
    """Return the batch with the disjoint counts of each span, whatever was reported."""
    return batch.with_columns(
        {
            kind.column: pa.array([each.get(kind.name) for each in tokens], pa.uint64())
            for kind in TOKEN_KINDS
        }
    )


def call(
    provider: str | None, model: str | None, at: datetime = NOON, *, number: int = 1, **more: Any
) -> Span:
    named = {"gen_ai.provider.name": provider, "gen_ai.request.model": model}
    return span(
        {"gen_ai.operation.name": "chat", **named, **more},
        number=number,
        start_ns=int(at.timestamp() * NS),
    )


def priced(
    provider: str | None,
    model: str | None,
    tokens: dict[str, int],
    *,
    at: datetime = NOON,
    pricer: Pricer = PRICE,
    tier: str | None = None,
) -> dict[str, Any]:
    batch = with_tokens(NORMALISE(decode(request(call(provider, model, at)))), [tokens])
    if tier is not None:
        batch = batch.with_columns({"ServiceTier": pa.array([tier]).dictionary_encode()})
    return row(pricer(batch))


def usd(**parts: str) -> dict[str, Decimal | None]:
    """Return the cost columns by cost type, and their sum."""
    amounts = {name: Decimal(parts[name]) if name in parts else None for name in COST_COLUMNS}
    total = sum(map(Decimal, parts.values()), Decimal(0)) if parts else None
    return {COST_COLUMNS[name]: amount for name, amount in amounts.items()} | {"CostUsd": total}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# By hand --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "model", "when", "tokens", "expected"),
    [
        pytest.param(
            "openai",
            "gpt-4o",
            NOON,
            {"input": 1000, "output": 500},
            usd(input="0.0025", output="0.005"),
            id="input and output",
        ),
        pytest.param(
            "openai",
            "gpt-4o-2024-08-06",
            NOON,
            {"input": 400, "cache_read": 600, "output": 100},
            usd(input="0.001", cache_read="0.00075", output="0.001"),
            id="cache read",
        ),
        pytest.param(
            "OpenAI",
            "GPT-4o",
            NOON,
            {"input": 1000},
            usd(input="0.0025"),
            id="names in capitals",
        ),
        pytest.param(
            "anthropic",
            "claude-sonnet-4-5-20250929",
            NOON,
            {"input": 200, "cache_read": 500, "cache_write": 300, "output": 100},
            usd(input="0.0006", cache_read="0.00015", cache_write="0.001125", output="0.0015"),
            id="cache write of 5 minutes",
        ),
        pytest.param(
            "anthropic",
            "claude-opus-4-5",
            NOON,
            {"input": 0, "cache_write": 100, "cache_write_1h": 200, "output": 10},
            usd(input="0", cache_write="0.002625", output="0.00025"),
            id="cache writes of 5 minutes and 1 hour are one cost type",
        ),
        pytest.param(
            "anthropic",
            "claude-sonnet-4-5",
            NOON,
            {"input": 200_000, "output": 1000},
            usd(input="0.6", output="0.015"),
            id="tier: at its start, the base price",
        ),
        pytest.param(
            "anthropic",
            "claude-sonnet-4-5",
            NOON,
            {"input": 200_001, "output": 1000},
            usd(input="1.200006", output="0.0225"),
            id="tier: one above, for the whole request",
        ),
        pytest.param(
            "anthropic",
            "claude-sonnet-4-5",
            NOON,
            {"input": 100_000, "cache_read": 100_000, "cache_write": 1, "output": 1000},
            usd(input="0.6", cache_read="0.06", cache_write="0.0000075", output="0.0225"),
            id="tier: cached tokens count towards it",
        ),
        pytest.param(
            "anthropic",
            "claude-sonnet-4-5",
            NOON,
            {"input": 1000, "output": 300_000},
            usd(input="0.003", output="4.5"),
            id="tier: output does not count towards it",
        ),
        pytest.param(
            "gcp.gemini",
            "gemini-2.5-pro",
            NOON,
            {"input": 100_000, "input_image": 100_001, "output": 1000, "reasoning": 2000},
            usd(input="0.5000025", output="0.015", reasoning="0.03"),
            id="tier: images count towards it",
        ),
        pytest.param(
            "openai",
            "o3",
            at("2025-06-09T23:59:59"),
            {"input": 1000, "output": 1000},
            usd(input="0.01", output="0.04"),
            id="the last second before a price change",
        ),
        pytest.param(
            "openai",
            "o3",
            at("2025-06-10T00:00:00"),
            {"input": 1000, "output": 1000},
            usd(input="0.002", output="0.008"),
            id="the first second after a price change",
        ),
        pytest.param(
            "anthropic",
            "claude-sonnet-4-6",
            at("2026-03-12T12:00:00"),
            {"input": 300_000},
            usd(input="1.8"),
            id="tiers before their end",
        ),
        pytest.param(
            "anthropic",
            "claude-sonnet-4-6",
            at("2026-03-13T00:00:00"),
            {"input": 300_000},
            usd(input="0.9"),
            id="tiers after their end",
        ),
        pytest.param(
            "deepseek",
            "deepseek-chat",
            at("2026-11-20T00:29:59"),
            {"input": 1000, "output": 1000},
            usd(input="0.000135", output="0.00055"),
            id="the last second of the cheap hours",
        ),
        pytest.param(
            "deepseek",
            "deepseek-chat",
            at("2026-11-20T00:30:00"),
            {"input": 1000, "output": 1000},
            usd(input="0.00027", output="0.0011"),
            id="the first second of the dear hours",
        ),
        pytest.param(
            "deepseek",
            "deepseek-chat",
            at("2026-11-20T16:29:59"),
            {"input": 1000, "cache_read": 1000, "output": 1000},
            usd(input="0.00027", cache_read="0.00007", output="0.0011"),
            id="the last second of the dear hours",
        ),
        pytest.param(
            "deepseek",
            "deepseek-v4-pro",
            at("2026-08-01T12:00:00"),
            {"input": 0, "cache_read": 100},
            usd(input="0", cache_read="0.000000362"),
            id="half a nano-dollar goes to the even one below",
        ),
        pytest.param(
            "deepseek",
            "deepseek-v4-pro",
            at("2026-08-01T12:00:00"),
            {"input": 0, "cache_read": 300},
            usd(input="0", cache_read="0.000001088"),
            id="half a nano-dollar goes to the even one above",
        ),
        pytest.param(
            "openai",
            "text-embedding-3-small",
            NOON,
            {"input": 8},
            usd(input="0.00000016"),
            id="embeddings have no output",
        ),
        pytest.param(
            "perplexity",
            "sonar",
            NOON,
            {"input": 1000, "output": 100},
            usd(input="0.001", output="0.0001", request="0.012"),
            id="a fee for each request",
        ),
        pytest.param(
            "openai",
            "gpt-audio",
            NOON,
            {"input": 100, "input_audio": 200, "output": 10, "output_audio": 20},
            usd(input="0.00665", output="0.00138"),
            id="audio",
        ),
        pytest.param(
            "openai",
            "gpt-4o",
            NOON,
            {"input": 0, "input_image": 1000},
            usd(input="0.0025"),
            id="images without a price of their own are input",
        ),
        pytest.param(
            "azure",
            "gpt-4o",
            NOON,
            {"input": 1000},
            usd(input="0.0025"),
            id="azure",
        ),
        pytest.param(
            "aws.bedrock",
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            NOON,
            {"input": 1000, "output": 1000},
            usd(input="0.0033", output="0.0165"),
            id="bedrock by region",
        ),
        pytest.param(
            None, "gpt-4o", NOON, {"input": 1000}, usd(input="0.0025"), id="no provider"
        ),
        pytest.param(
            "openai",
            "gpt-4o",
            NOON,
            {"input": 0, "output": 0},
            usd(input="0", output="0"),
            id="no tokens cost nothing",
        ),
        pytest.param("openai", "gpt-99", NOON, {"input": 1000}, usd(), id="unknown model"),
        pytest.param("ollama", "llama3", NOON, {"input": 1000}, usd(), id="unknown provider"),
        pytest.param(
            "openai",
            "text-embedding-3-small",
            NOON,
            {"input": 8, "output": 1},
            usd(),
            id="a kind without a rate leaves the whole call unpriced",
        ),
    ],
)  # fmt: skip
def test_cost_by_hand(
    provider: str | None,
    model: str,
    when: datetime,
    tokens: dict[str, int],
    expected: dict[str, Decimal | None],
) -> None:
    got = priced(provider, model, tokens, at=when)
    assert {name: got[name] for name in expected} == expected
    is_priced = expected["CostUsd"] is not None
    assert got["CostSource"] == ("computed" if is_priced else None)
    assert (got["UnpricedReason"] is None) == is_priced
    assert (got["PriceId"] is not None) == (got["PriceVersion"] is not None) == is_priced


@pytest.mark.parametrize(
    ("provider", "model", "when", "tokens", "total"),
    [
        # OpenAI: dollars for a million tokens of input, cached input and output.
        ("openai", "gpt-4o-2024-05-13", NOON, {"input": 1000, "output": 1000}, "0.02"),
        ("openai", "gpt-4o-mini", NOON, {"input": 1000, "cache_read": 1000, "output": 1000},
         "0.000825"),
        ("openai", "gpt-4.1", NOON, {"input": 1000, "cache_read": 1000, "output": 1000}, "0.0105"),
        ("openai", "gpt-4.1-mini-2025-04-14", NOON, {"input": 1000, "output": 1000}, "0.002"),
        ("openai", "gpt-4.1-nano", NOON, {"input": 1000, "output": 1000}, "0.0005"),
        ("openai", "gpt-5", NOON, {"input": 1000, "cache_read": 1000, "reasoning": 1000},
         "0.011375"),
        ("openai", "o4-mini", NOON, {"input": 1000, "cache_read": 1000, "output": 1000},
         "0.005775"),
        ("openai", "o1", NOON, {"input": 1000, "cache_read": 1000, "output": 1000}, "0.0825"),
        ("openai", "gpt-4", NOON, {"input": 1000, "output": 1000}, "0.09"),
        ("openai", "gpt-4-turbo", NOON, {"input": 1000, "output": 1000}, "0.04"),
        ("openai", "text-embedding-3-large", NOON, {"input": 1000}, "0.00013"),
        ("openai", "ft:gpt-4o-mini-2024-07-18:acme::x1", NOON, {"input": 1000, "output": 1000},
         "0.0015"),
        # Anthropic: a cache read is a tenth of input, a write 1.25 of it, of an hour twice.
        ("anthropic", "claude-3-haiku-20240307", NOON, {"input": 1000, "output": 1000}, "0.0015"),
        ("anthropic", "claude-3-5-haiku-20241022", NOON, {"input": 1000, "output": 1000},
         "0.0048"),
        ("anthropic", "claude-haiku-4-5", NOON, {"input": 1000, "cache_write_1h": 1000}, "0.003"),
        ("anthropic", "claude-opus-4-1", NOON, {"cache_read": 1000, "output": 1000}, "0.0765"),
        ("gcp.vertex_ai", "claude-3-5-sonnet@20240620", NOON, {"input": 1000, "output": 1000},
         "0.018"),
        # Google: audio at its own price, thoughts as output, tiers by the whole input.
        ("gcp.gemini", "models/gemini-2.5-flash", NOON, {"input": 1000, "input_audio": 1000,
         "reasoning": 1000}, "0.0038"),
        ("gcp.vertex_ai", "gemini-2.5-pro", NOON, {"input": 200_000, "output": 1000}, "0.26"),
        ("gcp.vertex_ai", "gemini-2.5-pro", NOON, {"input": 200_001, "output": 1000},
         "0.5150025"),
        # Bedrock: regional prices are a tenth higher from Claude 4.5 on.
        ("aws.bedrock", "anthropic.claude-3-5-sonnet-20240620-v1:0", NOON,
         {"input": 1000, "output": 1000}, "0.018"),
        ("aws.bedrock", "global.anthropic.claude-sonnet-4-5-20250929-v1:0", NOON,
         {"input": 1000, "output": 1000}, "0.018"),
        ("aws.bedrock", f"{ARN}/eu.anthropic.claude-sonnet-4-5-20250929-v1:0", NOON,
         {"input": 1000, "output": 1000}, "0.0198"),
        ("aws.bedrock", "us.amazon.nova-pro-v1:0", NOON, {"input": 1000, "output": 1000}, "0.004"),
        ("aws.bedrock", "amazon.nova-micro-v1:0", NOON, {"input": 1000, "output": 1000},
         "0.000175"),
        # Others, and through gateways.
        ("azure.ai.openai", "gpt-35-turbo", NOON, {"input": 1000, "output": 1000}, "0.002"),
        ("x_ai", "grok-3", NOON, {"input": 1000, "output": 1000}, "0.018"),
        ("cohere", "command-r-plus-08-2024", NOON, {"input": 1000, "output": 1000}, "0.0125"),
        ("groq", "llama-3.3-70b-versatile", NOON, {"input": 1000, "output": 1000}, "0.00138"),
        ("mistral_ai", "mistral-large-2411", NOON, {"input": 1000, "output": 1000}, "0.008"),
        ("litellm", "openai/gpt-4o", NOON, {"input": 1000, "output": 1000}, "0.0125"),
        ("our-gateway", "gpt-4o", NOON, {"input": 1000, "output": 1000}, "0.0125"),
        ("openai", "claude-sonnet-4-5", NOON, {"input": 1000, "output": 1000}, "0.018"),
        ("openai", "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", NOON,
         {"input": 1000, "output": 1000}, "0.0198"),
    ],
)  # fmt: skip
def test_total_by_hand(
    provider: str, model: str, when: datetime, tokens: dict[str, int], total: str
) -> None:
    assert priced(provider, model, tokens, at=when)["CostUsd"] == Decimal(total)


IN_AND_OUT = {"input": 1000, "output": 1000}


@pytest.mark.parametrize(
    ("provider", "model", "tier", "when", "tokens", "total"),
    [
        ("openai", "gpt-4o", "default", NOON, IN_AND_OUT, "0.0125"),
        ("openai", "gpt-4o", "auto", NOON, IN_AND_OUT, "0.0125"),
        ("openai", "gpt-4o", "batch", NOON, IN_AND_OUT, "0.00625"),
        ("openai", "gpt-4o", "Batch", NOON, IN_AND_OUT, "0.00625"),
        ("openai", "gpt-4o", "batch", at("2026-10-13T23:59:59"), IN_AND_OUT, "0.0125"),
        ("openai", "gpt-4o", "batch", at("2026-10-14T00:00:00"), IN_AND_OUT, "0.00625"),
        ("openai", "gpt-4o", "priority", NOON, {**IN_AND_OUT, "cache_read": 1000}, "0.023375"),
        ("openai", "gpt-5", "flex", NOON, {**IN_AND_OUT, "cache_read": 1000}, "0.0056875"),
        ("openai", "gpt-5", "priority", NOON, IN_AND_OUT, "0.0225"),
        ("openai", "o3", "flex", NOON, IN_AND_OUT, "0.005"),
        ("openai", "gpt-5-mini", "batch", NOON, IN_AND_OUT, "0.001125"),
        ("anthropic", "claude-sonnet-4-5", "standard", NOON, IN_AND_OUT, "0.018"),
        ("anthropic", "claude-sonnet-4-5", "batch", NOON, IN_AND_OUT, "0.009"),
        ("anthropic", "claude-sonnet-4-5", "batch", NOON, {"input": 200_001, "cache_write": 1000},
         "0.603753"),
        ("anthropic", "claude-haiku-4-5", "batch", NOON, {**IN_AND_OUT, "cache_read": 1000},
         "0.00305"),
        ("gcp.gemini", "gemini-2.5-pro", "batch", NOON, IN_AND_OUT, "0.005625"),
        ("gcp.gemini", "gemini-2.5-pro", "batch", NOON, {"input": 200_001, "output": 1000},
         "0.25750125"),
        # A host of another's model does not take over the other's tiers.
        ("azure.ai.inference", "claude-sonnet-4-5", "batch", NOON, IN_AND_OUT, "0.018"),
        ("our-gateway", "gpt-4o", "batch", NOON, IN_AND_OUT, "0.00625"),
    ],
)  # fmt: skip
def test_total_by_service_tier(  # noqa: PLR0917  # one for each column of the table
    provider: str, model: str, tier: str, when: datetime, tokens: dict[str, int], total: str
) -> None:
    got = priced(provider, model, tokens, at=when, tier=tier)
    assert got["CostUsd"] == Decimal(total)


@pytest.mark.parametrize(
    ("provider", "model", "tokens", "reason"),
    [
        pytest.param("openai", None, {"input": 5}, "no_model", id="no model"),
        pytest.param("openai", "gpt-99", {"input": 5}, "unknown_model", id="unknown model"),
        pytest.param("openai", "gpt-4o", {}, "no_usage", id="no usage"),
        pytest.param("openai", "gpt-99", {}, "no_usage", id="no usage of an unknown model"),
        pytest.param("openai", "whisper-1", {"input": 5}, "no_rate", id="priced by the hour"),
        pytest.param("openai", "whisper-1", {"input": 0}, "no_rate", id="by the hour, no tokens"),
    ],
)
def test_why_a_call_has_no_cost(
    provider: str, model: str | None, tokens: dict[str, int], reason: str
) -> None:
    got = priced(provider, model, tokens)
    assert (got["CostUsd"], got["UnpricedReason"]) == (None, reason)
    assert [got[part] for part in PARTS] == [None] * len(PARTS)


def test_a_failed_call_without_usage_is_not_unpriced() -> None:
    got = row(price(chat(status=ERROR)))
    assert (got["CostUsd"], got["UnpricedReason"]) == (None, None)


def test_a_failed_call_with_usage_is_priced() -> None:
    got = row(price(chat({"gen_ai.usage.input_tokens": 1000}, status=ERROR)))
    assert got["CostUsd"] == Decimal("0.0025")


@pytest.mark.parametrize("operation", ["invoke_agent", "execute_tool", "retrieval", "wrapper"])
def test_what_is_no_call_is_priced_only_if_it_has_usage(operation: str) -> None:
    structure = {"gen_ai.operation.name": operation, "gen_ai.usage.cost": 1.0}
    # An agent may report usage that no call below it does.
    got = row(price(chat({**structure, "gen_ai.usage.input_tokens": 1000})))
    assert got["CostUsd"] == Decimal("0.0025")
    got = row(price(chat(structure)))
    assert [got[name] for name in ("CostUsd", "UnpricedReason", "CostSource", *PARTS)] == [
        None,
    ] * (3 + len(PARTS))
    assert got["ReportedCostUsd"] == 1


# Models -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "answered", "model"),
    [
        pytest.param("gpt-4o", None, "gpt-4o", id="as asked for"),
        pytest.param("gpt-4o", "gpt-4o-2024-08-06", "gpt-4o", id="the list's own name"),
        pytest.param("router", "gpt-4o-mini", "gpt-4o-mini", id="as answered before as asked for"),
        pytest.param("mine", None, "mine", id="unknown, as sent"),
        pytest.param("m" * 1000, None, "m" * 1000, id="a long name"),
        pytest.param(None, None, None, id="none"),
    ],
)
def test_the_model_that_is_shown(
    asked: str | None, answered: str | None, model: str | None
) -> None:
    names = {"gen_ai.request.model": asked, "gen_ai.response.model": answered}
    assert row(price(chat(names)))["Model"] == model


def test_a_price_says_where_it_is_from() -> None:
    got = priced("azure", "gpt-4o-mini", {"input": 1})
    assert got["PriceId"] == "azure:gpt-4o-mini"
    assert got["PriceVersion"].startswith("genai-prices 0.")


def test_names_without_end_do_not_grow_the_memory() -> None:
    cards = Cards(PriceBook())
    for n in range(5000):
        assert cards.find("openai", f"m-{n}" + 1000 * "x", "", 0) is None
    assert len(cards._listings) <= 4096
    assert all(len(model) <= 256 for _, model, _ in cards._listings)


def test_many_models_in_one_batch_do_not_mix() -> None:
    names = ["gpt-4o", "gpt-4o-mini", "gpt-99", "o3", "gpt-4o"]
    spans = [call("openai", name, number=n + 1) for n, name in enumerate(names)]
    batch = with_tokens(NORMALISE(decode(request(*spans))), [{"input": 1000}] * len(names))
    assert PRICE(batch)["CostUsd"].to_pylist() == [
        Decimal("0.0025"),
        Decimal("0.00015"),
        None,
        Decimal("0.002"),
        Decimal("0.0025"),
    ]


# Reported cost ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "cost", "source"),
    [
        pytest.param(
            {"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.cost": 9.0},
            "0.0025",
            "computed",
            id="ours counts where there is one",
        ),
        pytest.param(
            {"gen_ai.request.model": "mine", "gen_ai.usage.cost": 0.125},
            "0.125",
            "reported",
            id="theirs counts where the model is unknown",
        ),
        pytest.param({"gen_ai.usage.cost": 0.125}, "0.125", "reported", id="or usage is missing"),
        pytest.param({"gen_ai.usage.cost": 0.0}, "0", "reported", id="zero is a cost"),
    ],
)
def test_reported_cost(attributes: dict[str, Any], cost: str, source: str) -> None:
    got = row(price(chat(attributes)))
    assert (got["CostUsd"], got["CostSource"]) == (Decimal(cost), source)
    assert got["UnpricedReason"] is None
    assert got["ReportedCostUsd"] == Decimal(str(attributes["gen_ai.usage.cost"]))
    assert (got["PriceId"] is None) == (source == "reported")


ESTIMATE = {"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.cost": 9.0}
CHARGE = {**ESTIMATE, "litellm.cost.total": 9.0}


@pytest.mark.parametrize(
    ("cost_source", "attributes", "cost"),
    [
        pytest.param("charged_first", ESTIMATE, "0.0025", id="ours before an estimate"),
        pytest.param("charged_first", CHARGE, "9", id="a charge before ours"),
        pytest.param("computed_first", CHARGE, "0.0025", id="ours before a charge"),
        pytest.param("computed_first", {"gen_ai.usage.cost": 9.0}, "9", id="there is no other"),
        pytest.param("reported_first", ESTIMATE, "9", id="an estimate before ours"),
        pytest.param("reported_first", {"gen_ai.usage.input_tokens": 1000}, "0.0025", id="none"),
        pytest.param("computed", {"gen_ai.usage.cost": 9.0}, None, id="never a reported one"),
    ],
)
def test_which_cost_counts(cost_source: str, attributes: dict[str, Any], cost: str | None) -> None:
    got = row(price(chat(attributes), pricer=Pricer(PriceBook(), cost_source)))
    assert got["CostUsd"] == (None if cost is None else Decimal(cost))
    assert got["CostSource"] == {None: None, "9": "reported"}.get(cost, "computed")
    parts = [got[part] for part in PARTS if got[part] is not None]
    assert sum(parts) == (got["CostUsd"] if got["CostSource"] == "computed" else 0)
    reported = attributes.get("gen_ai.usage.cost")
    assert got["ReportedCostUsd"] == (None if reported is None else 9)
    beside = cost == "9" and "gen_ai.usage.input_tokens" in attributes
    assert got["ComputedCostUsd"] == (Decimal("0.0025") if beside else None)


def test_a_column_may_say_what_was_charged() -> None:
    batch = NORMALISE(decode(request(chat(ESTIMATE))))
    got = row(PRICE(batch.with_columns({CHARGED: pa.array([True])})))
    assert (got["CostUsd"], got["CostSource"]) == (9, "reported")


@pytest.mark.parametrize("model", ["gpt-4o", "mine", None])
def test_what_a_gateway_answers_from_its_cache_costs_nothing(model: str | None) -> None:
    usage = {"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 10}
    batch = NORMALISE(decode(request(chat({"gen_ai.request.model": model, **usage}))))
    hit, miss, unknown = (
        row(PRICE(batch.with_columns({"CacheHit": pa.array([value], pa.bool_())})))
        for value in (True, False, None)
    )
    alone = row(PRICE(batch))
    del miss["CacheHit"], unknown["CacheHit"], alone["CacheHit"]
    assert (hit["CostUsd"], hit["CostSource"], hit["UnpricedReason"]) == (0, "computed", None)
    assert miss == unknown == alone


def test_a_reported_cost_has_no_parts() -> None:
    got = row(price(chat({"gen_ai.request.model": "mine", "gen_ai.usage.cost": 0.125})))
    assert [got[part] for part in PARTS] == [None] * len(PARTS)


# By genai-prices itself ---------------------------------------------------------------------------

MODELS = [
    ("openai", "gpt-4o"),
    ("openai", "o3"),
    ("openai", "gpt-5"),
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-sonnet-4-6"),
    ("anthropic", "claude-opus-4-5"),
    ("google", "gemini-2.5-pro"),
    ("google", "gemini-2.5-flash"),
    ("deepseek", "deepseek-chat"),
    ("deepseek", "deepseek-v4-pro"),
    ("x-ai", "grok-4-0709"),
    ("perplexity", "sonar-pro"),
    ("aws", "amazon.nova-pro-v1:0"),
]
# Cached audio has a price of its own in the list, and no kind of its own here: left out.
KINDS = ("input", "cache_read", "cache_write", "cache_write_1h", "output", "reasoning")
COUNTS = st.one_of(st.integers(0, 5000), st.sampled_from([0, 199_999, 200_001, 1_000_000]))


def by_genai_prices(provider: str, model: str, tokens: dict[str, int], when: datetime) -> Decimal:
    asked = sum(count for kind, count in tokens.items() if kind not in {"output", "reasoning"})
    usage = Usage(
        input_tokens=asked,
        cache_read_tokens=tokens.get("cache_read", 0),
        cache_write_tokens=tokens.get("cache_write", 0) + tokens.get("cache_write_1h", 0),
        cache_write_1h_tokens=tokens.get("cache_write_1h", 0),
        output_tokens=tokens.get("output", 0) + tokens.get("reasoning", 0),
        output_reasoning_tokens=tokens.get("reasoning", 0),
    )
    return calc_price(usage, model, provider_id=provider, genai_request_timestamp=when).total_price


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from(MODELS),
    st.dictionaries(st.sampled_from(KINDS), COUNTS, min_size=1),
    st.integers(0, (NOON - PAST) // timedelta(minutes=1)).map(
        lambda m: PAST + timedelta(minutes=m)
    ),
)
def test_cost_is_that_of_genai_prices_within_rounding(
    named: tuple[str, str], tokens: dict[str, int], when: datetime
) -> None:
    got = priced(*named, tokens, at=when)["CostUsd"]
    theirs = by_genai_prices(*named, tokens, when)
    # Each kind is rounded by at most half a nano-dollar, and so is the fee.
    assert abs(got - theirs) <= NANO / 2 * (len(tokens) + 1)


def test_cost_is_that_of_genai_prices_over_the_whole_list() -> None:
    """Every model that the list prices by text tokens alone, at one instant."""
    tokens = {"input": 1000, "cache_read": 300, "cache_write": 200, "output": 500}
    named = [(p.id, m.id) for p in get_snapshot().providers for m in p.models]
    spans = [call(p, m, number=n + 1) for n, (p, m) in enumerate(named)]
    batch = with_tokens(NORMALISE(decode(request(*spans))), [tokens] * len(named))
    ours = PRICE(batch)["CostUsd"].to_pylist()
    wrong = {
        (provider, model): (cost, theirs)
        for (provider, model), cost in zip(named, ours, strict=True)
        if cost is not None
        and abs(cost - (theirs := by_genai_prices(provider, model, tokens, NOON))) > 3 * NANO
    }
    assert wrong == {}
    assert sum(cost is not None for cost in ours) > 1500


def test_every_kind_has_a_price_key() -> None:
    assert list(PRICE_KEYS) == [kind.name for kind in TOKEN_KINDS]


# Limits -----------------------------------------------------------------------------------------


def override(**fields: Any) -> Pricer:
    return Pricer(PriceBook((Override(**fields),)))


def test_the_most_tokens_at_the_highest_rate_do_not_overflow() -> None:
    rates = {kind.name: Decimal(9000) for kind in TOKEN_KINDS}
    pricer = override(model="*", prices=rates, request_usd=Decimal(1000))
    got = priced("x", "m", dict.fromkeys(rates, TOKENS_MAX), pricer=pricer)
    each = Decimal(TOKENS_MAX) * 9000 / 1_000_000
    kinds = {name: sum(kind.cost == name for kind in TOKEN_KINDS) for name in COST_COLUMNS}
    for name, column in COST_COLUMNS.items():
        assert got[column] == (1000 if name == "request" else each * kinds[name])
    assert got["CostUsd"] == each * len(TOKEN_KINDS) + 1000


def test_no_rate_of_the_list_overflows() -> None:
    highest = 2**63 // TOKENS_MAX
    book = PriceBook()
    for provider in get_snapshot().providers:
        for model in provider.models:
            listing = book.find(provider.id, model.id)
            card = listing.card_at(NOON) if listing else None
            for rate in card.rates.values() if card else ():
                assert max(rate.base, *rate.tiers, 0) < highest


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(-(10**18) + 1, 10**18 - 1), st.booleans())))
def test_money_survives_a_column(amounts: list[tuple[int, bool]]) -> None:
    nano = pa.array([n for n, _ in amounts], pa.int64()).to_numpy()
    known = pa.array([k for _, k in amounts], pa.bool_()).to_numpy(zero_copy_only=False)
    column = money(nano, known)
    column.validate(full=True)
    assert column.to_pylist() == [Decimal(n).scaleb(-9) if k else None for n, k in amounts]
    for part in (column, column[1:]):
        assert nano_dollars(part).tolist() == [
            n if k else 0 for n, k in amounts[len(amounts) - len(part) :]
        ]


# The override file --------------------------------------------------------------------------------

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "prices.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


CONTRACT = """
models:
  - {model: gpt-4o, provider: openai, prices: {input: 2, output: 8}}
  - {model: gpt-4o, provider: openai, since: 2026-07-01, prices: {input: 1.5, output: 6}}
  - {model: "llama-*", prices: {input: 0.05, output: 0.1, cache_read: 0}}
  - {model: "chat-?", request_usd: 0.01}
  - {model: o3, since: 2027-01-01, prices: {input: 1, output: 1}}
"""


@pytest.mark.parametrize(
    ("provider", "model", "when", "tokens", "expected"),
    [
        pytest.param(
            "openai", "gpt-4o", at("2026-06-30T23:59:59"), {"input": 1000, "output": 1000},
            usd(input="0.002", output="0.008"), id="a contract before its new price",
        ),
        pytest.param(
            "openai", "gpt-4o", at("2026-07-01T00:00:00"), {"input": 1000, "output": 1000},
            usd(input="0.0015", output="0.006"), id="a contract from its new price on",
        ),
        pytest.param(
            "azure", "gpt-4o", NOON, {"input": 1000},
            usd(input="0.0025"), id="another provider keeps the list",
        ),
        pytest.param(
            "openai", "gpt-4o-2024-08-06", NOON, {"input": 1000},
            usd(input="0.0015"), id="a contract holds for the dated name of the answer",
        ),
        pytest.param(
            "openai", "gpt-4o-2024-05-13", NOON, {"input": 1000},
            usd(input="0.005"), id="not for a version with a price of its own",
        ),
        pytest.param(
            "our-gateway", "openai/gpt-4o", NOON, {"input": 1000},
            usd(input="0.0015"), id="a contract holds through a gateway",
        ),
        pytest.param(
            "litellm", "azure/gpt-4o", NOON, {"input": 1000},
            usd(input="0.0025"), id="not through a gateway to another provider",
        ),
        pytest.param(
            "openai", "gpt-4o", NOON, {"input": 0, "cache_read": 1000, "reasoning": 1000},
            usd(input="0", cache_read="0.0015", reasoning="0.006"),
            id="a kind that is left out costs what it is a part of",
        ),
        pytest.param(
            "vllm", "llama-3.1-8b", NOON, {"input": 1000, "cache_read": 1000, "output": 1000},
            usd(input="0.00005", cache_read="0", output="0.0001"), id="a wildcard",
        ),
        pytest.param(
            None, "llama-guard", NOON, {"input": 1000},
            usd(input="0.00005"), id="a wildcard without a provider",
        ),
        pytest.param("vllm", "my-llama-3", NOON, {"input": 1}, usd(), id="matches from the start"),
        pytest.param(
            "x", "chat-7", NOON, {"input": 5, "output": 5},
            usd(input="0", output="0", request="0.01"), id="a fee for each request",
        ),
        pytest.param("x", "chat-77", NOON, {"input": 5}, usd(), id="? is one character"),
        pytest.param(
            "openai", "o3", NOON, {"input": 1000},
            usd(input="0.002"), id="not yet in force: the list",
        ),
    ],
)  # fmt: skip
def test_override_file(  # noqa: PLR0917  # one for each column of the table
    write: Write,
    provider: str | None,
    model: str,
    when: datetime,
    tokens: dict[str, int],
    expected: dict[str, Decimal | None],
) -> None:
    pricer = Pricer(PriceBook(load_overrides(write(CONTRACT))))
    got = priced(provider, model, tokens, at=when, pricer=pricer)
    assert {name: got[name] for name in expected} == expected


BY_TIER = """
models:
  - {model: m, prices: {input: 4, output: 8}, since: 2026-08-01}
  - {model: m, service_tier: batch, prices: {input: 1, output: 2}}
  - model: long
    provider: bedrock
    prices: {input: 1, cache_read: 0.5}
    above:
      - {input_tokens: 1000, prices: {input: 2, cache_read: 1}}
      - {input_tokens: 5000, prices: {input: 3, cache_read: 2}}
"""


@pytest.mark.parametrize(
    ("provider", "model", "tier", "tokens", "total"),
    [
        pytest.param("x", "m", None, {"input": 1000}, "0.004", id="no tier"),
        pytest.param("x", "m", "flex", {"input": 1000}, "0.004", id="another tier"),
        pytest.param("x", "m", "batch", {"input": 1000}, "0.001", id="the tier before the date"),
        pytest.param("aws.bedrock", "long", None, {"input": 1000}, "0.001", id="at the start"),
        pytest.param("aws.bedrock", "long", None, {"input": 1000, "cache_read": 1}, "0.002001",
                     id="above, for the whole request"),
        pytest.param("aws.bedrock", "long", None, {"input": 1, "cache_read": 5000}, "0.010003",
                     id="above the second step"),
        pytest.param("openai", "long", None, {"input": 1000}, None, id="another provider"),
    ],
)  # fmt: skip
def test_tiers_of_the_file(  # noqa: PLR0917  # one for each column of the table
    write: Write,
    provider: str,
    model: str,
    tier: str | None,
    tokens: dict[str, int],
    total: str | None,
) -> None:
    pricer = Pricer(PriceBook(load_overrides(write(BY_TIER))))
    got = priced(provider, model, tokens, pricer=pricer, tier=tier)["CostUsd"]
    assert got == (None if total is None else Decimal(total))


ALIASES = """
models: [{model: acme-7, prices: {input: 1}}]
aliases:
  - {name: prod-chat, provider: azure, model: gpt-4o}
  - {name: "arn:aws:bedrock:*/a1b2c3", model: us.amazon.nova-pro-v1:0, model_provider: aws.bedrock}
  - {name: mine, model: acme-7}
"""


@pytest.mark.parametrize(
    ("provider", "model", "price_id"),
    [
        pytest.param("azure.ai.openai", "prod-chat", "azure:gpt-4o", id="a deployment"),
        pytest.param("openai", "prod-chat", None, id="of this provider only"),
        pytest.param("anthropic", f"{ARN}/a1b2c3",
                     "aws:amazon.nova-pro-v1:0", id="an opaque ARN of another provider"),
        pytest.param("vllm", "mine", "*:acme-7", id="a model of the file"),
        pytest.param("openai", "gpt-4o", "openai:gpt-4o", id="no alias"),
    ],
)  # fmt: skip
def test_aliases(write: Write, provider: str, model: str, price_id: str | None) -> None:
    pricer = Pricer(PriceBook(load_overrides(write(ALIASES))))
    assert priced(provider, model, {"input": 1}, pricer=pricer)["PriceId"] == price_id


@pytest.mark.parametrize(
    ("fields", "seconds", "status", "usage", "cost"),
    [
        pytest.param({"gpu_hour_usd": 3.6}, 2.0, None, True, "0.002", id="by time"),
        pytest.param({"gpu_hour_usd": 3.6, "gpus": 4, "concurrency": 16}, 2.0, None, True,
                     "0.0005", id="GPUs and calls at a time"),
        pytest.param({"gpu_hour_usd": 3.6}, 2.0, None, False, "0.002", id="without usage"),
        pytest.param({"gpu_hour_usd": 3.6}, 2.0, ERROR, False, "0.002", id="failed"),
        pytest.param({"gpu_hour_usd": 0.0018}, 0.001, None, True, "0", id="half goes to even"),
        pytest.param({"gpu_hour_usd": 1000, "gpus": 10_000}, 86_400.0, None, True, "100000000",
                     id="a limit"),
        pytest.param({"request_usd": 0.5}, 2.0, None, False, "0.5", id="a fee without usage"),
        pytest.param({"request_usd": 0.5}, 2.0, ERROR, False, None, id="no fee if it failed"),
        pytest.param({"request_usd": 0.5, "prices": {"input": 1}}, 2.0, None, False, None,
                     id="with prices for tokens, usage is needed"),
    ],
)  # fmt: skip
def test_prices_by_the_hour_and_by_the_call(
    fields: dict[str, Any], seconds: float, status: Any, usage: bool, cost: str | None
) -> None:
    sent = {"gen_ai.usage.input_tokens": 100} if usage else {}
    of_span = {} if status is None else {"status": status}
    spent = chat({"gen_ai.request.model": "m", **sent}, duration_ns=round(seconds * NS), **of_span)
    got = row(price(spent, pricer=override(model="m", **fields)))
    assert got["CostUsd"] == (None if cost is None else Decimal(cost))
    if cost not in {None, "0"}:
        assert got["CostRequestUsd"] == got["CostUsd"]


def test_an_override_is_named_in_the_row(write: Write) -> None:
    pricer = Pricer(PriceBook(load_overrides(write(CONTRACT))))
    got = priced("openai", "gpt-4o", {"input": 1}, pricer=pricer)
    assert (got["Model"], got["PriceId"]) == ("gpt-4o", "openai:gpt-4o")
    assert got["PriceVersion"].startswith("override ")
    wildcard = priced("vllm", "llama-3.1-8b", {"input": 1}, pricer=pricer)
    assert (wildcard["Model"], wildcard["PriceId"]) == ("llama-3.1-8b", "*:llama-*")


def test_the_version_of_an_override_changes_with_its_file(write: Write) -> None:
    first = load_overrides(write(CONTRACT))[0].origin
    assert first != load_overrides(write(CONTRACT.replace("input: 2", "input: 3")))[0].origin


def test_a_name_with_brackets_is_no_pattern() -> None:
    pricer = override(model="claude[1m]", prices={"input": Decimal(1)})
    assert priced("anthropic", "claude[1m]", {"input": 1000}, pricer=pricer)["CostUsd"] is not None
    assert priced("anthropic", "claude1", {"input": 1000}, pricer=pricer)["CostUsd"] is None


def test_rates_of_a_file_are_exact(write: Write) -> None:
    (entry,) = load_overrides(write("models: [{model: m, prices: {input: 0.1}}]"))
    assert entry.card().rates["input"].base == 100_000


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        pytest.param("models: [", ["prices.yaml"], id="not YAML"),
        pytest.param("", ["prices.yaml", "models"], id="empty"),
        pytest.param("[]", ["prices.yaml", "models"], id="a list"),
        pytest.param("prices: []", ["prices.yaml", "models"], id="no models"),
        pytest.param("models:", ["prices.yaml", "models"], id="models are empty"),
        pytest.param("models: [gpt-4o]", ["prices.yaml", "gpt-4o"], id="an entry is no mapping"),
        pytest.param("models: [{prices: {input: 1}}]", ["prices.yaml", "model"], id="no name"),
        pytest.param("models: [{model: m}]", ["prices.yaml", "prices"], id="no prices"),
        pytest.param("aliases: [{name: m}]", ["aliases.0.model"], id="an alias of nothing"),
        pytest.param(
            "models: [{model: m, prices: {input: 1}, gpus: 2}]", ["gpu_hour_usd"], id="no hour"
        ),
        pytest.param(
            "models: [{model: m, gpu_hour_usd: 1, concurrency: 0}]", ["concurrency"], id="nobody"
        ),
        pytest.param(
            "models: [{model: m, prices: {input: 1}, above: [{input_tokens: 9, prices: {}}]}]",
            ["above", "token types"],
            id="a tier that lacks a price",
        ),
        pytest.param(
            "models: [{model: m, prices: {input: 1}, above: "
            "[{input_tokens: 9, prices: {input: 2}}, {input_tokens: 9, prices: {input: 3}}]}]",
            ["above", "rise"],
            id="tiers out of order",
        ),
        pytest.param(
            "models: [{model: m, prices: {inptu: 1}}]", ["m: ", "inptu", "input"], id="unknown kind"
        ),
        pytest.param(
            "models: [{model: m, prices: {input: -1}}]", ["prices.input", "greater"], id="negative"
        ),
        pytest.param(
            "models: [{model: m, prices: {input: 9001}}]", ["prices.input", "9000"], id="too high"
        ),
        pytest.param(
            "models: [{model: m, prices: {input: .nan}}]", ["prices.input"], id="not a number"
        ),
        pytest.param("models: [{model: m, prices: {input: cheap}}]", ["prices.input"], id="a word"),
        pytest.param(
            "models: [{model: m, prices: {input: 1}, since: soon}]", ["since"], id="no date"
        ),
        pytest.param(
            "models: [{model: m, prices: {input: 1}, until: 2027-01-01}]", ["until"], id="unknown"
        ),
        pytest.param(
            "models: [{model: m, prices: {input: 1}, request_usd: 1001}]",
            ["request_usd", "1000"],
            id="a fee that is too high",
        ),
    ],
)
def test_a_bad_override_file_says_what_is_wrong(
    write: Write, text: str, messages: list[str]
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load_overrides(write(text))
    assert [part for part in messages if part not in str(raised.value)] == []


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.yaml"):
        load_overrides(tmp_path / "absent.yaml")


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    path.write_bytes(b"models: [{model: \xff, prices: {input: 1}}]")
    with pytest.raises(ConfigurationError, match=r"prices\.yaml"):
        load_overrides(path)
