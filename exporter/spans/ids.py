"""Trace and span ids: as lower-case hex text, and as numbers to look them up by."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from exporter.spans.arrow import pc
from exporter.spans.batch import Keys

_HEX = np.array([f"{byte:02x}" for byte in range(256)], dtype="S2").view(np.uint16)


def hex_text(ids: pa.BinaryArray) -> pa.StringArray:
    """Return bytes as lower-case hex text, all rows at once."""
    _, offsets_buffer, data = ids.buffers()
    offsets = np.frombuffer(offsets_buffer, dtype=np.int32)[ids.offset : ids.offset + len(ids) + 1]
    raw = np.frombuffer(data or b"", dtype=np.uint8)[offsets[0] : offsets[-1]]
    digits = _HEX[raw]
    return pa.StringArray.from_buffers(
        len(ids), pa.py_buffer((offsets - offsets[0]) * 2), pa.py_buffer(digits)
    )


def lengths(values: pa.BinaryArray) -> NDArray[np.int32]:
    """Return how many bytes each value has."""
    return pc.binary_length(values).to_numpy()


def folded(ids: pa.BinaryArray, length: int) -> Keys:
    """Return ids of this length as numbers of 64 bits."""
    _, offsets, data = ids.buffers()
    if not len(ids):
        return np.empty(0, dtype=np.uint64)
    start = np.frombuffer(offsets, dtype=np.int32)[ids.offset]
    raw = np.frombuffer(data, dtype=np.uint8)[start : start + len(ids) * length]
    parts = raw.view(np.uint64).reshape(len(ids), length // 8)
    numbers = parts[:, 0].copy()
    for i in range(1, parts.shape[1]):
        numbers = _mixed(numbers) ^ parts[:, i]
    return numbers


def parent_numbers(ids: pa.BinaryArray) -> Keys:
    """Return parents' ids as numbers, 0 for a root."""
    has_parent = lengths(ids) > 0
    numbers = np.zeros(len(ids), dtype=np.uint64)
    numbers[has_parent] = folded(ids.filter(pa.array(has_parent)), 8)
    return numbers


def span_keys(trace_keys: Keys, span_ids: Keys) -> Keys:
    """Return a number for each span that is unique over traces; no span (0) stays 0.

    Ids may be small or alike, so every bit of both has to reach every bit of the number.
    """
    return np.where(span_ids == 0, np.uint64(0), _mixed(_mixed(trace_keys) + span_ids))


def _mixed(numbers: Keys) -> Keys:
    """Return numbers with their bits well spread (the finaliser of splitmix64)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
