"""The user's price file: contracts, deployment names, self-hosted models.

docs/prices.md has its form.
"""

from __future__ import annotations

import hashlib
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from exporter.errors import ConfigurationError
from exporter.genai.prices.rates import Rate, RateCard, pico
from exporter.genai.transforms import providers
from exporter.spans.schema import TOKEN_KINDS

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
                    pico(self.prices[name]),
                    tuple(step.input_tokens for step in self.above),
                    tuple(pico(step.prices[name]) for step in self.above),
                )
            elif self.request_usd is not None or self.gpu_hour_usd is not None:
                rates[kind.name] = Rate(0)
        hour = (self.gpu_hour_usd or Decimal(0)) * self.gpus / self.concurrency
        return RateCard(
            price_id=f"{self.provider or '*'}:{self.model}",
            version=self.origin,
            model=self.model if "*" not in self.model and "?" not in self.model else "",
            rates=rates,
            request=pico(self.request_usd or Decimal(0), per=1),
            hour=pico(hour, per=1),
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
