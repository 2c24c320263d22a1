"""Write prompts, answers and tools in one form, whatever convention keeps them where.

The form is that of OpenTelemetry's GenAI conventions: `[{"role", "parts": [{"type", ...}]}]`. What
is not recognised becomes one text part. Where a span says one thing under several keys, the best
one is read; every attribute remains beside it, in `Attributes` of the content row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from exporter.genai.messages.forms import Context, read
from exporter.genai.messages.item import SYSTEM, Message
from exporter.genai.messages.keys import Side
from exporter.genai.messages.parts import Part, json_text
from exporter.genai.messages.shapes import Content
from exporter.genai.messages.sources import Sources
from exporter.genai.messages.text import SYSTEM_ROLES, conversation_text, parts_text
from exporter.spans.arrow import holds
from exporter.spans.batch import SpanBatch

COLUMNS = ("Input", "Output", "System", "InputMessages", "OutputMessages", "ToolDefinitions")

_CALL_ID_KEYS = ("gen_ai.tool.call.id", "tool_call.id", "ai.toolCall.id")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentLimits:
    """How much of a span's content is kept in columns; its attributes are kept whole."""

    text_chars_max: int = 100_000
    """Characters of each of Input, Output and System. A text that is cut says so."""
    messages_max: int = 1_000
    """Messages of each side, and tools. The first are left out, which a first message says."""
    depth_max: int = 16
    """Levels of nesting that are searched for messages and parts; deeper ones stay JSON text."""


def content_columns(batch: SpanBatch, limits: ContentLimits) -> dict[str, pa.Array]:
    """Return the columns `COLUMNS` of n spans, null where a span has nothing of the kind.

    Takes a normalised batch: its content set apart, its class and tool known.
    """
    sources = Sources(batch)
    contexts = _Contexts(batch, limits.depth_max)
    chosen = {side: sources.chosen(side) for side in Side}
    rows = sorted({row for side in chosen.values() for row in side.spans})
    some = [(side, of_side) for side, of_side in chosen.items() if of_side.spans]
    # A Python loop over spans, but only over those with content: JSON of any shape has no columns.
    table = [
        _row(
            {
                side: read(side, of_side.entries(row), contexts[row])
                for side, of_side in some
                if row in of_side.spans
            },
            limits,
        )
        for row in rows
    ]
    return _columns(rows, table, len(batch))


def _row(found: dict[Side, Content], limits: ContentLimits) -> tuple[str | None, ...]:
    """Return one span's values of COLUMNS."""
    asked, answered = found.get(Side.INPUT), found.get(Side.OUTPUT)
    instructed, tooled = found.get(Side.SYSTEM), found.get(Side.TOOLS)
    messages = asked.messages if asked else []
    system = (instructed.system if instructed else []) or (asked.system if asked else [])
    spoken = [p for said in messages if said["role"] in SYSTEM_ROLES for p in said["parts"]]
    if system and system != spoken:
        messages = [{"role": SYSTEM, "parts": system}, *messages]
        spoken = system + spoken
    tools = (tooled.tools if tooled else []) or (asked.tools if asked else [])
    answers = answered.messages if answered else []
    messages, answers = (_limited(said, limits.messages_max) for said in (messages, answers))
    return (
        conversation_text(messages, limits.text_chars_max),
        conversation_text(answers, limits.text_chars_max),
        parts_text(spoken, limits.text_chars_max),
        json_text(messages) if messages else None,
        json_text(answers) if answers else None,
        json_text(tools[: limits.messages_max]) if tools else None,
    )


def _limited(messages: list[Message], messages_max: int) -> list[Message]:
    """Return the messages that say something, the last ones if they are too many."""
    said = [message for message in messages if message["parts"]]
    if len(said) <= messages_max:
        return said
    left_out = len(said) - messages_max
    mark: Part = {"type": "cut", "content": f"[{left_out} earlier messages left out]"}
    return [{"role": "", "parts": [mark]}, *said[left_out:]]


def _columns(rows: list[int], table: list[tuple[str | None, ...]], n: int) -> dict[str, pa.Array]:
    if not rows:
        return {name: pa.nulls(n, pa.string()) for name in COLUMNS}
    picks = np.full(n, -1, dtype=np.int32)
    picks[rows] = np.arange(len(rows), dtype=np.int32)
    chosen = pa.array(picks, mask=picks < 0)
    values = zip(*table, strict=True)
    return {
        name: pa.array(column, pa.string()).take(chosen)
        for name, column in zip(COLUMNS, values, strict=True)
    }


class _Contexts:
    """What the other columns of a span say about its content."""

    def __init__(self, batch: SpanBatch, depth: int) -> None:
        self._depth = depth
        self._plain = Context(depth=depth)
        span_class, tool = batch.columns.get("SpanClass"), batch.columns.get("Tool")
        self._tools: set[int] = set()
        if span_class is not None and pa.types.is_dictionary(span_class.type):
            self._tools = set(np.flatnonzero(holds(span_class, "tool")).tolist())
        self._names = tool if self._tools else None
        self._ids = _call_ids(batch)

    def __getitem__(self, row: int) -> Context:
        if row not in self._tools and row not in self._ids:
            return self._plain
        name = None if self._names is None else self._names[row].as_py()
        return Context(
            depth=self._depth,
            is_tool=row in self._tools,
            tool=name,
            call_id=self._ids.get(row),
        )


def _call_ids(batch: SpanBatch) -> dict[int, str]:
    attributes = batch.attributes
    found: dict[int, str] = {}
    for key in _CALL_ID_KEYS:
        if key in attributes.key_names:
            entries = attributes.entries_of(attributes.key_names.index(key))
            ids = attributes.text.take(pa.array(entries)).to_pylist()
            found |= zip(attributes.owners[entries].tolist(), ids, strict=True)
    return found
