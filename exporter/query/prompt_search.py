"""Search in prompts and answers: what is searched for, and where a text has it.

Words are found as the text index cuts them: runs of ASCII letters and digits and of all other
characters beyond ASCII; only ASCII letters are alike in both cases.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from exporter.errors import WrongQueryError
from exporter.query.amounts import Seconds, Usd, exact_seconds
from exporter.query.times import rfc3339

_WORD = re.compile(r"[0-9A-Za-z\u0080-\U0010ffff]+")
_PART = re.compile(r'"([^"]*)"|(\S+)')
_WORDS_MAX = 32
_PLACES_MAX = 50
_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


@dataclass(frozen=True, slots=True)
class Search:
    """Words and phrases in lower case: a text must have all of them."""

    words: tuple[str, ...]
    phrases: tuple[str, ...]


class PromptRow(BaseModel):
    """A span whose prompt or answer has what was searched for."""

    model_config = ConfigDict(frozen=True)

    start: str = Field(description="RFC 3339.")
    trace_id: str
    span_id: str
    name: str
    service_name: str
    provider: str
    model: str
    operation: str
    status: str
    user_id: str
    session_id: str
    duration_s: Seconds
    tokens_total: int = Field(description="Tokens of all kinds.")
    cost_usd: Usd | None = Field(description="Null: no price, or no call.")
    in_input: bool = Field(description="Whether the prompt has it.")
    in_output: bool = Field(description="Whether the answer has it.")
    input: str = Field(description="Part of the prompt around the first place, or all of it.")
    input_chars: int = Field(description="Characters of the whole prompt.")
    input_highlights: list[tuple[int, int]] = Field(
        description="Ranges of `input` that were found: first character, and the one behind "
        "the last (Unicode code points), at most 50."
    )
    output: str = Field(description="The same of the answer.")
    output_chars: int
    output_highlights: list[tuple[int, int]]


def search(text: str) -> Search:
    """Read words and "phrases in quotes"; raise WrongQueryError where there is no word at all."""
    words: list[str] = []
    phrases: list[str] = []
    for phrase, loose in _PART.findall(text.translate(_LOWER)):
        words += _WORD.findall(phrase or loose)
        if phrase.strip():
            phrases.append(phrase.strip())
    distinct = tuple(dict.fromkeys(words))
    if not distinct:
        raise WrongQueryError('search: write words, or a phrase in quotes: refund "credit card"')
    if len(distinct) > _WORDS_MAX:
        raise WrongQueryError(f"search: at most {_WORDS_MAX} different words")
    return Search(distinct, tuple(dict.fromkeys(phrases)))


def highlights(text: str, wanted: Search) -> list[tuple[int, int]]:
    """Return where a text has the words and phrases: ranges that do not touch, in their order."""
    low = text.translate(_LOWER)
    loose = set(wanted.words)
    places = [m.span() for m in _WORD.finditer(low) if m.group() in loose]
    for phrase in wanted.phrases:
        places += [m.span() for m in re.finditer(re.escape(phrase), low)]
    return _merged(places)[:_PLACES_MAX]


def prompt_row(found: Mapping[str, Any], text: Mapping[str, Any], wanted: Search) -> PromptRow:
    """Return a row, from what the index found and the texts and figures of the span."""
    parts: dict[str, Any] = {}
    for side, column in (("input", "Input"), ("output", "Output")):
        shown: str = text[f"{column}Text"]
        parts[side] = shown
        parts[f"{side}_chars"] = text[f"{column}Chars"]
        parts[f"{side}_highlights"] = highlights(shown, wanted)
    return PromptRow(
        start=rfc3339(found["StartNs"]),
        trace_id=found["TraceId"],
        span_id=found["SpanId"],
        name=text["SpanName"],
        service_name=text["ServiceName"],
        provider=text["Provider"],
        model=text["Model"],
        operation=text["Operation"],
        status=text["Status"],
        user_id=text["UserId"],
        session_id=text["SessionId"],
        duration_s=exact_seconds(text["DurationNs"]),
        tokens_total=text["Tokens"],
        cost_usd=text["CostUsd"],
        in_input=bool(found["InputFound"]),
        in_output=bool(found["OutputFound"]),
        **parts,
    )


def _merged(places: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(places):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
