"""Look up many 64-bit keys at once: a hash table in two arrays.

A Python dict costs a moment for each key and an object for each entry; on the path of every span
that is most of what finding its parent costs. Here a whole column of keys is put in or looked up
in a few steps over arrays. Nothing is ever taken out: a table is dropped as a whole.
"""

from __future__ import annotations

import secrets

import numpy as np
from numpy.typing import NDArray

from exporter.spans.batch import Ints, Keys

_Places = NDArray[np.int64]
_SIZE_BITS = 10


class KeyTable:
    """Maps keys to values that are not negative. The key 0 is never in it."""

    def __init__(self) -> None:
        self._used = 0
        # Unknown to senders, so that nobody can choose ids that all want the same place.
        self._factor = np.uint64(secrets.randbits(64) | 1)
        self._make(_SIZE_BITS)

    def find(self, keys: Keys) -> Ints:
        """Return the value of each key, -1 where there is none."""
        return self._at(self._places(keys))

    def put(self, keys: Keys, values: Ints) -> Ints:
        """Set the values of keys, none of them 0; return what they had, -1: nothing.

        Of a new key that comes twice the value of either may stay.
        """
        places = self._places(keys)
        before = self._at(places)
        there = places >= 0
        self._values[places[there]] = values[there]
        new = ~there
        self._grow(int(np.count_nonzero(new)))
        self._insert(keys[new], values[new])
        return before

    def _at(self, places: _Places) -> Ints:
        return np.where(places < 0, np.int32(-1), self._values[places])

    def _places(self, keys: Keys) -> _Places:
        """Return where each key stands, -1: nowhere."""
        found = np.full(len(keys), -1, dtype=np.int64)
        left = np.flatnonzero(keys)
        keys = keys[left]
        place = self._first(keys)
        while len(left):
            there = self._keys[place]
            hit = there == keys
            found[left[hit]] = place[hit]
            # Another key stands there: the next place may be it. An empty one ends the search.
            more = np.flatnonzero(~hit & (there != 0))
            left, keys, place = left[more], keys[more], (place[more] + 1) & self._mask
        return found

    def _insert(self, keys: Keys, values: Ints) -> None:
        place = self._first(keys)
        while len(keys):
            free = self._keys[place] == 0
            # Several may want one place: who stands there afterwards has got it.
            self._keys[place[free]] = keys[free]
            got = self._keys[place] == keys
            self._values[place[got]] = values[got]
            more = np.flatnonzero(~got)
            keys, values, place = keys[more], values[more], (place[more] + 1) & self._mask

    def _first(self, keys: Keys) -> _Places:
        return ((keys * self._factor) >> self._shift).astype(np.int64)

    def _grow(self, more: int) -> None:
        self._used += more
        bits = self._bits
        # At most half full, else the ways to a key get long.
        while 2 * self._used > 1 << bits:
            bits += 1
        if bits != self._bits:
            full = self._keys != 0
            keys, values = self._keys[full], self._values[full]
            self._make(bits)
            self._insert(keys, values)

    def _make(self, bits: int) -> None:
        self._bits = bits
        self._mask = np.int64((1 << bits) - 1)
        self._shift = np.uint64(64 - bits)
        self._keys: Keys = np.zeros(1 << bits, np.uint64)
        self._values: Ints = np.empty(1 << bits, np.int32)
