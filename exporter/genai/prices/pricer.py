"""Put a cost on every call: resolve each (provider, model, minute) once, then multiply columns.

Cost is integer arithmetic: picodollars a token times tokens, each part rounded half to even to
whole nano-dollars, and the total is the sum of the rounded parts. So every sum anywhere (metrics,
ClickHouse, a flame graph) adds the same integers.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

import numpy as np
import pyarrow as pa

from exporter.genai.fields import CALL, REPORTED_ABOVE
from exporter.genai.prices.book import PriceBook
from exporter.genai.prices.cards import SLOT_NS, Cards
from exporter.genai.prices.money import money, nano_dollars
from exporter.genai.prices.multiply import Costs, multiply
from exporter.genai.prices.rates import RateCard
from exporter.genai.tokens import reports_usage
from exporter.genai.transforms import providers
from exporter.spans.arrow import equals, holds, known, pc, words
from exporter.spans.batch import Bools, Ints, SpanBatch
from exporter.spans.schema import COST_COLUMNS

# Attributes in which a gateway says what it charged. What other attributes hold is an estimate by
# somebody's SDK, from a price list of its own.
CHARGE_KEYS = ("litellm.cost.total", "gen_ai.cost.total_cost", "gen_ai.usage.total_cost")
CHARGED = "ReportedCostIsCharge"
"""A column that says the same, for a batch whose attributes are not at hand."""

UNPRICED_REASONS = ("no_model", "unknown_model", "no_usage", "no_rate")
_NO_MODEL, _UNKNOWN_MODEL, _NO_USAGE, _NO_RATE = range(len(UNPRICED_REASONS))


class CostSource(StrEnum):
    """Which cost counts where a sender reports one and we compute another."""

    CHARGED_FIRST = "charged_first"
    """A gateway's charge, else ours, else an SDK's estimate."""
    COMPUTED_FIRST = "computed_first"
    """Ours, else what is reported."""
    REPORTED_FIRST = "reported_first"
    """What is reported, else ours."""
    COMPUTED = "computed"
    """Ours or none."""


class Pricer:
    """Adds the cost columns to a normalised batch."""

    def __init__(
        self, book: PriceBook, cost_source: CostSource | str = CostSource.CHARGED_FIRST
    ) -> None:
        self._rate_cards = Cards(book)
        self._cost_source = CostSource(cost_source)

    def __call__(self, batch: SpanBatch) -> SpanBatch:
        """Return the batch with Model and cost columns; calls and what has usage are priced.

        What a gateway answered from its own cache costs nothing. The optional columns ServiceTier
        (text) and CacheHit (boolean) are heeded where the batch has them.
        """
        has_usage = reports_usage(batch)
        # An agent may report usage that no call below it does, so whatever has usage is priced.
        calls = holds(batch["SpanClass"], CALL) | has_usage
        models = _effective_model(batch)
        cards, card_of_span, has_model = self._cards(batch, models, calls)
        costs = multiply(batch, cards, card_of_span)
        free = _free(batch) & calls
        costs = _waive(costs, free)
        has_usage |= costs.without_usage
        priced = ((card_of_span >= 0) & has_usage & ~costs.unrated) | free
        reason = np.full(len(batch), -1, dtype=np.int32)
        reason[calls & ~has_model] = _NO_MODEL
        reason[calls & has_model & (card_of_span < 0)] = _UNKNOWN_MODEL
        reason[calls & (card_of_span >= 0) & costs.unrated] = _NO_RATE
        # A failed call without usage has nothing to price; one that succeeded has lost its usage.
        reason[~has_usage] = -1
        lost = ~_reported_above(batch) & holds(batch["Status"], "ok")
        reason[calls & ~has_usage & lost] = _NO_USAGE
        reason[free] = -1
        given = self._given(batch, priced) & calls
        counted = priced & ~given
        return batch.with_columns(
            _cost_columns(batch, costs, priced, given, reason)
            | _card_columns(batch["Provider"], models, cards, card_of_span, counted)
        )

    def _given(self, batch: SpanBatch, priced: Bools) -> Bools:
        """Return where the reported cost counts."""
        reported = known(batch["ReportedCostUsd"])
        match self._cost_source:
            case CostSource.CHARGED_FIRST:
                return reported & (_charged(batch) | ~priced)
            case CostSource.COMPUTED_FIRST:
                return reported & ~priced
            case CostSource.REPORTED_FIRST:
                return reported
            case CostSource.COMPUTED:
                return np.zeros(len(batch), dtype=np.bool_)

    def _cards(
        self, batch: SpanBatch, models: pa.DictionaryArray, calls: Bools
    ) -> tuple[list[RateCard], Ints, Bools]:
        """Return the distinct cards, the card of each span (-1: none) and who names a model."""
        model_codes = models.indices.fill_null(-1).to_numpy()
        providers = batch["Provider"]
        provider_codes = providers.indices.fill_null(-1).to_numpy()
        has_model = model_codes >= 0
        wanted = np.flatnonzero(calls & has_model)
        slots = batch.start_ns[wanted] // SLOT_NS
        tier_codes, tier_names = _service_tiers(batch)
        keys = np.stack(
            [provider_codes[wanted], model_codes[wanted], tier_codes[wanted], slots], axis=1
        )
        distinct, inverse = np.unique(keys, axis=0, return_inverse=True)
        provider_names = providers.dictionary.to_pylist()
        model_names = models.dictionary.to_pylist()
        cards: list[RateCard] = []
        codes = np.full(len(distinct), -1, dtype=np.int32)
        # A loop over distinct models and minutes, a handful in a batch.
        for position, (p, m, tier, slot) in enumerate(distinct.tolist()):
            provider = provider_names[p] if p >= 0 else None
            tier_name = tier_names[tier] if tier >= 0 else ""
            found = self._rate_cards.find(provider, model_names[m], tier_name, slot * SLOT_NS)
            if found is not None:
                codes[position] = len(cards)
                cards.append(found[1])
        card_of_span = np.full(len(batch), -1, dtype=np.int32)
        card_of_span[wanted] = codes[inverse.reshape(-1)]
        return cards, card_of_span, has_model


def _effective_model(batch: SpanBatch) -> pa.DictionaryArray:
    """Return the model as answered, else as asked for."""
    answered = batch["ResponseModel"].cast(pa.string())
    return pc.coalesce(answered, batch["RequestModel"].cast(pa.string())).dictionary_encode()


def _service_tiers(batch: SpanBatch) -> tuple[Ints, list[str]]:
    """Return the code of each span's service tier (-1: not known) and the tiers."""
    column = batch.columns.get("ServiceTier")
    if column is None:
        return np.full(len(batch), -1, dtype=np.int32), []
    encoded = column.cast(pa.string()).dictionary_encode()
    return encoded.indices.fill_null(-1).to_numpy(), encoded.dictionary.to_pylist()


