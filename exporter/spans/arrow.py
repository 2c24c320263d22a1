"""Vector operations that several stages share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from exporter.spans.batch import Bools, Ints

# pyarrow makes its compute functions when it is imported, so no type checker sees them.
pc: Any = pyarrow.compute


def known(column: pa.Array) -> Bools:
    """Return where a column is not null."""
    return column.is_valid().to_numpy(zero_copy_only=False)


def holds(column: pa.DictionaryArray, word: str) -> Bools:
    """Return where a dictionary-encoded column holds a word; null is no word."""
    code = column.dictionary.index(word).as_py()
    if code < 0:
        return np.zeros(len(column), dtype=np.bool_)
    return column.indices.fill_null(-1).to_numpy() == code


def equals(column: pa.Array, value: Any) -> Bools:
    """Return where a column equals a value; null equals nothing."""
    return pc.equal(column, value).fill_null(False).to_numpy(zero_copy_only=False)


def owners(offsets: Ints) -> Ints:
    """Return the owner of each item of lists that lie at these offsets."""
    return np.repeat(np.arange(len(offsets) - 1, dtype=np.int32), np.diff(offsets))


def words(codes: Ints, vocabulary: list[str] | tuple[str, ...]) -> pa.DictionaryArray:
    """Return codes as dictionary-encoded text; a negative code is null."""
    return pa.DictionaryArray.from_arrays(
        pa.array(codes, pa.int32(), mask=codes < 0), pa.array(vocabulary, pa.string())
    )
