"""The one shape in which spans travel: columns, never an object for each span."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Bools = NDArray[np.bool_]
Keys = NDArray[np.uint64]


@dataclass(frozen=True)
class Attributes:
    """Key-value lists of n owners; owner i holds the entries offsets[i] to offsets[i + 1].

    Every array but `offsets` and `keys` has one item for each entry.
    """

    offsets: Ints
    """n + 1 positions, the first is 0."""
    codes: Ints
    """Position of the entry's key in `keys`."""
    keys: pa.StringArray
    """The distinct keys."""
    kinds: NDArray[np.uint8]
    """`ValueKind` of the value."""
    text: pa.StringArray
    """The value as text, never null: JSON for nested values, base64 for bytes, "" for empty."""
    ints: pa.Int64Array
    """The value where it is an integer, else null."""
    doubles: pa.DoubleArray
    """The value where it is a double, else null."""
    exact: pa.StringArray | None
    """OTLP/JSON of nested values, else null; None when the batch has no nested value."""

    def __len__(self) -> int:
        """Return the number of owners."""
        return len(self.offsets) - 1

    @cached_property
    def owners(self) -> Ints:
        """The owner of each entry."""
        return np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.offsets))

    @cached_property
    def key_names(self) -> list[str]:
        """The distinct keys as Python strings."""
        return self.keys.to_pylist()

    @cached_property
    def _by_key(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        # A radix sort of 16-bit codes is linear; a batch with more keys than that is a rarity.
        narrow = self.codes.astype(np.uint16) if len(self.keys) < 2**16 else self.codes
        order = np.argsort(narrow, kind="stable")
        starts = np.searchsorted(narrow[order], np.arange(len(self.keys) + 1))
        return order, starts

    def entries_of(self, code: int) -> NDArray[np.intp]:
        """Return the entries whose key has this code, in the order of their owners."""
        order, starts = self._by_key
        return order[starts[code] : starts[code + 1]]

    @cached_property
    def repeated(self) -> Bools:
        """Whether the entry's owner has its key more than once."""
        order, _ = self._by_key
        codes, owners = self.codes[order], self.owners[order]
        same = (codes[1:] == codes[:-1]) & (owners[1:] == owners[:-1])
        found = np.zeros(len(codes), dtype=np.bool_)
        found[order[1:][same]] = True
        found[order[:-1][same]] = True
        return found

    def select(self, keep: Bools) -> Attributes:
        """Return the same owners with only the entries marked in `keep`."""
        counts = np.concatenate(([0], np.cumsum(keep, dtype=np.int32)))
        mask = pa.array(keep)
        return Attributes(
            offsets=counts[self.offsets].astype(np.int32),
            codes=self.codes[keep],
            keys=self.keys,
            kinds=self.kinds[keep],
            text=self.text.filter(mask),
            ints=self.ints.filter(mask),
            doubles=self.doubles.filter(mask),
            exact=None if self.exact is None else self.exact.filter(mask),
        )


@dataclass(frozen=True, kw_only=True)
class Children:
    """Events or links of n spans: span i holds the items offsets[i] to offsets[i + 1]."""

    offsets: Ints
    columns: Mapping[str, pa.Array]
    attributes: Attributes


@dataclass(frozen=True, kw_only=True)
class SpanBatch:
    """n spans in columns.

    `columns` maps names of `schema.SPAN_COLUMNS` to arrays of n items (a text column may be
    dictionary-encoded); stages of the pipeline add to it. Resources and scopes are kept once,
    with the owner of each span beside them.
    """

    columns: Mapping[str, pa.Array]
    trace_keys: Keys
    """A number of 64 bits for each span's trace."""
    keys: Keys
    """The same for each span, unique over traces."""
    parent_keys: Keys
    """The key of each span's parent, 0 for a root."""
    attributes: Attributes
    events: Children
    links: Children
    resource_of_span: Ints
    resources: Mapping[str, pa.Array]
    resource_attributes: Attributes
    scope_of_span: Ints
    scopes: Mapping[str, pa.Array]
    scope_attributes: Attributes
    content: Attributes | None = None
    """Attributes that hold prompts and answers, once the normaliser has set them apart."""
    content_positions: Ints | None = None
    """Where each entry of `content` stood among all attributes of its span, from 0."""

    def __len__(self) -> int:
        """Return the number of spans."""
        return len(self.resource_of_span)

    def __getitem__(self, name: str) -> pa.Array:
        """Return a column; a KeyError names the stage order as the mistake."""
        return self.columns[name]

    def with_columns(self, columns: Mapping[str, pa.Array]) -> SpanBatch:
        """Return the batch with these columns added or replaced."""
        return replace(self, columns={**self.columns, **columns})

    @cached_property
    def start_ns(self) -> NDArray[np.int64]:
        """Start of each span, nanoseconds since the epoch."""
        return self["Timestamp"].cast(pa.int64()).to_numpy()

    @cached_property
    def duration_ns(self) -> NDArray[np.int64]:
        """Duration of each span in nanoseconds, not negative."""
        return self["Duration"].to_numpy().astype(np.int64)
