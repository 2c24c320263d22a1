"""Columns of few words as codes, and combinations of several such columns as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Codes = npt.NDArray[np.int32]

# Up to here a table of all combinations that could be is quicker than sorting those that are.
_TABLE_MAX = 1 << 22


@dataclass(frozen=True, slots=True)
class Words:
    """A column of n words: n codes into distinct words."""

    codes: Codes
    words: tuple[str, ...]


def words_of(column: pa.ChunkedArray) -> Words:
    """Return a text column as codes; what is null is the empty word."""
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    array = encoded.unify_dictionaries().combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # of no rows
        return Words(np.zeros(0, np.int32), ())
    words: list[str] = [word or "" for word in array.dictionary.to_pylist()]
    if not array.null_count:
        return Words(array.indices.to_numpy().astype(np.int32), tuple(words))
    words = words if "" in words else [*words, ""]
    codes = array.indices.fill_null(words.index("")).to_numpy().astype(np.int32)
    return Words(codes, tuple(words))


def combined(columns: Sequence[Words]) -> tuple[Codes, list[tuple[str, ...]]]:
    """Return a code for each of n rows and the distinct combination of words of each code."""
    key = np.zeros(len(columns[0].codes), np.int64)
    size = 1
    for column in columns:
        if size * len(column.words) > 2**62:
            distinct, key = np.unique(key, return_inverse=True)
            size = len(distinct)
        key = key * len(column.words) + column.codes
        size *= len(column.words)
    code, first = _dense(key, size)
    rows = first.tolist()
    return code, [tuple(c.words[c.codes[row]] for c in columns) for row in rows]


def _dense(key: npt.NDArray[np.int64], size: int) -> tuple[Codes, npt.NDArray[np.int64]]:
    """Number the distinct keys below `size` without gaps; also give a row of each."""
    if size > _TABLE_MAX:
        _, first, code = np.unique(key, return_index=True, return_inverse=True)
        return code.astype(np.int32), first
    row_of = np.full(size, -1, np.int64)
    row_of[key] = np.arange(len(key))
    present = np.flatnonzero(row_of >= 0)
    number = np.zeros(size, np.int32)
    number[present] = np.arange(len(present), dtype=np.int32)
    return number[key], row_of[present]
