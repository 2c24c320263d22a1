"""Where rate cards come from: the user's price file, then genai-prices.

The price list is genai-prices (dated, tiered, bundled with its package). A user's price file stands
on top of it, for contracts, deployment names and self-hosted models; docs/prices.md has its form.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from importlib.metadata import version

from genai_prices.data_snapshot import DataSnapshot, find_provider_by_id, get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, Provider, StartDateConstraint, TieredPrices

from exporter.genai.model_names import readings
from exporter.genai.prices.price_file import Alias, Override
from exporter.genai.prices.rates import Listing, Rate, RateCard, pico
from exporter.genai.transforms import providers

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
            request=pico(request, per=1000) if isinstance(request, Decimal) else 0,
        )


def _first_rate(prices: ModelPrice, keys: tuple[str, ...]) -> Rate | None:
    for key in keys:
        price: Decimal | TieredPrices | None = getattr(prices, key)
        if isinstance(price, TieredPrices):
            return Rate(
                pico(price.base),
                tuple(tier.start for tier in price.tiers),
                tuple(pico(tier.price) for tier in price.tiers),
            )
        if price is not None:
            return Rate(pico(price))
    return None
