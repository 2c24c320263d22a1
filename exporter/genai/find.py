"""Try the sources of a field over all spans of a batch.

A match is kept as the position of the attribute entry, so most of the work is integer assignment
over whole columns; the values are gathered once at the end. Only distinct values pass through
Python, where a source maps or transforms them.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from exporter.genai import transforms
from exporter.genai.convention import NS_PER_UNIT, FieldSource, Source, matches
from exporter.genai.detect import Flags, has, present, spans_that_hold
from exporter.genai.fields import HIGH_CARDINALITY
from exporter.genai.json_text import JsonTexts
from exporter.genai.prices.money import money
from exporter.genai.tokens import Counts
from exporter.spans.arrow import equals, owners, pc, words
from exporter.spans.batch import Attributes, Bools, Ints, SpanBatch
from exporter.spans.schema import ValueKind

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
        self._bits = frozenset(present(flags))
        self._json: dict[int, JsonTexts] = {}

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

    def _mine(self, found: FieldSource, rows: NDArray[np.integer]) -> Bools:
        mine = has(self._flags[rows], found.bit)
        if found.source.scopes:
            names = self._batch.scopes["ScopeName"].to_pylist()
            listed = [matches(name or "", found.source.scopes) for name in names]
            mine &= np.array(listed, dtype=np.bool_)[self._batch.scope_of_span[rows]]
        for key, held in found.source.where.items():
            mine &= spans_that_hold(self._batch, key, held)[rows]
        for key, held in found.source.unless.items():
            mine &= ~spans_that_hold(self._batch, key, held)[rows]
        return mine

    def _words_at(
        self, source: Source, entries: NDArray[np.intp]
    ) -> tuple[NDArray[np.integer], list[str | None]]:
        """Return for each entry the position of its word, and the words a source makes of them."""
        if source.path:
            code = int(self._attributes.codes[entries[0]])
            if code not in self._json:
                self._json[code] = JsonTexts(self._attributes, code)
            index, words = self._json[code].words(entries, source.path)
        else:
            texts = self._attributes.text.take(pa.array(entries)).dictionary_encode()
            index, words = texts.indices.to_numpy(), texts.dictionary.to_pylist()
        return index, [None if word is None else _meaning(source, word) for word in words]

    # Text -----------------------------------------------------------------------------------

    def text(self, field: str, sources: tuple[FieldSource, ...]) -> pa.Array:
        """Return the field for every span, null where no source has it."""
        n = len(self._batch)
        picked = np.full(n, -1, dtype=np.int64)
        words = _Words(n)
        for found in sources:
            if found.bit not in self._bits:
                continue
            taken = (picked >= 0) | words.taken
            source = found.source
            if source.resource is not None:
                self._from_resource(found, words, taken)
            elif source.span_name is not None:
                self._from_span_name(found, words, taken)
            elif source.event is not None:
                self._from_event(found, words, taken)
            else:
                rows, entries = self._entries(found, taken)
                if not source.rewrites:
                    picked[rows] = entries
                elif len(rows):
                    words.assign(rows, *self._words_at(source, entries))
        return self._gather(picked, words, encode=field not in HIGH_CARDINALITY)

    def _gather(self, picked: NDArray[np.int64], words: _Words, *, encode: bool) -> pa.Array:
        if (picked >= 0).any():
            plain = self._attributes.text.take(pa.array(picked, mask=picked < 0))
            if words.taken.any():
                plain = pc.coalesce(plain, words.array().cast(pa.string()))
            return plain.dictionary_encode() if encode else plain
        return words.array() if encode else words.array().cast(pa.string())

    def _from_resource(self, found: FieldSource, words: _Words, taken: Bools) -> None:
        key = found.source.resource
        attributes = self._batch.resource_attributes
        if key not in attributes.key_names or taken.all():
            return
        entries = attributes.entries_of(attributes.key_names.index(key))
        entries = entries[_present(attributes)[entries]]
        of_resource = np.full(len(attributes), -1, dtype=np.int64)
        of_resource[attributes.owners[entries][::-1]] = entries[::-1]
        of_span = of_resource[self._batch.resource_of_span]
        rows = np.flatnonzero((of_span >= 0) & ~taken)
        rows = rows[self._mine(found, rows)]
        # Few resources, many spans: take the text of each resource once.
        used, inverse = np.unique(of_span[rows], return_inverse=True)
        texts = attributes.text.take(pa.array(used)).to_pylist()
        words.assign(rows, inverse, texts)

    def _from_span_name(self, found: FieldSource, words: _Words, taken: Bools) -> None:
        names = self._batch["SpanName"]
        name = found.source.span_name or ""
        if name.endswith("*"):
            listed = pc.starts_with(names.dictionary, name[:-1])
        else:
            listed = pc.equal(names.dictionary, name)
        codes = np.flatnonzero(listed.to_numpy(zero_copy_only=False))
        if len(codes):
            rows = np.flatnonzero(~taken & np.isin(names.indices.to_numpy(), codes))
            rows = rows[self._mine(found, rows)]
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
            if found.bit not in self._bits:
                continue
            if found.source.event is not None:
                rows, numbers = self._time_to_event(found, origin >= 0)
            else:
                rows, entries = self._entries(found, origin >= 0)
                numbers = self._numbers(found.source, rows, entries)
            known = np.isfinite(numbers)
            values[rows[known]] = numbers[known]
            origin[rows[known]] = position
        return values, origin

    def count(self, sources: tuple[FieldSource, ...]) -> tuple[Counts, Ints]:
        """Return a token count, -1: not known, and the source that each came from."""
        values, origin = self.number(sources)
        sound = (values >= 0) & (values <= TOKENS_MAX)
        return np.where(sound, values, -1).astype(np.int64), origin

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

    def _numbers(
        self, source: Source, rows: Ints, entries: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Return the entries as floats, NaN where one is no number."""
        if not len(entries):
            return np.empty(0)
        if source.unit == "time":
            return self._times_since_start(source, rows, entries)
        if source.unit == "duration" or source.rewrites:
            read = transforms.duration_ns if source.unit == "duration" else transforms.number
            index, words = self._words_at(source, entries)
            numbers = [None if word is None else read(word) for word in words]
            return np.array(numbers, dtype=np.float64)[index]
        return self._plain_numbers(entries)

    def _plain_numbers(self, entries: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return integers, doubles and text that is a number as they stand there, else NaN."""
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

    def _times_since_start(
        self, source: Source, rows: Ints, entries: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        index, words = self._words_at(source, entries)
        # A loop over distinct texts, most of which are: ISO 8601 has more forms than Arrow reads.
        moments = [None if word is None else transforms.time_ns(word) for word in words]
        read = np.array([moment is not None for moment in moments])[index]
        times = np.array([moment or 0 for moment in moments], dtype=np.int64)[index]
        return np.where(read, self._since_start(rows, times), np.nan)

    def _since_start(
        self, rows: NDArray[np.integer], times: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return nanoseconds from the start of each row's span to a time.

        A time outside the span is no other unit of a time inside it: it is not known.
        """
        start = self._batch.start_ns[rows]
        inside = (times >= start) & (times <= start + self._batch.duration_ns[rows])
        return np.where(inside, (times - start).astype(np.float64), np.nan)

    def _time_to_event(
        self, found: FieldSource, taken: Bools
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        events = self._batch.events
        chosen = np.flatnonzero(equals(events.columns["Name"], found.source.event))
        rows = owners(events.offsets)[chosen]
        free = self._mine(found, rows) & ~taken[rows]
        rows, chosen = rows[free][::-1].astype(np.intp), chosen[free][::-1]
        times = events.columns["Timestamp"].to_numpy()[chosen].astype(np.int64)
        return rows, self._since_start(rows, times)


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
    meaning = transforms.TRANSFORMS[source.transform](word) if source.transform else word
    return meaning if source.values is None else source.values.get(meaning or "")


def _present(attributes: Attributes) -> Bools:
    """Return which entries hold a value; empty text counts as absent."""
    lengths = pc.binary_length(attributes.text).to_numpy()
    return lengths > 0
