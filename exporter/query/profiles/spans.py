"""Rows of the store as the columns that flame graphs are made from."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from exporter.query.flame.frames import FrameFacts, frame_texts
from exporter.query.flame.spans import FlameSpans
from exporter.query.profiles.codes import combined, words_of

FRAME_COLUMNS: tuple[str, ...] = (
    *("SpanClass", "Operation", "Model", "Agent", "Tool"),
    *("SpanName", "SpanKind", "Endpoint"),
)
"""What a frame's text is made from, in the order of `FrameFacts`."""

_SPREAD = np.uint64(0x9E3779B97F4A7C15)


def spans_of(table: pa.Table) -> FlameSpans:
    """Return rows as spans with their frames."""
    codes, combinations = combined([words_of(table[name]) for name in FRAME_COLUMNS])
    return FlameSpans(
        trace=numbers(table, "TraceKey"),
        span=numbers(table, "SpanKey"),
        parent=numbers(table, "ParentKey"),
        frame=codes,
        frames=frame_texts(FrameFacts(*words) for words in combinations),
        start_ns=numbers(table, "StartNs"),
        end_ns=numbers(table, "EndNs"),
        value=numbers(table, "Value"),
    )


def once(table: pa.Table) -> pa.Table:
    """Return the rows with each span once; of one that was sent twice the row that counts most."""
    keys = numbers(table, "TraceKey") * _SPREAD + numbers(table, "SpanKey")
    ordered = np.sort(keys)
    if not (ordered[1:] == ordered[:-1]).any():
        return table
    order = np.lexsort((-numbers(table, "Value"), keys))
    first = np.concatenate(([True], keys[order][1:] != keys[order][:-1]))
    return table.take(pa.array(np.sort(order[first])))


def span_key(span_id: str) -> int:
    """Return the number that stands for a span id."""
    return int.from_bytes(bytes.fromhex(span_id), "little")


def span_id_of(key: int) -> str:
    """Return the span id that a number stands for."""
    return key.to_bytes(8, "little").hex()


def numbers(table: pa.Table, name: str) -> npt.NDArray[Any]:
    """Return a column of numbers."""
    return table[name].to_numpy()