def _reported_above(batch: SpanBatch) -> Bools:
    """Return the calls whose usage is counted on a span above them."""
    column = batch.columns.get("UsageSource")
    if column is None:
        return np.zeros(len(batch), dtype=np.bool_)
    return equals(column.cast(pa.string()), REPORTED_ABOVE)


def _free(batch: SpanBatch) -> Bools:
    """Return which spans a gateway answered from its own cache."""
    column = batch.columns.get("CacheHit")
    if column is None:
        return np.zeros(len(batch), dtype=np.bool_)
    return column.fill_null(False).to_numpy(zero_copy_only=False)


def _waive(costs: Costs, free: Bools) -> Costs:
    """Return the costs with nothing to pay where `free`."""
    if not free.any():
        return costs
    parts = {name: np.where(free, 0, part) for name, part in costs.parts.items()}
    present = {**costs.present, "request": costs.present["request"] & ~free}
    return replace(costs, parts=parts, present=present)


def _charged(batch: SpanBatch) -> Bools:
    """Return whose reported cost is a gateway's charge."""
    column = batch.columns.get(CHARGED)
    if column is not None:
        return column.fill_null(False).to_numpy(zero_copy_only=False)
    charged = np.zeros(len(batch), dtype=np.bool_)
    attributes = batch.attributes
    for key in CHARGE_KEYS:
        if key in attributes.key_names:
            entries = attributes.entries_of(attributes.key_names.index(key))
            charged[attributes.owners[entries]] = True
    return charged


def _cost_columns(
    batch: SpanBatch, costs: Costs, priced: Bools, given: Bools, reason: Ints
) -> dict[str, pa.Array]:
    """Return the cost that counts: theirs where `given`, else ours with its parts.

    Ours is kept beside theirs; it is null where the same is in the first column.
    """
    counted = priced & ~given
    total = sum(costs.parts.values(), np.zeros(len(batch), dtype=np.int64))
    cost = np.where(given, nano_dollars(batch["ReportedCostUsd"]), total)
    columns: dict[str, pa.Array] = {"CostUsd": money(cost, counted | given)}
    columns["ComputedCostUsd"] = money(total, priced & given)
    for name, column in COST_COLUMNS.items():
        columns[column] = money(costs.parts[name], counted & costs.present[name])
    source = np.where(counted, 0, np.where(given, 1, -1)).astype(np.int32)
    columns["CostSource"] = words(source, ["computed", "reported"])
    # A reported cost is a price: such a call is not unpriced.
    columns["UnpricedReason"] = words(np.where(given, -1, reason), UNPRICED_REASONS)
    return columns


def _provider_of(card: RateCard) -> str | None:
    """Return OpenTelemetry's name of the provider whose entry a card is."""
    lister = card.price_id.partition(":")[0]
    named = {known.prices: known.name for known in reversed(list(providers().values()))}
    return None if lister == "*" else named.get(lister, lister)


def _card_columns(
    sent: pa.DictionaryArray,
    models: pa.DictionaryArray,
    cards: list[RateCard],
    card_of_span: Ints,
    priced: Bools,
) -> dict[str, pa.Array]:
    listed = pa.array([card.model or None for card in cards], pa.string())
    with_card = pa.array(card_of_span, mask=card_of_span < 0)
    used = pa.array(card_of_span, mask=~priced | (card_of_span < 0))
    model = pc.coalesce(listed.take(with_card), models.cast(pa.string()))
    makers = pa.array([_provider_of(card) for card in cards], pa.string())
    provider = pc.coalesce(sent.cast(pa.string()), makers.take(with_card))
    return {
        # Who answers is not known where only the model is named: then the list's own provider.
        "Provider": provider.dictionary_encode(),
        "Model": model.dictionary_encode(),
        "PriceId": pa.array([c.price_id for c in cards], pa.string())
        .take(used)
        .dictionary_encode(),
        "PriceVersion": pa.array([c.version for c in cards], pa.string())
        .take(used)
        .dictionary_encode(),
    }
