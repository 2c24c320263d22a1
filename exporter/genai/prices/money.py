"""Money in columns: integers of nano-dollars in the code, decimals with nine digits in a batch."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from exporter.spans.batch import Bools

Nano = NDArray[np.int64]
"""Nano-dollars of n spans."""


def money(nano: Nano, known: Bools) -> pa.Array:
    """Return nano-dollars as a decimal column, null where not known."""
    bitmap = pa.py_buffer(np.packbits(known, bitorder="little"))
    return pa.Array.from_buffers(pa.decimal64(18, 9), len(nano), [bitmap, pa.py_buffer(nano)])


def nano_dollars(column: pa.Array) -> Nano:
    """Return a money column as integers of nano-dollars; null reads as 0."""
    raw = np.frombuffer(column.buffers()[1], dtype=np.int64)[
        column.offset : column.offset + len(column)
    ]
    if column.null_count == 0:
        return raw
    return np.where(column.is_valid().to_numpy(zero_copy_only=False), raw, 0)
