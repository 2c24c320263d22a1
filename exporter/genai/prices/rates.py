"""Rate cards: what each kind of token of a model costs at an instant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal

PICO = 10**12
"""Picodollars in a dollar. Rates are integers of picodollars a token: 1 USD per million tokens is
10**6, so that every published price (six decimals a million at most) is exact."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Picodollars a token; above `starts[i]` input tokens the whole request pays `tiers[i]`."""

    base: int
    starts: tuple[int, ...] = ()
    tiers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RateCard:
    """What a call of one model costs at one instant."""

    price_id: str
    """Provider and model as the price list names them."""
    version: str
    """Price list and version."""
    model: str
    """The price list's own name of the model."""
    rates: Mapping[str, Rate]
    """By name of the token kind; a kind without an entry has no price."""
    request: int = 0
    """Picodollars for the call itself."""
    hour: int = 0
    """Picodollars for each hour that the call lasts."""
    by_call: bool = False
    """Whether tokens cost nothing: a call that reports none has a cost all the same."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What is known of a model."""

    card_at: Callable[[datetime], RateCard | None]
    """Return the card in force at an instant (UTC), None: there is none yet."""
    model: str
    """The list's own name of it."""
    provider: str | None
    """Whose price it is, in OpenTelemetry's name."""
    urls: tuple[str, ...] = ()
    """Where the provider publishes its prices."""
    changes: tuple[date, ...] = ()
    """Days on which the price changed or will change."""
    service_tiers: tuple[str, ...] = ()
    """Ways of serving that have a price of their own."""


def pico(price: Decimal, per: int = 1_000_000) -> int:
    """Return dollars for `per` units as picodollars a unit.

    A few entries of the list carry the noise of a float division; they are rounded here.
    """
    return int((price * PICO / per).to_integral_value(ROUND_HALF_EVEN))
