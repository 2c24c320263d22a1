"""OTLP's protobuf fields of many rows at once, as columns of bytes; and of one value.

A field is its tag and its value; nothing is written for a default. The numbers of tags and types
are those of opentelemetry-proto 1.x, which never change; tests compare with the protobuf runtime.
Columns are of 64-bit offsets, because prompts of one trace may take more than 2 GiB.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

BYTES = pa.large_binary()

Bytes: TypeAlias = pa.LargeBinaryArray
Uints = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]

_FIXED32 = struct.Struct("<I").pack


# One value ------------------------------------------------------------------------------------


def varint(number: int) -> bytes:
    """Return a number as a varint; a negative one as its two's complement of 64 bits."""
    left = number & 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while left > 127:
        out.append(left & 127 | 128)
        left >>= 7
    out.append(left)
    return bytes(out)


def message(tag: bytes, body: bytes) -> bytes:
    """Return a field of a message, also of an empty one."""
    return tag + varint(len(body)) + body


def text(tag: bytes, value: str) -> bytes:
    """Return a field of text, nothing for the empty one."""
    return message(tag, value.encode()) if value else b""


def number(tag: bytes, value: int) -> bytes:
    """Return a field of a number, nothing for 0."""
    return tag + varint(value) if value else b""


def fixed32(tag: bytes, value: int) -> bytes:
    """Return a field of 4 bytes, nothing for 0."""
    return tag + _FIXED32(value) if value else b""


# Columns --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lists:
    """Any number of items for each of n rows."""

    offsets: Ints
    """Where the items of each row begin, n + 1."""
    items: Bytes

    def joined(self) -> Bytes:
        """Return the items of each row one after the other, without copying them."""
        _, offsets, data = self.items.buffers()
        first = self.items.offset
        starts = np.frombuffer(offsets, np.int64)[first : first + len(self.items) + 1]
        return _column(starts[self.offsets], data)


def joined(*parts: Bytes | bytes) -> Bytes:
    """Return the parts of each row one after the other; bytes stand in every row."""
    each = (pa.scalar(part, BYTES) if isinstance(part, bytes) else part for part in parts)
    return pc.call_function("binary_join_element_wise", [*each, pa.scalar(b"", BYTES)])


def lengths(column: Bytes) -> Ints:
    """Return the number of bytes of each row."""
    return pc.call_function("binary_length", [column]).to_numpy()


def varint_lengths(numbers: Uints | Ints) -> Ints:
    """Return of how many bytes the varint of each number is."""
    found = np.ones(len(numbers), np.int64)
    largest = int(numbers.max(initial=0))
    for bits in range(7, largest.bit_length(), 7):
        found += numbers >= (1 << bits)
    return found


def varints(numbers: Uints | Ints) -> Bytes:
    """Return each number, none below 0, as a varint."""
    if int(numbers.max(initial=0)) < 128:
        return _column(np.arange(len(numbers) + 1, dtype=np.int64), numbers.astype(np.uint8))
    sizes = varint_lengths(numbers)
    offsets = starts(sizes)
    data = np.empty(offsets[-1], np.uint8)
    left = numbers.astype(np.uint64)
    at, longer = offsets[:-1], sizes > 1
    for place in range(1, int(sizes.max(initial=1)) + 1):
        data[at] = (left & np.uint64(127)).astype(np.uint8) | (longer.astype(np.uint8) << 7)
        left, at, sizes = left[longer] >> np.uint64(7), at[longer] + 1, sizes[longer]
        longer = sizes > place + 1
    return _column(offsets, data)


def messages(tag: bytes, bodies: Bytes) -> Bytes:
    """Return a field of a message for each row, also of an empty one."""
    return joined(tag, varints(lengths(bodies)), bodies)


def optional_messages(tag: bytes, bodies: Bytes) -> Bytes:
    """Return a field of a message for each row, nothing where it is empty."""
    present = lengths(bodies) > 0
    if not present.any():
        return bodies
    return pc.call_function(
        "if_else", [pa.array(present), messages(tag, bodies), pa.scalar(b"", BYTES)]
    )


def fixed64s(tag: bytes, values: Uints) -> Bytes:
    """Return a field of 8 bytes for each value, nothing for 0."""
    present = values != 0
    return fixed(tag, values[present].astype("<u8").view(np.uint8).reshape(-1, 8), present)


def ids(tag: bytes, column: pa.Array, size: int) -> Bytes:
    """Return a field of `size` bytes from each hexadecimal text, nothing for the empty one."""
    present = pc.call_function("binary_length", [column]).to_numpy() > 0
    whole = np.frombuffer(bytes.fromhex("".join(column.to_pylist())), np.uint8)
    return fixed(tag + bytes([size]), whole.reshape(-1, size), present)


def fixed(head: bytes, rows: npt.NDArray[np.uint8], present: npt.NDArray[np.bool_]) -> Bytes:
    """Return `head` and the next of the rows wherever one is present."""
    count, size = rows.shape
    width = len(head) + size
    data = np.empty((count, width), np.uint8)
    data[:, : len(head)] = np.frombuffer(head, np.uint8)
    data[:, len(head) :] = rows
    return _column(starts(present * np.int64(width)), data)


def of_each(column: pa.Array, write: Callable[[Any], bytes]) -> Bytes:
    """Return what `write` makes of each row's value, asking it once for each distinct one."""
    encoded = column if isinstance(column, pa.DictionaryArray) else column.dictionary_encode()
    written = pa.array([write(value) for value in encoded.dictionary.to_pylist()], BYTES)
    return written.take(encoded.indices)


def repeated(values: list[bytes], codes: Ints) -> Bytes:
    """Return for each row the value of its code."""
    return pa.array(values, BYTES).take(pa.array(codes))


def starts(sizes: Ints) -> Ints:
    """Return where each of n neighbours begins, and where the last one ends: n + 1."""
    found = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=found[1:])
    return found


def data_of(column: Bytes) -> bytes:
    """Return all rows one after the other."""
    _, offsets, data = column.buffers()
    if not len(column) or data is None:
        return b""
    ends = np.frombuffer(offsets, np.int64)[column.offset : column.offset + len(column) + 1]
    return data[int(ends[0]) : int(ends[-1])].to_pybytes()


def _column(offsets: Ints, data: Any) -> Bytes:
    buffers = [None, pa.py_buffer(np.ascontiguousarray(offsets)), pa.py_buffer(data)]
    return pa.LargeBinaryArray.from_buffers(BYTES, len(offsets) - 1, buffers)
