"""Estimate the tokens of calls that report none, from the text of what was asked and answered.

A call is estimated only where nothing exact is known of it: it succeeded, owns its usage, and
came without token counts and without a cost. Its UsageSource says `estimated` from then on, and
whatever adds up tokens or costs keeps it apart.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from math import ceil
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from exporter.genai.fields import CALL
from exporter.genai.tokenizers import Counter, Family, Method, Tokenizers, by_characters, catalogue
from exporter.spans.arrow import holds, known, pc
from exporter.spans.batch import Bools, SpanBatch
from exporter.spans.schema import TOKEN_KINDS

log = logging.getLogger(__name__)

# Text is what is billed there; an image or a minute of sound has tokens that no text tells.
_CHATS = frozenset({"chat", "generate_content"})
_INPUT_ONLY = frozenset({"embeddings", "rerank"})
_OPERATIONS = _CHATS | _INPUT_ONLY | {"text_completion"}

# Senders choose names: neither the table of families nor a search in one grows without end.
_FAMILIES_MAX = 4096
_NAME_CHARS_MAX = 256

# Longer JSON is counted as it stands, syntax included.
_JSON_CHARS_MAX = 1_000_000
_DEPTH_MAX = 32

# Members that tell messages, or a request or response around them, from an answer in JSON.
_MESSAGE = frozenset({"role", "parts", "messages", "choices", "contents", "candidates", "prompt"})
_BODY = frozenset({"content", "input", "output"})
# Members of messages that are text, or lead to text.
_TEXT = _MESSAGE - {"role"} | _BODY | {
    "arguments", "completion", "delta", "function", "functionCall", "functionResponse",
    "function_call", "instructions", "message", "name", "query", "documents", "reasoning",
    "reasoning_content", "refusal", "response", "result", "summary", "system",
    "systemInstruction", "text", "thinking", "toolCall", "toolCalls", "toolName", "toolResult",
    "toolUse", "tool_calls",
}  # fmt: skip
# Members whose JSON a model reads or writes as it is.
_LITERAL = frozenset({"args", "arguments", "functions", "json", "parameters", "tools"})
# Members that are text when they are that, and literal JSON when they are an object.
_EITHER = frozenset({"input", "output", "response", "result"})
_NO_TEXT = frozenset({
    "audio", "blob", "file", "image", "image_url", "input_audio", "input_file", "input_image",
    "uri", "video",
})  # fmt: skip


@dataclass(slots=True)
class Text:
    """What a model reads or writes of a column: pieces of text, and how many messages they make."""

    pieces: list[str] = field(default_factory=list)
    messages: int = 0

    @property
    def characters(self) -> int:
        """Length of all pieces."""
        return sum(len(piece) for piece in self.pieces)


def text_of(column: str | None) -> Text:
    """Return the text in a value: of JSON messages their contents, of anything else all of it."""
    text = Text()
    if not column:
        return text
    content = _json(column)
    try:
        if _is_messages(content):
            _collect(content, text, _DEPTH_MAX)
        else:
            text.pieces.append(column)
    except RecursionError:
        # What could just be read is too deep to be written.
        text = Text([column])
    text.messages = max(text.messages, 1)
    return text


def _json(column: str) -> Any:
    if len(column) > _JSON_CHARS_MAX or column[:64].lstrip()[:1] not in {"[", "{"}:
        return None
    try:
        return json.loads(column)
    except (ValueError, RecursionError):
        return None


def _is_messages(content: Any) -> bool:
    while isinstance(content, list) and content:
        content = content[0]
    if isinstance(content, str):
        # A list of inputs; a plain text is never parsed.
        return True
    if not isinstance(content, dict):
        return False
    keys = content.keys()
    return bool(keys & _MESSAGE) or ("model" in keys and bool(keys & _BODY))


def _collect(value: Any, text: Text, depth: int) -> None:
    if depth == 0:
        return
    if isinstance(value, str):
        text.pieces.append(value)
    elif isinstance(value, list):
        for item in value:
            _collect(item, text, depth - 1)
    elif isinstance(value, dict) and _is_text(value):
        text.messages += "role" in value
        for key, item in value.items():
            is_object = isinstance(item, dict) and not _is_messages(item)
            if isinstance(item, dict | list) and (
                key in _LITERAL or (key in _EITHER and is_object)
            ):
                text.pieces.append(json.dumps(item, ensure_ascii=False, separators=(",", ":")))
            elif key in _TEXT:
                _collect(item, text, depth - 1)


def _is_text(part: dict[str, Any]) -> bool:
    kind = part.get("type")
    return not (isinstance(kind, str) and kind in _NO_TEXT)


@dataclass(frozen=True, slots=True)
class _Call:
    """What is known of a call that is to be estimated."""

    family: Family
    operation: str
    input: Text
    output: Text


class Estimator:
    """Fills the token columns of calls that came without usage but with text."""

    def __init__(
        self, tokenizers: Tokenizers, *, span_max_chars: int, batch_max_chars: int
    ) -> None:
        """Limit the characters that are counted exactly.

        A longer text of a span is counted on its beginning and extrapolated; what goes beyond
        the limit of a batch is counted by the rule of characters.
        """
        self._tokenizers = tokenizers
        self._span_max = span_max_chars
        self._batch_max = batch_max_chars
        self._family = lru_cache(_FAMILIES_MAX)(catalogue().family)
        self.estimated = dict.fromkeys(Method, 0)
        """Calls estimated so far by method; of a batch that is tried again, twice."""
        methods = {name: str(method) for name, method in tokenizers.methods.items()}
        log.info("tokens of calls without usage are estimated", extra={"methods": methods})

    @property
    def methods(self) -> dict[str, Method]:
        """How the texts of each encoding are counted."""
        return self._tokenizers.methods

    def __call__(self, batch: SpanBatch) -> SpanBatch:
        """Return the batch with estimates; the same batch when there is nothing to estimate."""
        wanted = _wanted(batch)
        if not wanted.any():
            return batch
        rows = np.flatnonzero(wanted)
        estimates = np.full((len(batch), 2), -1, dtype=np.int64)
        left = self._batch_max
        # A loop over spans, because each has a text of its own; only over those without usage.
        for row, call in zip(rows.tolist(), self._calls(batch, rows), strict=True):
            wants = min(call.input.characters + call.output.characters, self._span_max)
            exact = wants <= left
            left -= wants if exact else 0
            estimates[row] = self._estimate(call, exact=exact)
        estimated = (estimates >= 0).any(axis=1)
        if not estimated.any():
            return batch
        source = pc.if_else(
            pa.array(estimated), "estimated", batch["UsageSource"].cast(pa.string())
        )
        return batch.with_columns({
            "TokensInput": _filled(batch["TokensInput"], estimates[:, 0]),
            "TokensOutput": _filled(batch["TokensOutput"], estimates[:, 1]),
            "UsageSource": source.dictionary_encode(),
        })  # fmt: skip

    def _calls(self, batch: SpanBatch, rows: NDArray[np.intp]) -> Iterator[_Call]:
        chosen = pa.array(rows)
        columns = [batch[n] for n in ("Provider", "ResponseModel", "RequestModel", "Operation")]
        columns += [batch["System"], _messages(batch, "Input"), _messages(batch, "Output")]
        texts = [column.take(chosen).to_pylist() for column in columns]
        for provider, answered, asked, operation, system, given, answer in zip(*texts, strict=True):
            model = answered or asked
            yield _Call(
                self._family(provider, model and model[:_NAME_CHARS_MAX]),
                operation,
                _with_system(text_of(given), system),
                Text() if operation in _INPUT_ONLY else text_of(answer),
            )

    def _estimate(self, call: _Call, *, exact: bool) -> tuple[int, int]:
        """Return the tokens of input and output, -1: no text."""
        encoding = call.family.encoding
        counter = self._tokenizers.counter(encoding) if exact else by_characters
        given, answered = call.input.characters, call.output.characters
        # The shorter of the two is counted whole where it fits into half of the limit.
        of_answer = min(answered, max(self._span_max // 2, self._span_max - given))
        of_input = min(given, self._span_max - of_answer)
        tokens = (
            _count(call.input.pieces, of_input, counter, call.family.factor) if given else -1,
            _count(call.output.pieces, of_answer, counter, call.family.factor) if answered else -1,
        )
        if tokens == (-1, -1):
            return tokens
        self.estimated[self.methods[encoding] if exact else Method.CHARACTERS] += 1
        if tokens[0] >= 0 and call.operation in _CHATS:
            chat = catalogue()
            return tokens[0] + chat.per_reply + chat.per_message * call.input.messages, tokens[1]
        return tokens


def _wanted(batch: SpanBatch) -> Bools:
    """Return the calls that succeeded without saying anything of their usage."""
    wanted = holds(batch["UsageSource"], "missing")
    if not wanted.any():
        return wanted
    wanted &= holds(batch["SpanClass"], CALL) & holds(batch["UsageRole"], "own")
    wanted &= holds(batch["Status"], "ok")
    # A cost that the sender knows is exact; priced estimates would take its place.
    wanted &= ~known(batch["ReportedCostUsd"])
    for kind in TOKEN_KINDS:
        wanted &= ~known(batch[kind.column])
    billed = np.zeros(len(batch), dtype=np.bool_)
    for operation in _OPERATIONS:
        billed |= holds(batch["Operation"], operation)
    has_text = known(batch["Input"]) | known(batch["Output"]) | known(batch["System"])
    return wanted & billed & has_text


def _messages(batch: SpanBatch, side: str) -> pa.Array:
    """Return what was said as messages where they are known, else as text."""
    messages = batch.columns.get(f"{side}Messages")
    return batch[side] if messages is None else pc.coalesce(messages, batch[side])


def _with_system(text: Text, instructions: str | None) -> Text:
    """Add the instructions, unless they are one of the messages already."""
    system = text_of(instructions)
    present = set(text.pieces)
    pieces = [piece for piece in system.pieces if piece not in present]
    if not pieces:
        return text
    return Text(pieces + text.pieces, text.messages + 1)


def _count(pieces: Sequence[str], limit: int, counter: Counter, factor: Fraction) -> int:
    """Return the tokens of all pieces, from the first `limit` characters where there are more."""
    total = sum(len(piece) for piece in pieces)
    if total <= limit:
        return ceil(counter(pieces) * factor)
    start: list[str] = []
    seen = 0
    for piece in pieces:
        start.append(piece[: limit - seen])
        seen += len(start[-1])
        if seen == limit:
            break
    return ceil(counter(start) * factor * total / seen)


def _filled(column: pa.Array, estimates: NDArray[np.int64]) -> pa.Array:
    """Return the column with the estimates in it; -1 is none."""
    counts = pa.array(estimates, pa.uint64(), mask=estimates < 0)
    return pc.coalesce(counts, column)
