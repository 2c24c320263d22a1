"""Rates times tokens, in whole columns and exact integers.

Picodollars a token times tokens, each part rounded half to even to whole nano-dollars.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exporter.genai.prices.money import Nano
from exporter.genai.prices.rates import Rate, RateCard
from exporter.spans.arrow import holds, known
from exporter.spans.batch import Bools, Ints, SpanBatch
from exporter.spans.schema import COST_COLUMNS, NANOSECONDS, TOKEN_KINDS

_HOUR_NS = 3600 * NANOSECONDS
# A hundred million dollars: a span that lasts for ages must not overflow a column.
_COST_MAX = 10**17


@dataclass(frozen=True, slots=True)
class Costs:
    """Costs of n spans in nano-dollars: parts by cost type, and the kinds that have no rate."""

    parts: dict[str, Nano]
    present: dict[str, Bools]
    unrated: Bools
    without_usage: Bools
    """Which spans have a card that needs no tokens to give a cost."""


def multiply(batch: SpanBatch, cards: list[RateCard], card_of_span: Ints) -> Costs:
    """Return what n spans cost by their cards; `card_of_span` is -1 where a span has none."""
    n = len(batch)
    tokens = {
        kind.name: batch[kind.column].fill_null(0).to_numpy().astype(np.int64)
        for kind in TOKEN_KINDS
        if batch[kind.column].null_count < n
    }
    asked = sum(
        (tokens[k.name] for k in TOKEN_KINDS if k.name in tokens and not k.is_output),
        np.zeros(n, dtype=np.int64),
    )
    parts = {name: np.zeros(n, dtype=np.int64) for name in COST_COLUMNS}
    present = {name: np.zeros(n, dtype=np.bool_) for name in COST_COLUMNS}
    has_card = card_of_span >= 0
    # A model that is priced by the hour or the page has a card without a rate for any token.
    empty = np.array([not card.rates for card in cards] + [False])
    unrated = empty[card_of_span]
    for kind in TOKEN_KINDS:
        if kind.name not in tokens:
            continue
        count = tokens[kind.name]
        pico = _rates(cards, kind.name, card_of_span, asked)
        rated = has_card & (pico >= 0)
        parts[kind.cost] += _round_to_nano(np.where(rated, count * pico, 0))
        present[kind.cost] |= rated & known(batch[kind.column])
        unrated |= has_card & (pico < 0) & (count > 0)
    fee = np.array([_round_half_even(card.request) for card in cards] + [0], dtype=np.int64)
    parts["request"] = fee[card_of_span] + _by_the_hour(batch, cards, card_of_span)
    present["request"] = parts["request"] > 0
    hourly = np.array([card.hour > 0 for card in cards] + [False])
    by_call = np.array([card.by_call for card in cards] + [False])
    # A call that failed took its time of the GPU; nobody charges a fee for it.
    without_usage = (by_call & ~hourly)[card_of_span] & holds(batch["Status"], "ok")
    return Costs(parts, present, unrated, without_usage | hourly[card_of_span])


def _by_the_hour(batch: SpanBatch, cards: list[RateCard], card_of_span: Ints) -> Nano:
    """Return nano-dollars for the time that each call took, half to even."""
    cost = np.zeros(len(batch), dtype=np.int64)
    for position, card in enumerate(cards):
        if card.hour:
            mine = np.flatnonzero(card_of_span == position)
            # Integers of Python: a day times a rate does not fit into 64 bits. Such cards are few.
            exact = [
                min(_divide_half_even(duration * card.hour, _HOUR_NS * 1000), _COST_MAX)
                for duration in batch.duration_ns[mine].tolist()
            ]
            cost[mine] = exact
    return cost


def _divide_half_even(dividend: int, divisor: int) -> int:
    quotient, rest = divmod(dividend, divisor)
    return quotient + (2 * rest > divisor or (2 * rest == divisor and quotient % 2 == 1))


def _rates(cards: list[RateCard], kind: str, card_of_span: Ints, asked: Nano) -> Nano:
    """Return picodollars a token for each span, -1: no rate.

    The tier goes by the whole request's input tokens and holds for all of its tokens.
    """
    rates = [card.rates.get(kind) for card in cards]
    base = np.array([-1 if rate is None else rate.base for rate in rates] + [-1], dtype=np.int64)
    pico = base[card_of_span]
    for position, rate in enumerate(rates):
        if rate is not None and rate.starts:
            mine = card_of_span == position
            pico[mine] = _tiered(rate, asked[mine])
    return pico


def _tiered(rate: Rate, asked: Nano) -> Nano:
    ladder = np.array([rate.base, *rate.tiers], dtype=np.int64)
    return ladder[np.searchsorted(np.array(rate.starts), asked, side="left")]


def _round_to_nano(pico: Nano) -> Nano:
    """Return picodollars as nano-dollars, half to even."""
    quotient, rest = np.divmod(pico, 1000)
    up = (rest > 500) | ((rest == 500) & (quotient % 2 == 1))
    return quotient + up


def _round_half_even(pico: int) -> int:
    return int(_round_to_nano(np.array([pico], dtype=np.int64))[0])
