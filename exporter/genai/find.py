"""Try the sources of a field over all spans of a batch.

A match is kept as the position of the attribute entry, so most of the work is integer assignment
over whole columns; the values are gathered once at the end. Only distinct values pass through
Python, where a source maps or transforms them.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from exporter.genai.convention import NS_PER_UNIT, FieldSource, Source
from exporter.genai.fields import HIGH_CARDINALITY
from exporter.genai.money import money
from exporter.genai.tokens import Counts
from exporter.genai.transforms import TRANSFORMS
from exporter.spans.arrow import equals, owners, pc, words
from exporter.spans.batch import Attributes, Bools, Ints, SpanBatch
from exporter.spans.schema import ValueKind

Flags = NDArray[np.uint64]
"""The conventions that a span is written in, one bit each."""

# A number with more digits is no count of tokens; the limit keeps integer costs from overflowing.
TOKENS_MAX = 10**9
# A call that costs more is the sender's mistake; sums of nano-dollars stay far from 64 bits.
COST_MAX_USD = 10**6


class Finder:
    """Tries the sources of a field over all spans of one batch."""

    def __init__(self, batch: SpanBatch, flags: Flags) -> None:
        self._batch = batch
        self._flags = flags
        self._attributes = batch.attributes
        self._codes = {key: code for code, key in enumerate(batch.attributes.key_names)}
        self._present = _present(batch.attributes)

    # Where a source is found ----------------------------------------------------------------

    def _entries(self, found: FieldSource, taken: Bools) -> tuple[Ints, NDArray[np.intp]]:
        """Return the spans that a source by key matches and are free, and the entry of each."""
        code = self._codes.get(found.source.key or "", -1)
        if code < 0:
            return np.empty(0, dtype=np.int32), np.empty(0, dtype=np.intp)
        entries = self._attributes.entries_of(code)
        rows = self._attributes.owners[entries]
        free = self._present[entries] & self._mine(found, rows) & ~taken[rows]
        # Reversed, so that of a key that occurs twice on a span the first occurrence wins.
        return rows[free][::-1], entries[free][::-1]

    def _mine(self, found: FieldSource, rows: Ints) -> Bools:
        return (self._flags[rows] >> np.uint64(found.bit)) & np.uint64(1) == 1

    # Text -----------------------------------------------------------------------------------

    def text(self, field: str, sources: tuple[FieldSource, ...]) -> pa.Array:
        """Return the field for every span, null where no source has it."""
        n = len(self._batch)
        picked = np.full(n, -1, dtype=np.int64)
        words = _Words(n)
        for found in sources:
            taken = (picked >= 0) | words.taken
            source = found.source
            if source.resource is not None:
                self._from_resource(source.resource, words, taken)
            elif source.span_name is not None:
                self._from_span_name(found, words, taken)
            elif source.event is not None:
                self._from_event(found, words, taken)
            else:
                rows, entries = self._entries(found, taken)
                if source.value is None and source.values is None and source.transform is None:
                    picked[rows] = entries
                elif len(rows):
                    words.add(rows, self._attributes.text.take(pa.array(entries)), source)
        return self._gather(picked, words, encode=field not in HIGH_CARDINALITY)

    def _gather(self, picked: NDArray[np.int64], words: _Words, *, encode: bool) -> pa.Array:
        if (picked >= 0).any():
            plain = self._attributes.text.take(pa.array(picked, mask=picked < 0))
            if words.taken.any():
                plain = pc.coalesce(plain, words.array().cast(pa.string()))
            return plain.dictionary_encode() if encode else plain
        return words.array() if encode else words.array().cast(pa.string())

    def _from_resource(self, key: str, words: _Words, taken: Bools) -> None:
        attributes = self._batch.resource_attributes
        if key not in attributes.key_names or taken.all():
            return
        entries = attributes.entries_of(attributes.key_names.index(key))
        entries = entries[_present(attributes)[entries]]
        of_resource = np.full(len(attributes), -1, dtype=np.int64)
        of_resource[attributes.owners[entries][::-1]] = entries[::-1]
        of_span = of_resource[self._batch.resource_of_span]
        rows = np.flatnonzero((of_span >= 0) & ~taken)
        # Few resources, many spans: take the text of each resource once.
        used, inverse = np.unique(of_span[rows], return_inverse=True)
        texts = attributes.text.take(pa.array(used)).to_pylist()
        words.assign(rows, inverse, texts)

    def _from_span_name(self, found: FieldSource, words: _Words, taken: Bools) -> None:
        names = self._batch["SpanName"]
        code = names.dictionary.index(found.source.span_name).as_py()
        if code >= 0:
            rows = np.flatnonzero(~taken & (names.indices.to_numpy() == code))
            words.assign(rows, np.zeros(len(rows), dtype=np.int64), [found.source.value])

    def _from_event(self, found: FieldSource, words: _Words, taken: Bools) -> None:
        events = self._batch.events
        attributes = events.attributes
        key = found.source.key
        if key is None or key not in attributes.key_names:
            return
        entries = attributes.entries_of(attributes.key_names.index(key))
        entries = entries[_present(attributes)[entries]]
        of_entry = attributes.owners[entries]
        rows = owners(events.offsets)[of_entry]
        free = equals(events.columns["Name"], found.source.event)[of_entry]
        free = free & self._mine(found, rows) & ~taken[rows]
        chosen = pa.array(entries[free][::-1])
        words.add(rows[free][::-1], attributes.text.take(chosen), found.source)

    # Numbers --------------------------------------------------------------------------------

    def number(self, sources: tuple[FieldSource, ...]) -> tuple[NDArray[np.float64], Ints]:
        """Return the field as a float (NaN: not found) and the source that each came from."""
        values = np.full(len(self._batch), np.nan)
        origin = np.full(len(self._batch), -1, dtype=np.int32)
        for position, found in enumerate(sources):
            if found.source.event is not None:
                rows, numbers = self._time_to_event(found, origin >= 0)
            else:
                rows, entries = self._entries(found, origin >= 0)
                numbers = self._numbers(entries)
            known = np.isfinite(numbers)
            values[rows[known]] = numbers[known]
            origin[rows[known]] = position
        return values, origin

    def count(self, sources: tuple[FieldSource, ...]) -> Counts:
        """Return a token count, -1: not known."""
        values, _ = self.number(sources)
        sound = (values >= 0) & (values <= TOKENS_MAX)
        return np.where(sound, values, -1).astype(np.int64)

    def time_ns(self, sources: tuple[FieldSource, ...]) -> NDArray[np.float64]:
        """Return a duration in nanoseconds by each source's unit, NaN: not known."""
        values, origin = self.number(sources)
        scale = np.array([NS_PER_UNIT[f.source.unit or "ns"] for f in sources] + [1.0])
        return values * scale[origin]

    def money(self, sources: tuple[FieldSource, ...]) -> pa.Array:
        """Return an amount in US dollars as nano-dollars, null: not known."""
        values, _ = self.number(sources)
        sound = (values >= 0) & (values <= COST_MAX_USD)
        nano = np.rint(np.where(sound, values, 0) * 1e9).astype(np.int64)
        return money(nano, sound)

    def _numbers(self, entries: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the entries as floats: integers, doubles and text that is a number; else NaN."""
        if not len(entries):
            return np.empty(0)
        rows = pa.array(entries)
        kinds = self._attributes.kinds[entries]
        ints = self._attributes.ints.take(rows).fill_null(0).to_numpy().astype(np.float64)
        doubles = self._attributes.doubles.take(rows).fill_null(np.nan)
        numbers = np.where(kinds == ValueKind.INT, ints, doubles.to_numpy())
        is_text = kinds == ValueKind.STRING
        if is_text.any():
            texts = self._attributes.text.take(pa.array(entries[is_text]))
            texts = pc.utf8_trim_whitespace(texts)
            plain = pc.match_substring_regex(texts, r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")
            safe = pc.if_else(plain, texts, None).cast(pa.float64())
            numbers[is_text] = safe.fill_null(np.nan).to_numpy()
        return numbers

    def _time_to_event(
        self, found: FieldSource, taken: Bools
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        events = self._batch.events
        chosen = np.flatnonzero(equals(events.columns["Name"], found.source.event))
        rows = owners(events.offsets)[chosen]
        free = self._mine(found, rows) & ~taken[rows]
        rows, chosen = rows[free][::-1].astype(np.intp), chosen[free][::-1]
        times = events.columns["Timestamp"].to_numpy()[chosen]
        start = self._batch.start_ns[rows]
        end = start + self._batch.duration_ns[rows]
        # A time outside the span is no other unit of a time inside it: it is not known.
        inside = (times >= start.astype(np.uint64)) & (times <= end.astype(np.uint64))
        return rows, np.where(inside, (times.astype(np.int64) - start).astype(np.float64), np.nan)


class _Words:
    """A text field under construction: a word for each span out of a growing vocabulary."""

    def __init__(self, n: int) -> None:
        self._codes = np.full(n, -1, dtype=np.int32)
        self._vocabulary: dict[str, int] = {}

    @property
    def taken(self) -> Bools:
        return self._codes >= 0

    def add(self, rows: Ints, texts: pa.StringArray, source: Source) -> None:
        """Give each row its text after the source's mapping; what maps to nothing is no match."""
        encoded = texts.dictionary_encode()
        meanings = [_meaning(source, word) for word in encoded.dictionary.to_pylist()]
        self.assign(rows, encoded.indices.to_numpy(), meanings)

    def assign(self, rows: NDArray[np.integer], index: NDArray[np.integer], words: list) -> None:
        """Give each row the word at its index; None leaves the row free."""
        codes = np.array(
            [
                -1 if w is None else self._vocabulary.setdefault(w, len(self._vocabulary))
                for w in words
            ],
            dtype=np.int32,
        )
        if len(rows):
            mapped = codes[index]
            self._codes[rows[mapped >= 0]] = mapped[mapped >= 0]

    def array(self) -> pa.DictionaryArray:
        return words(self._codes, list(self._vocabulary))


def _meaning(source: Source, word: str) -> str | None:
    if source.value is not None:
        return source.value
    if source.values is not None:
        return source.values.get(word)
    return TRANSFORMS[source.transform](word) if source.transform else word


def _present(attributes: Attributes) -> Bools:
    """Return which entries hold a value; empty text counts as absent."""
    lengths = pc.binary_length(attributes.text).to_numpy()
    return lengths > 0
