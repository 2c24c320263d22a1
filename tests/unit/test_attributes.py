"""Attributes written for many rows at once are those of the rows, one by one."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from google.protobuf.wrappers_pb2 import UInt64Value
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from exporter.query.attributes import written
from exporter.query.wire import fixed64s, varints
from exporter.spans.schema import ARROW_TYPES

MAP = ARROW_TYPES["Map(LowCardinality(String), String)"]
TAG = b"\x4a"
Pairs = list[tuple[str, str]]

TYPED = {"": "string", "n": "int", "no": "bool", "half": "double", "none": "empty"}
VALUES = {"string": "t", "int": "-7", "bool": "true", "double": "0.5", "empty": ""}
rows_of_pairs = st.lists(
    st.lists(st.tuples(st.sampled_from(["a", "b", *TYPED]), st.text(max_size=200)), max_size=6)
)


def spans(maps: list[Pairs], kinds: list[Pairs]) -> list[Span]:
    found = written(pa.array(maps, MAP), pa.array(kinds, MAP), TAG)
    return [Span.FromString(row) for row in found.joined().to_pylist()]


def value(kind: str, text: str) -> AnyValue:
    match kind:
        case "int":
            return AnyValue(int_value=int(text))
        case "bool":
            return AnyValue(bool_value=text == "true")
        case "double":
            return AnyValue(double_value=float(text))
        case "empty":
            return AnyValue()
        case _:
            return AnyValue(string_value=text)


@settings(deadline=None)
@given(rows_of_pairs)
def test_each_row_has_its_own_attributes_in_order_and_with_their_kinds(rows: list[Pairs]) -> None:
    maps = [
        [
            (key, VALUES[TYPED[key]] if TYPED.get(key, "string") != "string" else text)
            for key, text in row
        ]
        for row in rows
    ]
    kinds = [
        [(key, TYPED[key]) for key, _ in row if TYPED.get(key, "string") != "string"]
        for row in rows
    ]
    assert [list(span.attributes) for span in spans(maps, kinds)] == [
        [KeyValue(key=key, value=value(TYPED.get(key, "string"), text)) for key, text in row]
        for row in maps
    ]


def test_each_entry_of_a_key_that_occurs_twice_has_its_own_kind() -> None:
    (span, other) = spans(
        [[("k", "1"), ("x", "1"), ("k", "1")], [("k", "1")]],
        [[("k", "int"), ("k", "string")], []],
    )
    kinds = [each.value.WhichOneof("value") for each in (*span.attributes, *other.attributes)]
    assert kinds == ["int_value", "string_value", "string_value", "string_value"]


@pytest.mark.parametrize("size", [0, 1, 121, 122, 123, 124, 125, 126, 127, 128, 20_000])
@pytest.mark.parametrize("key", ["k", "k" * 126, "k" * 127, "k" * 128])
def test_text_of_any_length_has_the_right_lengths_before_it(key: str, size: int) -> None:
    (span,) = spans([[(key, "v" * size)]], [[]])
    assert [(each.key, each.value.string_value) for each in span.attributes] == [(key, "v" * size)]


def test_a_nested_value_is_that_of_its_kind() -> None:
    nested = '{"arrayValue":{"values":[{"intValue":"1"},{"doubleValue":1.0}]}}'
    (span,) = spans([[("list", "[1,1.0]")]], [[("list", nested)]])
    (array,) = (each.value.array_value.values for each in span.attributes)
    assert [each.WhichOneof("value") for each in array] == ["int_value", "double_value"]


def test_slices_of_maps_are_written_as_they_are() -> None:
    maps = pa.array([[("a", "0")], [("b", "1")], [("c", "2")]], MAP).slice(1, 2)
    kinds = pa.array([[("a", "int")], [("b", "int")], []], MAP).slice(1, 2)
    found = written(maps, kinds, TAG).joined().to_pylist()
    first, second = (Span.FromString(row).attributes[0] for row in found)
    assert (first.key, first.value.int_value) == ("b", 1)
    assert (second.key, second.value.string_value) == ("c", "2")


def test_zero_is_not_written() -> None:
    values = pa.array([0, 1, 2**64 - 1], pa.uint64()).to_numpy()
    assert fixed64s(b"\x39", values).to_pylist() == [
        b"",
        b"\x39\x01" + bytes(7),
        b"\x39" + b"\xff" * 8,
    ]


@given(st.lists(st.integers(0, 2**64 - 1) | st.sampled_from([0, 127, 128, 16383, 16384, 2**63])))
def test_a_column_of_varints_is_what_protobuf_reads(numbers: list[int]) -> None:
    written_ones = varints(np.array(numbers, np.uint64)).to_pylist()
    assert [_uint(one) for one in written_ones] == numbers


def _uint(written_one: bytes) -> int:
    # Field 1 of this message is a varint, packed like any other.
    return UInt64Value.FromString(b"\x08" + written_one).value
