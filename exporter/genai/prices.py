"""Rate cards: what each kind of token of a model costs at an instant, and where that is written.

The price list is genai-prices (dated, tiered, bundled with its package). A user's override file
stands on top of it, for contracts and self-hosted models; see `load_overrides` for its form.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from fnmatch import fnmatchcase
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import yaml
from genai_prices.data_snapshot import DataSnapshot, get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, TieredPrices
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from exporter.errors import ConfigurationError
from exporter.genai.transforms import providers
from exporter.spans.schema import TOKEN_KINDS

PICO = 10**12
"""Picodollars in a dollar. Rates are integers of picodollars a token: 1 USD per million tokens is
10**6, so that every published price (six decimals a million at most) is exact."""

# The price of a kind of tokens: the first of these entries of the price list that it has. A kind
# without a price of its own is charged as what it is a part of, as the providers do.
PRICE_KEYS: dict[str, tuple[str, ...]] = {
    "input": ("input_mtok",),
    "input_audio": ("input_audio_mtok", "input_mtok"),
    "input_image": ("input_image_mtok", "input_mtok"),
    "cache_read": ("cache_read_mtok", "input_mtok"),
    "cache_write": ("cache_write_mtok", "input_mtok"),
    "cache_write_1h": ("cache_write_1h_mtok", "cache_write_mtok", "input_mtok"),
    "output": ("output_mtok",),
    "reasoning": ("output_reasoning_mtok", "output_mtok"),
    "output_audio": ("output_audio_mtok", "output_mtok"),
    "output_image": ("output_image_mtok", "output_mtok"),
}
REQUEST_KEY = "requests_kcount"


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


@dataclass(frozen=True, slots=True)
class Listing:
    """What is known of a model: a card for every instant, or for some only."""

    card_at: Any
    """Function of a datetime (UTC) that returns the RateCard in force, or None."""
    varies: bool
    """Whether the card depends on the instant at all."""


class PriceBook:
    """Looks models up in the override file, then in genai-prices."""

    def __init__(
        self, overrides: tuple[Override, ...] = (), snapshot: DataSnapshot | None = None
    ) -> None:
        self._overrides = overrides
        self._snapshot = snapshot or get_snapshot()
        self._version = f"genai-prices {version('genai-prices')}"

    def find(self, provider: str | None, model: str) -> Listing | None:
        """Return the listing of a model, None when no list knows it.

        `provider` is OpenTelemetry's name; None leaves the guess to the price list.
        """
        mine = [o for o in self._overrides if o.matches(provider, model)]
        listed = self._listed(provider, model)
        if not mine:
            return listed

        def card_at(instant: datetime) -> RateCard | None:
            in_force = [o for o in mine if o.since is None or o.since <= instant.date()]
            if in_force:
                return max(in_force, key=lambda o: o.since or date.min).card()
            return listed.card_at(instant) if listed else None

        return Listing(card_at, varies=True)

    def _listed(self, provider: str | None, model: str) -> Listing | None:
        known = providers().get(provider or "")
        try:
            # Around find_provider_model's own cache, which keeps every name that it ever saw.
            lister = self._snapshot.find_provider(
                model.lower(), known.prices if known else provider, None
            )
        except LookupError:
            return None
        info = lister.find_model(model.lower(), all_providers=self._snapshot.providers)
        if info is None:
            return None
        price_id = f"{lister.id}:{info.id}"
        if isinstance(info.prices, ModelPrice):
            card = self._card(price_id, info, info.prices)
            return Listing(lambda _: card, varies=False)
        return Listing(
            lambda instant: self._card(price_id, info, info.get_prices(instant)), varies=True
        )

    def _card(self, price_id: str, info: ModelInfo, prices: ModelPrice) -> RateCard:
        rates = {
            kind: rate
            for kind, keys in PRICE_KEYS.items()
            if (rate := _first_rate(prices, keys)) is not None
        }
        request = getattr(prices, REQUEST_KEY, None)
        return RateCard(
            price_id=price_id,
            version=self._version,
            model=info.id,
            rates=rates,
            request=_pico(request, per=1000) if isinstance(request, Decimal) else 0,
        )


def _first_rate(prices: ModelPrice, keys: tuple[str, ...]) -> Rate | None:
    for key in keys:
        price: Decimal | TieredPrices | None = getattr(prices, key)
        if isinstance(price, TieredPrices):
            return Rate(
                _pico(price.base),
                tuple(tier.start for tier in price.tiers),
                tuple(_pico(tier.price) for tier in price.tiers),
            )
        if price is not None:
            return Rate(_pico(price))
    return None


def _pico(price: Decimal, per: int = 1_000_000) -> int:
    """Return dollars for `per` units as picodollars a unit.

    A few entries of the list carry the noise of a float division; they are rounded here.
    """
    return int((price * PICO / per).to_integral_value(ROUND_HALF_EVEN))


class Override(BaseModel):
    """One entry of the override file: US dollars for a million tokens of each kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    """Name as sent; `*` and `?` match as in a shell."""
    provider: str | None = None
    """OpenTelemetry's name; without one the entry holds for every provider."""
    since: date | None = None
    """First day (UTC) that the price holds; the latest that has begun wins."""
    prices: dict[str, Annotated[Decimal, Field(ge=0, le=9000)]] = {}
    """By `token_type`; a kind that is left out is charged as what it is a part of."""
    request_usd: Annotated[Decimal, Field(ge=0, le=1000)] | None = None
    """US dollars for each call; with it, tokens without a price cost nothing."""
    origin: str = ""

    @model_validator(mode="after")
    def _some_price(self) -> Override:
        if not self.prices and self.request_usd is None:
            raise ValueError("give prices by token type, or request_usd")
        return self

    def matches(self, provider: str | None, model: str) -> bool:
        """Return whether the entry is about this model."""
        return self.provider in (None, provider) and fnmatchcase(
            model, self.model.replace("[", "[[]")
        )

    def card(self) -> RateCard:
        """Return the entry as a rate card."""
        parents = {"input_audio": "input", "input_image": "input", "cache_read": "input"}
        parents |= {"cache_write": "input", "cache_write_1h": "cache_write"}
        parents |= {"reasoning": "output", "output_audio": "output", "output_image": "output"}
        rates: dict[str, Rate] = {}
        for kind in TOKEN_KINDS:
            name: str | None = kind.name
            while name is not None and name not in self.prices:
                name = parents.get(name)
            if name is not None:
                rates[kind.name] = Rate(_pico(self.prices[name]))
            elif self.request_usd is not None:
                rates[kind.name] = Rate(0)
        return RateCard(
            price_id=f"{self.provider or '*'}:{self.model}",
            version=self.origin,
            model=self.model if "*" not in self.model and "?" not in self.model else "",
            rates=rates,
            request=_pico(self.request_usd or Decimal(0), per=1),
        )


class _OverrideFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", title="price file, `models: [...]`")

    models: tuple[Override, ...]


def load_overrides(path: Path) -> tuple[Override, ...]:
    """Read an override file; raise ConfigurationError that names what is wrong.

    The file is YAML: a list under `models`, each with `model`, `prices` by token type in US
    dollars for a million tokens, and if wanted `provider`, `since` and `request_usd`.
    """
    try:
        text = path.read_text(encoding="utf-8")
        raw: Any = yaml.safe_load(text)
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        file = _OverrideFile.model_validate(raw)
        overrides = tuple(
            entry.model_copy(update={"origin": f"override {digest}"}) for entry in file.models
        )
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise ConfigurationError(f"price file {path.name}: {error}") from error
    kinds = {kind.name for kind in TOKEN_KINDS}
    for override in overrides:
        if unknown := sorted(set(override.prices) - kinds):
            raise ConfigurationError(
                f"price file {path.name}: {override.model}: unknown token types "
                f"{', '.join(unknown)}; known are {', '.join(sorted(kinds))}"
            )
    return overrides
