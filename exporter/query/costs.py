"""Lay open the cost of one span: its rate card, each multiplication, and which cost counts."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from exporter.genai.prices.cards import Cards
from exporter.genai.prices.pricer import CHARGE_KEYS, CostSource
from exporter.genai.prices.rates import Listing, RateCard
from exporter.query.amounts import NANO
from exporter.query.explanation import Card, Cost, Line
from exporter.spans.schema import NANOSECONDS, TOKEN_KINDS

_HOUR_NS = 3600 * NANOSECONDS

_UNPRICED = {
    "no_model": "the span names no model",
    "unknown_model": "no price list knows the model",
    "no_usage": "the call succeeded and reports no usage",
    "no_rate": "the rate card has no rate for a kind of token that was used",
}
_SETTING = {
    CostSource.CHARGED_FIRST: "a gateway's charge counts, else ours, else an estimate by an SDK",
    CostSource.COMPUTED_FIRST: "ours counts, else what is reported",
    CostSource.REPORTED_FIRST: "what is reported counts, else ours",
    CostSource.COMPUTED: "only ours counts",
}

Row = Mapping[str, Any]


def cost_of(row: Row, cards: Cards, setting: CostSource) -> Cost:
    """Return how the cost of a priced row comes about."""
    found = _card(row, cards)
    lines = list(_lines(row, found[1])) if found else []
    whole = bool(lines) and all(line.cost_usd is not None for line in lines)
    charged = any(key in CHARGE_KEYS for key, _ in row["SpanAttributes"])
    return Cost(
        card=_shown(row, *found) if found else None,
        lines=lines,
        computed_usd=sum((line.cost_usd or Decimal(0) for line in lines), Decimal(0))
        if whole
        else None,
        reported_usd=row["ReportedCostUsd"],
        reported_is_charge=charged and row["ReportedCostUsd"] is not None,
        usd=row["CostUsd"],
        source=row["CostSource"] or None,
        unpriced_reason=row["UnpricedReason"] or None,
        because=_because(row, setting, charged=charged),
    )


def _card(row: Row, cards: Cards) -> tuple[Listing, RateCard] | None:
    model = row["ResponseModel"] or row["RequestModel"]
    if not model:
        return None
    return cards.find(row["Provider"] or None, model, row["ServiceTier"] or "", row["Timestamp"])


def _shown(row: Row, listing: Listing, card: RateCard) -> Card:
    day = datetime.fromtimestamp(row["Timestamp"] // NANOSECONDS, UTC).date()
    return Card(
        price_id=card.price_id,
        price_version=card.version,
        model=card.model,
        since=max((str(change) for change in listing.changes if change <= day), default=None),
        service_tier=row["ServiceTier"] or None,
        published=list(listing.urls),
    )


def _lines(row: Row, card: RateCard) -> Iterator[Line]:
    """Yield tokens times rate for each kind that is known, then what is charged for the call."""
    if row["CacheHit"]:
        return
    asked = sum(row[k.column] or 0 for k in TOKEN_KINDS if not k.is_output)
    for kind in TOKEN_KINDS:
        tokens: int | None = row[kind.column]
        if tokens is None:
            continue
        rate = card.rates.get(kind.name)
        if rate is None:
            yield Line(
                kind=kind.name,
                tokens=tokens,
                usd_per_million=None,
                above_input_tokens=None,
                cost_usd=None if tokens else Decimal(0),
            )
            continue
        step = bisect_left(rate.starts, asked)
        pico = rate.tiers[step - 1] if step else rate.base
        yield Line(
            kind=kind.name,
            tokens=tokens,
            usd_per_million=Decimal(pico).scaleb(-6),
            above_input_tokens=rate.starts[step - 1] if step else None,
            cost_usd=_nano_dollars(tokens * pico, 1000),
        )
    fee = _nano_dollars(card.request, 1000)
    if card.hour:
        fee += _nano_dollars(row["Duration"] * card.hour, _HOUR_NS * 1000)
    if fee:
        yield Line(
            kind="request",
            tokens=None,
            usd_per_million=None,
            above_input_tokens=None,
            cost_usd=fee,
        )


def _nano_dollars(dividend: int, divisor: int) -> Decimal:
    """Return a quotient of whole nano-dollars, half to even, as dollars."""
    quotient, rest = divmod(dividend, divisor)
    half = 2 * rest
    up = half > divisor or (half == divisor and quotient % 2 == 1)
    return ((quotient + up) * NANO).quantize(NANO, ROUND_HALF_EVEN)


def _because(row: Row, setting: CostSource, *, charged: bool) -> str:
    reported, source = row["ReportedCostUsd"], row["CostSource"]
    if row["UnpricedReason"]:
        return _UNPRICED[row["UnpricedReason"]]
    if row["CacheHit"] and source == "computed":
        return "a gateway answered from its own cache, which costs nothing"
    if not source:
        return "it reports no usage, so there is nothing to price"
    if reported is None:
        return "the sender reports no cost"
    theirs = "a gateway's charge" if charged else "an estimate by an SDK"
    return f"the reported cost is {theirs}, and cost_source={setting}: {_SETTING[setting]}"
