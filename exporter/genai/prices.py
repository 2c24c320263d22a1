"""Rate cards: what each kind of token of a model costs at an instant, and where that is written.

The price list is genai-prices (dated, tiered, bundled with its package). A user's price file stands
on top of it, for contracts, deployment names and self-hosted models; docs/prices.md has its form.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from fnmatch import fnmatchcase
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import yaml
from genai_prices.data_snapshot import DataSnapshot, find_provider_by_id, get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, Provider, StartDateConstraint, TieredPrices
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from exporter.errors import ConfigurationError
from exporter.genai.model_names import readings
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


# What a provider calls the way in which it served a call, and what the price list calls it. Another
# name is looked for as a service tier; one that the list has no price for pays the standard price.
_CONTEXTS: dict[str, dict[str, str]] = {
    "batch": {"processing": "batch"},
    "fast": {"service_tier": "fast", "speed": "fast"},
}


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


class PriceBook:
    """Looks models up in the user's price file, then in genai-prices."""

    def __init__(
        self, entries: Iterable[Override | Alias] = (), snapshot: DataSnapshot | None = None
    ) -> None:
        entries = tuple(entries)
        self._overrides = [entry for entry in entries if isinstance(entry, Override)]
        self._aliases = [entry for entry in entries if isinstance(entry, Alias)]
        self._snapshot = snapshot or get_snapshot()
        self._version = f"genai-prices {version('genai-prices')}"

    def find(self, provider: str | None, model: str, service_tier: str = "") -> Listing | None:
        """Return the listing of a model, None when no list knows it.

        `provider` is OpenTelemetry's name, one that nobody knows, or None; `service_tier` is what
        the provider calls the way in which it served the call.
        """
        tier = service_tier.strip().lower()
        alias = next((a for a in self._aliases if a.matches(provider, model)), None)
        if alias is not None:
            provider, model = alias.model_provider or provider, alias.model
        mine = [o for o in self._overrides if o.matches(provider, model, tier)]
        listed = self._listed(provider, model, tier)
        if not mine and listed is not None:
            # The provider answers with a dated name; a contract is about the model.
            mine = [
                o
                for o in self._overrides
                if o.matches(provider, listed.model, tier)
                or o.matches(listed.provider, listed.model, tier)
            ]
        if not mine:
            return listed

        def card_at(instant: datetime) -> RateCard | None:
            in_force = [o for o in mine if o.since is None or o.since <= instant.date()]
            if in_force:
                return max(in_force, key=Override.rank).card()
            return listed.card_at(instant) if listed else None

        return Listing(
            card_at,
            model=model,
            provider=provider,
            changes=tuple(sorted({o.since for o in mine if o.since is not None})),
            service_tiers=tuple(sorted({o.service_tier for o in mine if o.service_tier})),
        )

    def _listed(self, provider: str | None, model: str, tier: str) -> Listing | None:
        for reading in readings(provider, model):
            lister = self._lister(reading.provider, reading.model)
            info = lister and lister.find_model(
                reading.model, all_providers=self._snapshot.providers
            )
            if lister is not None and info is not None:
                return self._listing(reading.provider, lister, info, tier)
        return None

    def _lister(self, provider: str | None, model: str) -> Provider | None:
        """Return who lists a model. Not by the snapshot's own look-up: that keeps every name."""
        everyone = self._snapshot.providers
        if provider is not None:
            known = providers().get(provider)
            return find_provider_by_id(everyone, known.prices if known else provider)
        makers = (
            p for p in everyone if p.model_match is not None and p.model_match.is_match(model)
        )
        return next(makers, None)

    def _listing(
        self, provider: str | None, lister: Provider, info: ModelInfo, tier: str
    ) -> Listing:
        price_id = f"{lister.id}:{info.id}"
        # A host of another's model does not take over the other's batch and tier prices.
        variants = info.price_variants or [] if any(info is m for m in lister.models) else []
        context = (_CONTEXTS.get(tier) or {"service_tier": tier}) if tier and variants else None
        constant = None
        if isinstance(info.prices, ModelPrice) and context is None:
            constant = self._card(price_id, info, info.prices)

        def card_at(instant: datetime) -> RateCard:
            return constant or self._card(price_id, info, info.get_prices(instant, context))

        dated = [] if isinstance(info.prices, ModelPrice) else info.prices
        constraints = [each.constraint for each in (*dated, *(variants if context else ()))]
        maker = next((p.name for p in providers().values() if p.prices == lister.id), lister.id)
        return Listing(
            card_at,
            model=info.id,
            provider=provider or maker,
            urls=tuple(lister.pricing_urls or ()),
            changes=tuple(
                sorted({c.start_date for c in constraints if isinstance(c, StartDateConstraint)})
            ),
            service_tiers=tuple(
                sorted({word for v in variants for word in v.when.values() if word != "default"})
            ),
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


# The user's price file ---------------------------------------------------------------------------

Dollars = Annotated[Decimal, Field(ge=0, le=1000)]
Prices = dict[str, Annotated[Decimal, Field(ge=0, le=9000)]]

# A kind that a file leaves out is charged as what it is a part of.
_PARENTS: dict[str, str] = {
    "input_audio": "input",
    "input_image": "input",
    "cache_read": "input",
    "cache_write": "input",
    "cache_write_1h": "cache_write",
    "reasoning": "output",
    "output_audio": "output",
    "output_image": "output",
}


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Alias(_Entry):
    """One name of a deployment, or of anything else that only its owner can read."""

    name: str
    """Name as sent; `*` and `?` match as in a shell."""
    provider: str | None = None
    """OpenTelemetry's name; without one the alias holds for every provider."""
    model: str
    """What it is: read as if it had been sent."""
    model_provider: str | None = None
    """Whose model it is; without one, the provider that was sent."""

    def matches(self, provider: str | None, model: str) -> bool:
        """Return whether this is the name that was sent."""
        return _matches(self.provider, provider) and _fits(self.name, model)


class Above(_Entry):
    """Prices of a request that has more than so many input tokens, for all of its tokens."""

    input_tokens: Annotated[int, Field(ge=1)]
    prices: Prices


class Override(_Entry):
    """One price of the file: US dollars for a million tokens of each kind, a call or an hour."""

    model: str
    """Name as sent; `*` and `?` match as in a shell."""
    provider: str | None = None
    """OpenTelemetry's name; without one the entry holds for every provider."""
    since: date | None = None
    """First day (UTC) that the price holds; the latest that has begun wins."""
    service_tier: str | None = None
    """batch, flex, priority ...; without one the entry holds for every tier."""
    prices: Prices = {}
    """By `token_type`; a kind that is left out is charged as what it is a part of."""
    above: tuple[Above, ...] = ()
    """Prices of larger requests, the smallest first."""
    request_usd: Dollars | None = None
    """US dollars for each call; with it, tokens without a price cost nothing."""
    gpu_hour_usd: Dollars | None = None
    """US dollars for an hour of one GPU: a call costs its share of the time that it takes."""
    gpus: Annotated[int, Field(ge=1, le=10_000)] = 1
    """GPUs that serve the model together."""
    concurrency: Annotated[Decimal, Field(gt=0, le=1_000_000)] = Decimal(1)
    """Calls that share the GPUs at a time, on average."""
    origin: str = ""

    @model_validator(mode="after")
    def _some_price(self) -> Override:
        if not self.prices and self.request_usd is None and self.gpu_hour_usd is None:
            raise ValueError("give prices by token type, request_usd or gpu_hour_usd")
        starts = [step.input_tokens for step in self.above]
        if starts != sorted(set(starts)):
            raise ValueError("above: input_tokens must rise from entry to entry")
        if any(step.prices.keys() != self.prices.keys() for step in self.above):
            raise ValueError("above: each entry needs the token types of prices")
        if self.gpu_hour_usd is None and {"gpus", "concurrency"} & self.model_fields_set:
            raise ValueError("gpus and concurrency go with gpu_hour_usd")
        return self

    def matches(self, provider: str | None, model: str, service_tier: str = "") -> bool:
        """Return whether the entry is about this model, served in this way."""
        return (
            self.service_tier in (None, service_tier)
            and _matches(self.provider, provider)
            and _fits(self.model, model)
        )

    def rank(self) -> tuple[bool, date]:
        """Return what decides between entries in force: the tier's own, then the latest."""
        return self.service_tier is not None, self.since or date.min

    def card(self) -> RateCard:
        """Return the entry as a rate card."""
        rates: dict[str, Rate] = {}
        for kind in TOKEN_KINDS:
            name: str | None = kind.name
            while name is not None and name not in self.prices:
                name = _PARENTS.get(name)
            if name is not None:
                rates[kind.name] = Rate(
                    _pico(self.prices[name]),
                    tuple(step.input_tokens for step in self.above),
                    tuple(_pico(step.prices[name]) for step in self.above),
                )
            elif self.request_usd is not None or self.gpu_hour_usd is not None:
                rates[kind.name] = Rate(0)
        hour = (self.gpu_hour_usd or Decimal(0)) * self.gpus / self.concurrency
        return RateCard(
            price_id=f"{self.provider or '*'}:{self.model}",
            version=self.origin,
            model=self.model if "*" not in self.model and "?" not in self.model else "",
            rates=rates,
            request=_pico(self.request_usd or Decimal(0), per=1),
            hour=_pico(hour, per=1),
            by_call=not self.prices,
        )


def _matches(wanted: str | None, provider: str | None) -> bool:
    if wanted is None or wanted == provider:
        return True
    known = providers().get(wanted.lower())
    return known is not None and known.name == provider


def _fits(pattern: str, name: str) -> bool:
    return fnmatchcase(name, pattern.replace("[", "[[]"))


class _PriceFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", title="price file, `models: [...]`")

    models: tuple[Override, ...] = ()
    aliases: tuple[Alias, ...] = ()

    @model_validator(mode="after")
    def _something(self) -> _PriceFile:
        if not self.models and not self.aliases:
            raise ValueError("give models or aliases")
        return self


def load_overrides(path: Path) -> tuple[Override | Alias, ...]:
    """Read a price file; raise ConfigurationError that names what is wrong.

    The file is YAML: prices under `models`, names of deployments under `aliases`.
    """
    try:
        text = path.read_text(encoding="utf-8")
        raw: Any = yaml.safe_load(text)
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        file = _PriceFile.model_validate(raw)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise ConfigurationError(f"price file {path.name}: {error}") from error
    kinds = {kind.name for kind in TOKEN_KINDS}
    for override in file.models:
        if unknown := sorted(set(override.prices) - kinds):
            raise ConfigurationError(
                f"price file {path.name}: {override.model}: unknown token types "
                f"{', '.join(unknown)}; known are {', '.join(sorted(kinds))}"
            )
    priced = (o.model_copy(update={"origin": f"override {digest}"}) for o in file.models)
    return (*priced, *file.aliases)
