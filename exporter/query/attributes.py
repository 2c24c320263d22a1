"""Attributes of many rows as OTLP's KeyValues, all at once."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from enum import IntEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf import json_format
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from exporter.query.wire import (
    BYTES,
    Bytes,
    Ints,
    Lists,
    fixed,
    joined,
    lengths,
    message,
    of_each,
    repeated,
    starts,
    text,
    varint_lengths,
    varints,
)

_STRING = "string"
_KEY, _VALUE = b"\x0a", b"\x12"


def written(maps: pa.MapArray, kinds: pa.MapArray, tag: bytes) -> Lists:
    """Return the attributes of each row: its pairs of key and text, with the kinds of `kinds`.

    Each is a KeyValue after `tag` and its length.
    """
    offsets, keys, values = _flat(maps)
    if not len(keys):
        return Lists(offsets, pa.array([], BYTES))
    named = _dictionary(keys)
    codes, kind_names = _kinds(offsets, named, kinds)
    if codes is None:
        codes, kind_names = _kinds_one_by_one(maps, kinds)
    return Lists(offsets, _key_values(tag, named, codes, kind_names, values))


def of_key(tag: bytes, key: str, texts: pa.Array) -> Bytes:
    """Return an attribute of this key for each text."""
    zeros = np.zeros(len(texts), np.int64)
    named = pa.DictionaryArray.from_arrays(pa.array(zeros), pa.array([key]))
    return _key_values(tag, named, zeros, [_STRING], texts)


def has_key(maps: pa.MapArray, key: str) -> npt.NDArray[np.bool_]:
    """Return of each row whether it has a key."""
    offsets, keys, _ = _flat(maps)
    equal = pc.call_function("equal", [_plain(keys), pa.scalar(key)]).to_numpy(zero_copy_only=False)
    before = starts(equal.astype(np.int64))
    return before[offsets[1:]] > before[offsets[:-1]]


def kinds_of(keys: Sequence[str], types: Sequence[tuple[str, str]]) -> list[str]:
    """Return the kind of each attribute; of a key that occurs twice every entry has its own."""
    in_order: dict[str, list[str]] = {}
    for key, kind in reversed(types):
        in_order.setdefault(key, []).append(kind)
    once = len(in_order) == len(types)
    if once:
        return [in_order[key][0] if key in in_order else _STRING for key in keys]
    return [in_order[key].pop() if in_order.get(key) else _STRING for key in keys]


# Kinds ----------------------------------------------------------------------------------------


def _kinds(
    offsets: Ints, named: pa.DictionaryArray, kinds: pa.MapArray
) -> tuple[Ints | None, list[str]]:
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


def _kinds_one_by_one(maps: pa.MapArray, kinds: pa.MapArray) -> tuple[Ints, list[str]]:
    place: dict[str, int] = {}
    codes = [
        place.setdefault(kind, len(place))
        for pairs, types in zip(maps.to_pylist(), kinds.to_pylist(), strict=True)
        for kind in kinds_of([key for key, _ in pairs], types)
    ]
    return np.array(codes, np.int64), list(place)


# KeyValues ------------------------------------------------------------------------------------


def _key_values(
    tag: bytes, keys: pa.DictionaryArray, kinds: Ints, kind_names: list[str], texts: pa.Array
) -> Bytes:
    """Return the KeyValue of each attribute; its lengths come first, so that it is built once."""
    names = pa.array([text(_KEY, key) for key in keys.dictionary.to_pylist()], BYTES)
    fields = names.take(keys.indices)
    heads, bodies = _any_values(kinds, kind_names, texts)
    of_value = lengths(heads) + lengths(bodies)
    whole = lengths(fields) + len(_VALUE) + varint_lengths(of_value) + of_value
    return joined(tag, varints(whole), fields, _VALUE, varints(of_value), heads, bodies)


class _Class(IntEnum):
    """Kinds that are written in the same way."""

    STRING = 0
    INT = 1
    BOOL = 2
    DOUBLE = 3
    BYTES = 4
    STRINDEX = 5
    EMPTY = 6
    NESTED = 7


_CLASSES = {each.name.lower(): each for each in _Class if each is not _Class.NESTED}


def _any_values(kinds: Ints, kind_names: list[str], texts: pa.Array) -> tuple[Bytes, Bytes]:
    """Return the AnyValue of each text in two parts: what comes before the value, and the value."""
    classes = np.array([_CLASSES.get(name, _Class.NESTED) for name in kind_names])[kinds]
    used = np.unique(classes).tolist()
    if used in ([], [_Class.STRING]):
        return _strings(texts)
    heads: list[Bytes] = []
    bodies: list[Bytes] = []
    rows: list[npt.NDArray[np.intp]] = []
    for each in used:
        of_class = np.flatnonzero(classes == each)
        if each == _Class.NESTED:
            head, body = _nested(kinds[of_class], kind_names)
        else:
            head, body = _WRITERS[each](texts.take(pa.array(of_class)))
        heads.append(head)
        bodies.append(body)
        rows.append(of_class)
    # Where each row stands among those that were written class by class.
    back = np.empty(len(kinds), np.int64)
    back[np.concatenate(rows)] = np.arange(len(kinds))
    at = pa.array(back)
    return pa.concat_arrays(heads).take(at), pa.concat_arrays(bodies).take(at)


def _strings(texts: pa.Array) -> tuple[Bytes, Bytes]:
    said = _plain(texts).cast(BYTES)
    return joined(b"\x0a", varints(lengths(said))), said


def _integers(tag: bytes) -> Callable[[pa.Array], tuple[Bytes, Bytes]]:
    def write(texts: pa.Array) -> tuple[Bytes, Bytes]:
        numbers = _plain(texts).cast(pa.int64()).to_numpy()
        return _same(tag, len(texts)), varints(numbers.astype(np.uint64))

    return write


def _doubles(texts: pa.Array) -> tuple[Bytes, Bytes]:
    numbers = np.array([float(each) for each in texts.to_pylist()], "<f8")
    every = np.ones(len(numbers), np.bool_)
    return _same(b"\x21", len(texts)), fixed(b"", numbers.view(np.uint8).reshape(-1, 8), every)


def _each(write: Callable[[str], bytes]) -> Callable[[pa.Array], tuple[Bytes, Bytes]]:
    return lambda texts: (_same(b"", len(texts)), of_each(texts, write))


def _nested(kinds: Ints, kind_names: list[str]) -> tuple[Bytes, Bytes]:
    """Return values that their kinds say alone."""
    used, codes = np.unique(kinds, return_inverse=True)
    said = [
        json_format.Parse(kind_names[kind], AnyValue()).SerializeToString()
        for kind in used.tolist()
    ]
    return _same(b"", len(kinds)), repeated(said, codes)


_WRITERS: dict[int, Callable[[pa.Array], tuple[Bytes, Bytes]]] = {
    _Class.STRING: _strings,
    _Class.INT: _integers(b"\x18"),
    _Class.BOOL: _each(lambda said: b"\x10\x01" if said == "true" else b"\x10\x00"),
    _Class.DOUBLE: _doubles,
    _Class.BYTES: _each(lambda said: message(b"\x3a", base64.b64decode(said))),
    _Class.STRINDEX: _integers(b"\x40"),
    _Class.EMPTY: _each(lambda _: b""),
}


# Arrow ----------------------------------------------------------------------------------------


def _same(value: bytes, count: int) -> Bytes:
    return pa.repeat(pa.scalar(value, BYTES), count)


def _plain(texts: pa.Array) -> pa.Array:
    return texts.dictionary_decode() if isinstance(texts, pa.DictionaryArray) else texts


def _flat(maps: pa.MapArray) -> tuple[Ints, pa.Array, pa.Array]:
    """Return the offsets of n maps, n + 1 from 0, and all their keys and values."""
    offsets = np.asarray(maps.offsets).astype(np.int64)
    first, count = int(offsets[0]), int(offsets[-1] - offsets[0])
    return offsets - first, maps.keys.slice(first, count), maps.items.slice(first, count)


def _rows(offsets: Ints) -> Ints:
    """Return the row of each entry."""
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))


def _dictionary(column: pa.Array) -> pa.DictionaryArray:
    return column if isinstance(column, pa.DictionaryArray) else column.dictionary_encode()
