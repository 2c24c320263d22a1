"""Choose, for each span and side, the attributes and events that its messages are read from.

All of it is work on whole columns; what is left for Python is the text that was chosen, once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from exporter.genai.messages.keys import EVENT_NAMES, LAST_RANK, Form, Place, Side, place_of
from exporter.spans.arrow import known, owners, pc
from exporter.spans.batch import Attributes, Ints, SpanBatch

# What senders write where there is nothing to say.
_NOTHING = pa.array(["", "[]", "{}", "null", '""'])

# The column that another stage may have filled from a key which the table does not know.
_COLUMNS = {Side.INPUT: "Input", Side.OUTPUT: "Output", Side.SYSTEM: "System"}
_COLUMN_PLACE = Place(LAST_RANK, Form.VALUE, ("column",), tells=True)

Entry = tuple[Place, int, str]
"""Its place, the event it belongs to (-1: none), and the text."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The entries of one side, span by span.

    Flat lists, and a span's entries only while they are read: were there objects for all spans
    at once, the garbage collector would walk them again and again.
    """

    spans: dict[int, tuple[int, int]]
    """Where the entries of each span begin and end."""
    places: list[Place]
    groups: list[int]
    texts: list[str]

    def entries(self, row: int) -> list[Entry]:
        """Return the entries of a span, empty: it has nothing on this side."""
        start, end = self.spans.get(row, (0, 0))
        return list(
            zip(self.places[start:end], self.groups[start:end], self.texts[start:end], strict=True)
        )


_NONE = Chosen({}, [], [], [])


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Entries of one kind of source, in the order of their spans."""

    rows: NDArray[np.int64]
    groups: NDArray[np.int64]
    places: Ints
    text: pa.StringArray


class Sources:
    """The places of one batch, looked up once for each distinct key."""

    def __init__(self, batch: SpanBatch) -> None:
        self._batch = batch
        self._event_keys, self._event_codes = _event_keys(batch)

    def chosen(self, side: Side) -> Chosen:
        """Return the best entries that each span has on this side."""
        vocabulary: list[Place] = []
        found = [
            self._from_attributes(side, vocabulary),
            self._from_events(side, vocabulary),
            self._from_column(side, vocabulary),
        ]
        some = [candidates for candidates in found if candidates is not None]
        if not some:
            return _NONE
        rows = np.concatenate([c.rows for c in some])
        groups = np.concatenate([c.groups for c in some])
        places = np.concatenate([c.places for c in some])
        text = pa.chunked_array([c.text for c in some])
        order = self._best(rows, places, pc.is_in(text, value_set=_NOTHING), vocabulary)
        if not len(order):
            return _NONE
        rows = rows[order]
        starts = np.flatnonzero(np.diff(rows, prepend=-1))
        ends = np.append(starts[1:], len(rows))
        spans = zip(starts.tolist(), ends.tolist(), strict=True)
        return Chosen(
            spans=dict(zip(rows[starts].tolist(), spans, strict=True)),
            places=[vocabulary[place] for place in places[order].tolist()],
            groups=groups[order].tolist(),
            texts=text.take(pa.array(order)).to_pylist(),
        )

    def _best(
        self,
        rows: NDArray[np.int64],
        places: Ints,
        empty: pa.ChunkedArray,
        vocabulary: list[Place],
    ) -> NDArray[np.intp]:
        """Return the entries of the best rank of each span, span by span."""
        ranks = np.array([place.rank for place in vocabulary], dtype=np.int32)[places]
        tells = np.array([place.tells for place in vocabulary], dtype=np.bool_)[places]
        tells &= ~empty.to_numpy()
        best = np.full(len(self._batch), LAST_RANK + 1, dtype=np.int32)
        np.minimum.at(best, rows[tells], ranks[tells])
        kept = np.flatnonzero(ranks == best[rows])
        return kept[np.argsort(rows[kept], kind="stable")]

    def _from_attributes(self, side: Side, vocabulary: list[Place]) -> _Candidates | None:
        content = self._batch.content
        if content is None:
            return None
        places = _places(side, content.key_names, vocabulary)[content.codes]
        hits = np.flatnonzero(places >= 0)
        if not len(hits):
            return None
        return _Candidates(
            rows=content.owners[hits].astype(np.int64),
            groups=np.full(len(hits), -1, dtype=np.int64),
            places=places[hits],
            text=content.text.take(pa.array(hits)),
        )

    def _from_events(self, side: Side, vocabulary: list[Place]) -> _Candidates | None:
        if not self._event_keys:
            return None
        events = self._batch.events
        places = _places(side, self._event_keys, vocabulary)[self._event_codes]
        hits = np.flatnonzero(places >= 0)
        if not len(hits):
            return None
        of_entry = events.attributes.owners[hits]
        return _Candidates(
            rows=owners(events.offsets)[of_entry].astype(np.int64),
            groups=of_entry.astype(np.int64),
            places=places[hits],
            text=events.attributes.text.take(pa.array(hits)),
        )

    def _from_column(self, side: Side, vocabulary: list[Place]) -> _Candidates | None:
        column = self._batch.columns.get(_COLUMNS.get(side, ""))
        if column is None or column.null_count == len(column):
            return None
        hits = np.flatnonzero(known(column))
        vocabulary.append(_COLUMN_PLACE)
        return _Candidates(
            rows=hits,
            groups=np.full(len(hits), -1, dtype=np.int64),
            places=np.full(len(hits), len(vocabulary) - 1, dtype=np.int32),
            text=column.take(pa.array(hits)).cast(pa.string()),
        )


def _places(side: Side, keys: list[str], vocabulary: list[Place]) -> Ints:
    """Return the place of each distinct key in the vocabulary, which grows; -1: none."""
    codes = np.full(len(keys), -1, dtype=np.int32)
    for code, key in enumerate(keys):
        if (place := place_of(side, key)) is not None:
            codes[code] = len(vocabulary)
            vocabulary.append(place)
    return codes


def _event_keys(batch: SpanBatch) -> tuple[list[str], Ints]:
    """Return the distinct `event:<name>:<key>` of events with content, and each entry's code.

    The code of an attribute of any other event is that of an empty key.
    """
    none = np.empty(0, dtype=np.int32)
    if not len(batch.events.attributes.codes):
        return [], none
    names = batch.events.columns["Name"]
    if not pa.types.is_dictionary(names.type):
        names = names.dictionary_encode()
    words = names.dictionary.to_pylist()
    if EVENT_NAMES.isdisjoint(words):
        return [], none
    attributes: Attributes = batch.events.attributes
    name_codes = names.indices.to_numpy()[attributes.owners].astype(np.int64)
    pairs, codes = np.unique(
        name_codes * len(attributes.keys) + attributes.codes, return_inverse=True
    )
    keys = attributes.key_names
    split = [divmod(pair, len(keys)) for pair in pairs.tolist()]
    found = [
        f"event:{words[name]}:{keys[key]}" if words[name] in EVENT_NAMES else ""
        for name, key in split
    ]
    return found, codes.astype(np.int32)
