"""A table of keys answers as a dict does, however keys collide and however often it grows."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.genai.attribution.key_table import KeyTable

KEYS = st.one_of(st.integers(1, 40), st.integers(1, 2**64 - 1), st.just(2**64 - 1))


@given(st.lists(st.lists(KEYS, unique=True, max_size=30), max_size=8))
@settings(max_examples=100, deadline=None)
def test_it_is_a_dict_for_columns(batches: list[list[int]]) -> None:
    table, model, number = KeyTable(), dict[int, int](), 0
    for keys in batches:
        values = list(range(number, number + len(keys)))
        number += len(keys)
        column = np.array(keys, np.uint64)
        before = table.put(column, np.array(values, np.int32))
        assert before.tolist() == [model.get(key, -1) for key in keys]
        model.update(zip(keys, values, strict=True))
    asked = [*model, 0, 41, 2**63]
    assert table.find(np.array(asked, np.uint64)).tolist() == [model.get(k, -1) for k in asked]


def test_it_grows_and_keeps_everything() -> None:
    table = KeyTable()
    keys = np.arange(1, 200_001, dtype=np.uint64) << np.uint64(20)
    for part in np.split(keys, 8):
        table.put(part, (part >> np.uint64(20)).astype(np.int32))
    assert (table.find(keys) == np.arange(1, 200_001)).all()
    assert (table.find(keys + np.uint64(1)) == -1).all()


def test_of_a_new_key_that_comes_twice_one_value_stays() -> None:
    table = KeyTable()
    table.put(np.array([7, 7, 9], np.uint64), np.array([1, 2, 3], np.int32))
    assert table.find(np.array([7], np.uint64))[0] in {1, 2}
    assert table.find(np.array([9], np.uint64))[0] == 3
