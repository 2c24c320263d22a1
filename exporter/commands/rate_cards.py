"""A rate card on the terminal."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from rich.console import Console
from rich.table import Table

from exporter.genai.prices.rates import Listing, Rate, RateCard
from exporter.spans.schema import TOKEN_KINDS


def show_card(
    console: Console, model: str, when: datetime, listing: Listing, card: RateCard
) -> None:
    """Print a model's rate card at a time, and what its listing says besides."""
    console.print(f"{model} at {when:%Y-%m-%d %H:%M} UTC is {card.price_id}", markup=False)
    table = Table("token type", "US dollars for a million tokens")
    for kind in TOKEN_KINDS:
        if (rate := card.rates.get(kind.name)) is not None:
            table.add_row(kind.name, _rate(rate))
    if card.rates:
        console.print(table)
    if card.request:
        console.print(f"for each call: {_plain(Decimal(card.request).scaleb(-12))} US dollars")
    if card.hour:
        console.print(
            f"for each hour of a call: {_plain(Decimal(card.hour).scaleb(-12))} US dollars"
        )
    if not card.rates and not card.request and not card.hour:
        console.print("It is not priced by tokens or calls: its calls are unpriced (no_rate).")
    mine = card.version.startswith("override")
    facts = {
        "from": f"your price file ({card.version})" if mine else card.version,
        "published": ", ".join(listing.urls),
        "price changes": ", ".join(map(str, listing.changes)),
        "own prices for": ", ".join(listing.service_tiers),
    }
    for name, text in facts.items():
        if text:
            console.print(f"{name}: {text}", markup=False)


def _rate(rate: Rate) -> str:
    steps = [
        f"{_plain(Decimal(pico).scaleb(-6))} above {start:,} input tokens"
        for start, pico in zip(rate.starts, rate.tiers, strict=True)
    ]
    return ", ".join([_plain(Decimal(rate.base).scaleb(-6)), *steps])


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
