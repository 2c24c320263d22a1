"""Attributes of many rows as OTLP's KeyValues: each that occurs again is written once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from exporter.query.wire import KeyValues

_STRING = "string"


def written(
    maps: pa.MapArray, kinds: pa.MapArray, key_values: KeyValues, tag: bytes
) -> list[list[bytes]]:
    """Return the attributes of each row: its pairs of key and text, with the kinds of `kinds`.

    Each is a KeyValue after `tag` and its length.
    """
    offsets, keys, values = _flat(maps)
    if not len(keys):
        return [[] for _ in range(len(maps))]
    named = _dictionary(keys)
    codes, kind_names = _kinds(offsets, named, kinds)
    if codes is None:
        return _one_by_one(maps, kinds, key_values, tag)
    texts = _dictionary(values)
    of_kind = named.indices.to_numpy().astype(np.int64) * len(kind_names) + codes
    mixed = of_kind * len(texts.dictionary) + texts.indices.to_numpy()
    distinct, at = np.unique(mixed, return_inverse=True)
    said, names = texts.dictionary.to_pylist(), named.dictionary.to_pylist()
    of_kinds, of_texts = np.divmod(distinct, len(said))
    bodies: list[bytes] = []
    for first, last in pairwise(
        [*np.unique(of_kinds, return_index=True)[1].tolist(), len(distinct)]
    ):
        name, kind = divmod(int(of_kinds[first]), len(kind_names))
        write = key_values.writer(names[name], kind_names[kind], tag)
        bodies += [write(said[code]) for code in of_texts[first:last].tolist()]
    every = [bodies[each] for each in at.tolist()]
    return [every[first:last] for first, last in pairwise(offsets.tolist())]


def kinds_of(keys: Sequence[str], types: Sequence[tuple[str, str]]) -> list[str]:
    """Return the kind of each attribute; of a key that occurs twice every entry has its own."""
    in_order: dict[str, list[str]] = {}
    for key, kind in reversed(types):
        in_order.setdefault(key, []).append(kind)
    once = len(in_order) == len(types)
    if once:
        return [in_order[key][0] if key in in_order else _STRING for key in keys]
    return [in_order[key].pop() if in_order.get(key) else _STRING for key in keys]


def _kinds(
    offsets: npt.NDArray[np.int64], named: pa.DictionaryArray, kinds: pa.MapArray
) -> tuple[npt.NDArray[np.int64] | None, list[str]]:
    """Return each attribute's kind as a position in the list; None where a row has a key twice."""
    kind_offsets, kind_keys, kind_values = _flat(kinds)
    codes = np.zeros(len(named), np.int64)
    if not len(kind_keys):
        return codes, [_STRING]
    many = len(named.dictionary)
    known = pc.call_function("index_in", [kind_keys], pc.SetLookupOptions(named.dictionary))
    known = known.fill_null(many).to_numpy()
    ids = _rows(kind_offsets) * (many + 1) + known
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    if (ids[1:] == ids[:-1]).any():
        return None, []
    asked = _rows(offsets) * (many + 1) + named.indices.to_numpy()
    at = np.minimum(np.searchsorted(ids, asked), len(ids) - 1)
    found = _dictionary(kind_values)
    listed = found.indices.to_numpy()[order][at] + 1
    codes = np.where(ids[at] == asked, listed, codes)
    return codes, [_STRING, *found.dictionary.to_pylist()]


def _one_by_one(
    maps: pa.MapArray, kinds: pa.MapArray, key_values: KeyValues, tag: bytes
) -> list[list[bytes]]:
    one = key_values.one
    found: list[list[bytes]] = []
    for pairs, types in zip(maps.to_pylist(), kinds.to_pylist(), strict=True):
        of_keys = kinds_of([key for key, _ in pairs], types)
        found.append(
            [tag + one(key, value, kind) for (key, value), kind in zip(pairs, of_keys, strict=True)]
        )
    return found


def _flat(maps: pa.MapArray) -> tuple[npt.NDArray[np.int64], pa.Array, pa.Array]:
    """Return the offsets of n maps, n + 1 from 0, and all their keys and values."""
    offsets = np.asarray(maps.offsets).astype(np.int64)
    first, count = int(offsets[0]), int(offsets[-1] - offsets[0])
    return offsets - first, maps.keys.slice(first, count), maps.items.slice(first, count)


def _rows(offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the row of each entry."""
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))


def _dictionary(column: pa.Array) -> pa.DictionaryArray:
    return column if isinstance(column, pa.DictionaryArray) else column.dictionary_encode()
