"""Tell in which conventions each span is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from exporter.genai.convention import Conventions
from exporter.spans.arrow import pc, words
from exporter.spans.batch import Bools, Ints, SpanBatch

Flags = NDArray[np.uint64]
"""The conventions that a span is written in, one bit each."""


class Detector:
    """Recognises conventions by attributes, scopes and names of spans."""

    def __init__(self, conventions: Conventions) -> None:
        self._all = conventions.all
        # Conventions that say something about a span but never make it a GenAI span.
        self._generic = sum(1 << bit for bit, c in enumerate(self._all) if c.detect.always)
        self._keys = _Names(
            [*c.detect.keys, *(f"{prefix}*" for prefix in c.detect.key_prefixes)] for c in self._all
        )
        self._scopes = _Names(c.detect.scopes for c in self._all)
        self._span_names = _Names(c.detect.span_names for c in self._all)
        self._by_value = [
            (key, held, np.uint64(1 << bit))
            for bit, c in enumerate(self._all)
            for key, held in c.detect.values.items()
        ]

    def __call__(self, batch: SpanBatch) -> Flags:
        """Return for each span the conventions that it is written in."""
        flags = np.full(len(batch), self._generic, dtype=np.uint64)
        self._mark_by_attributes(batch, flags)
        if len(batch.scopes["ScopeName"]):
            flags |= self._scopes.bits(batch.scopes["ScopeName"])[batch.scope_of_span]
        names = batch["SpanName"]
        if (by_name := self._span_names.bits(names.dictionary)).any():
            flags |= by_name[names.indices.to_numpy()]
        return flags

    def names(self, flags: Flags) -> pa.DictionaryArray:
        """Return the first convention of each span by name, null for none."""
        first = np.full(len(flags), -1, dtype=np.int32)
        own = flags & ~np.uint64(self._generic)
        for bit in reversed(present(own)):
            first[has(own, bit)] = bit
        return words(first, [c.name for c in self._all])

    def _mark_by_attributes(self, batch: SpanBatch, flags: Flags) -> None:
        attributes = batch.attributes
        if not len(attributes.codes):
            return
        by_key = self._keys.bits(attributes.keys)
        # reduceat reads an empty owner as its next neighbour, so only owners with entries.
        filled = np.diff(attributes.offsets) > 0
        starts = attributes.offsets[:-1][filled]
        flags[filled] |= np.bitwise_or.reduceat(by_key[attributes.codes], starts)
        for key, held, bit in self._by_value:
            flags[_holders(batch, key, held)] |= bit


def spans_that_hold(batch: SpanBatch, key: str, held: Sequence[str]) -> Bools:
    """Return which spans have an attribute with one of these values, as text."""
    found = np.zeros(len(batch), dtype=np.bool_)
    found[_holders(batch, key, held)] = True
    return found


def _holders(batch: SpanBatch, key: str, held: Sequence[str]) -> Ints:
    attributes = batch.attributes
    code = attributes.keys.index(key).as_py()
    if code < 0:
        return np.empty(0, dtype=np.int32)
    entries = attributes.entries_of(code)
    texts = attributes.text.take(pa.array(entries))
    found = pc.is_in(texts, value_set=pa.array(held, pa.string()))
    return attributes.owners[entries[found.to_numpy(zero_copy_only=False)]]


class _Names:
    """The patterns of each convention, and which conventions a name speaks for."""

    def __init__(self, patterns: Iterable[Iterable[str]]) -> None:
        exact: dict[str, int] = {}
        self._prefixes: dict[str, int] = {}
        for bit, own in enumerate(patterns):
            for pattern in own:
                table = self._prefixes if pattern.endswith("*") else exact
                name = pattern.removesuffix("*")
                table[name] = table.get(name, 0) | 1 << bit
        self._exact = pa.array(exact, pa.string())
        # The last one is for a name that is not listed: its position is -1.
        self._exact_bits = np.array([*exact.values(), 0], dtype=np.uint64)

    def bits(self, names: pa.StringArray) -> Flags:
        """Return the conventions of each name."""
        codes = pc.index_in(names, value_set=self._exact).fill_null(-1).to_numpy()
        bits = self._exact_bits[codes]
        for prefix, more in self._prefixes.items():
            found = pc.starts_with(names, prefix).to_numpy(zero_copy_only=False)
            bits[found] |= np.uint64(more)
        return bits


def has(flags: Flags, bit: int) -> Bools:
    """Return which spans are written in the convention at this position."""
    return (flags >> np.uint64(bit)) & np.uint64(1) == 1


def present(flags: Flags) -> list[int]:
    """Return the positions of the conventions that any span is written in."""
    found = int(np.bitwise_or.reduce(flags)) if len(flags) else 0
    return [bit for bit in range(found.bit_length()) if found >> bit & 1]
