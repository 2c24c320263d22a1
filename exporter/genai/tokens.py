"""Split reported token counts into disjoint kinds whose sum is the total.

Sources disagree about whether the input count includes cached tokens and whether the output count
includes reasoning; reading one as the other is the classic cause of wrong costs. The decision,
for each span, first rule that says something:

1. more cached tokens than input tokens: the input leaves them out (a part cannot exceed its
   whole);
2. a reported total equal to input + output says that it includes them, one equal to
   input + cached + output that it does not;
3. the rule of the convention and scope.

The same for reasoning in the output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exporter.spans.batch import Bools

Counts = NDArray[np.int64]
"""Token counts of n spans; -1: not known."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of n spans as reported (`fields.COUNT_FIELDS`), and what is known of them."""

    reported: Mapping[str, Counts]
    input_includes_cache: Bools
    output_includes_reasoning: Bools


def disjoint(usage: Usage) -> dict[str, Counts]:
    """Return the counts of each `TOKEN_KINDS` name; no kind is negative where it is known.

    A part that was not reported is not known (-1) and adds nothing to the total; a part larger
    than what is left of its whole is cut down to that.
    """
    reported = usage.reported
    read = reported["cache_read_tokens"]
    write = reported["cache_write_tokens"]
    write_1h = reported["cache_write_1h_tokens"]
    cached = _zero(read) + _zero(write) + _zero(write_1h)
    reasoning = _zero(reported["reasoning_tokens"])
    output = _whole(reported["output_tokens"], reasoning, ~_output_includes(usage, reasoning))
    all_input = _whole(reported["input_tokens"], cached, ~_input_includes(usage, cached))

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
    kinds["reasoning"] = left.take(reported["reasoning_tokens"])
    kinds["output_audio"] = left.take(reported["output_audio_tokens"])
    kinds["output_image"] = left.take(reported["output_image_tokens"])
    kinds["output"] = left.rest()
    return kinds


def _input_includes(usage: Usage, cached: Counts) -> Bools:
    reported = usage.reported
    given, output = reported["input_tokens"], _zero(reported["output_tokens"])
    total = reported["total_tokens"]
    says_yes = (total >= 0) & (total == given + output)
    says_no = (total >= 0) & (total == given + cached + output) & (cached > 0)
    includes = np.where(says_yes, True, np.where(says_no, False, usage.input_includes_cache))
    return includes & (cached <= given)


def _output_includes(usage: Usage, reasoning: Counts) -> Bools:
    reported = usage.reported
    given, asked = reported["output_tokens"], _zero(reported["input_tokens"])
    total = reported["total_tokens"]
    says_yes = (total >= 0) & (total == asked + given)
    says_no = (total >= 0) & (total == asked + given + reasoning) & (reasoning > 0)
    includes = np.where(says_yes, True, np.where(says_no, False, usage.output_includes_reasoning))
    return includes & (reasoning <= given)


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
