"""Split reported token counts into disjoint kinds whose sum is the total.

Sources disagree about whether the input count includes cached tokens and whether the output count
includes reasoning; reading one as the other is the classic cause of wrong costs. The decision,
for each span, first rule that says something:

1. more cached tokens than input tokens: the input leaves them out (a part cannot exceed its
   whole);
2. the scope is known to leave them out, whatever its total says: an instrumentation that passes
   on a provider's raw counts sums just those into its total;
3. a reported total that the convention's rule does not explain, but another reading does;
4. the convention's rule.

The same for reasoning in the output; both are decided together, because one total is about both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from exporter.spans.arrow import known
from exporter.spans.batch import Bools, SpanBatch
from exporter.spans.schema import TOKEN_KINDS

Counts = NDArray[np.int64]
"""Token counts of n spans; -1: not known."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of n spans as reported (`fields.COUNT_FIELDS`), and what is known of them."""

    reported: Mapping[str, Counts]
    input_includes_cache: Bools
    output_includes_reasoning: Bools
    firm: Bools
    """Where the rule is known for the scope itself, so that a total does not overrule it."""


def reports_usage(batch: SpanBatch) -> Bools:
    """Return the spans of a normalised batch of which any kind of tokens is known."""
    reported = np.zeros(len(batch), dtype=np.bool_)
    for kind in TOKEN_KINDS:
        column = batch[kind.column]
        if column.null_count < len(column):
            reported |= known(column)
    return reported


def disjoint(usage: Usage) -> dict[str, Counts]:
    """Return the counts of each `TOKEN_KINDS` name; no kind is negative where it is known.

    A part that was not reported is not known (-1) and adds nothing to the total; a part larger
    than what is left of its whole is cut down to that.
    """
    reported = usage.reported
    read = reported["cache_read_tokens"]
    write = reported["cache_write_tokens"]
    write_1h = reported["cache_write_1h_tokens"]
    cached, reasoning = _parts(usage)
    into, out = _includes(usage, cached, reasoning)
    output = _whole(reported["output_tokens"], reasoning, ~out)
    all_input = _whole(reported["input_tokens"], cached, ~into)

    left = _Remainder(all_input)
    kinds = {
        "cache_read": left.take(read),
        "cache_write": left.take(write),
        "cache_write_1h": left.take(write_1h),
        "input_audio": left.take(reported["input_audio_tokens"]),
        "input_image": left.take(reported["input_image_tokens"]),
    }
    kinds["input"] = left.rest()
    left = _Remainder(output)
    kinds["reasoning"] = left.take(_reasoning(usage))
    kinds["output_audio"] = left.take(reported["output_audio_tokens"])
    kinds["output_image"] = left.take(reported["output_image_tokens"])
    kinds["output"] = left.rest()
    return kinds


class Rule(StrEnum):
    """Which of the rules above decided."""

    EXCEEDS = "exceeds"
    SCOPE = "scope"
    TOTAL = "total"
    CONVENTION = "convention"


@dataclass(frozen=True, slots=True)
class Reading:
    """How one span's reported counts were read, for `explain`."""

    input_includes_cache: bool
    input_rule: Rule | None
    """None: there are no cached tokens to tell apart."""
    output_includes_reasoning: bool
    output_rule: Rule | None
    """None: there is no reasoning to tell apart."""


def readings(usage: Usage) -> list[Reading]:
    """Return for each span what `disjoint` decided, and by which rule."""
    cached, reasoning = _parts(usage)
    into, out = _includes(usage, cached, reasoning)
    whole_in, whole_out = usage.reported["input_tokens"], usage.reported["output_tokens"]
    columns = (
        into.tolist(),
        _rules(whole_in, cached, usage.firm, into != usage.input_includes_cache),
        out.tolist(),
        _rules(whole_out, reasoning, usage.firm, out != usage.output_includes_reasoning),
    )
    return [Reading(*row) for row in zip(*columns, strict=True)]


def _rules(whole: Counts, parts: Counts, firm: Bools, overruled: Bools) -> list[Rule | None]:
    rows = zip(whole.tolist(), parts.tolist(), firm.tolist(), overruled.tolist(), strict=True)
    return [_rule(*row) for row in rows]


def _rule(whole: int, parts: int, firm: bool, overruled: bool) -> Rule | None:  # noqa: FBT001
    if not parts:
        return None
    if parts > whole:
        return Rule.EXCEEDS
    if firm:
        return Rule.SCOPE
    return Rule.TOTAL if overruled else Rule.CONVENTION


# Whether input includes cached tokens and output includes reasoning, the likeliest first.
_READINGS = ((True, True), (False, True), (True, False), (False, False))


def _parts(usage: Usage) -> tuple[Counts, Counts]:
    """Return all cached tokens, and reasoning; 0 where there are none."""
    names = ("cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens")
    read, write, write_1h = (_zero(usage.reported[name]) for name in names)
    return read + write + write_1h, _zero(_reasoning(usage))


def _reasoning(usage: Usage) -> Counts:
    """Return reasoning tokens; where they are left out, what a total has beyond the others."""
    reported = usage.reported
    given, total = reported["reasoning_tokens"], reported["total_tokens"]
    rest = total - _zero(reported["input_tokens"]) - _zero(reported["output_tokens"])
    left_out = usage.firm & ~usage.output_includes_reasoning
    derived = left_out & (given < 0) & (total >= 0) & (rest > 0)
    return np.where(derived, rest, given)


def _includes(usage: Usage, cached: Counts, reasoning: Counts) -> tuple[Bools, Bools]:
    """Return whether input includes cached tokens, and output includes reasoning.

    The rule holds unless a total contradicts it and another reading explains that total.
    """
    reported = usage.reported
    given_in, given_out = reported["input_tokens"], reported["output_tokens"]
    total = reported["total_tokens"]
    surplus = total - _zero(given_in) - _zero(given_out)
    into, out = usage.input_includes_cache.copy(), usage.output_includes_reasoning.copy()
    open_ = (
        ~usage.firm
        & (total >= 0)
        & (surplus != np.where(into, 0, cached) + np.where(out, 0, reasoning))
    )
    for into_reading, out_reading in _READINGS:
        left_out = (0 if into_reading else cached) + (0 if out_reading else reasoning)
        fits = open_ & (surplus == left_out)
        into[fits], out[fits] = into_reading, out_reading
        open_ &= ~fits
    return into & (cached <= given_in), out & (reasoning <= given_out)


def _whole(given: Counts, parts: Counts, left_out: Bools) -> Counts:
    """Return the count with its parts included, -1 where neither is known."""
    whole = _zero(given) + np.where(left_out, parts, 0)
    return np.where((given < 0) & (parts == 0), -1, whole)


def _zero(counts: Counts) -> Counts:
    return np.maximum(counts, 0)


class _Remainder:
    """What is left of a whole while its parts are taken out of it."""

    def __init__(self, whole: Counts) -> None:
        self._known = whole >= 0
        self._left = _zero(whole)

    def take(self, part: Counts) -> Counts:
        taken = np.minimum(_zero(part), self._left)
        self._left = self._left - taken
        return np.where((part >= 0) & self._known, taken, -1)

    def rest(self) -> Counts:
        return np.where(self._known, self._left, -1)
