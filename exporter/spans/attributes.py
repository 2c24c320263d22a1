"""Read attributes: nested Arrow arrays of OTLP `KeyValue` messages become `Attributes`.

ptars leaves the members of array and key-value-list values as bytes; those are read here with the
protobuf runtime, so that bytes which it would refuse are refused.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from exporter.errors import MalformedError
from exporter.spans.arrow import known, pc
from exporter.spans.batch import Attributes, Ints
from exporter.spans.schema import ValueKind

_KIND_OF_MEMBER: dict[str, ValueKind] = {
    "string_value": ValueKind.STRING,
    "bool_value": ValueKind.BOOL,
    "int_value": ValueKind.INT,
    "double_value": ValueKind.DOUBLE,
    "array_value": ValueKind.ARRAY,
    "kvlist_value": ValueKind.KVLIST,
    "bytes_value": ValueKind.BYTES,
    "string_value_strindex": ValueKind.STRINDEX,
}
_NESTED_MEMBERS = {ValueKind.ARRAY: "array_value", ValueKind.KVLIST: "kvlist_value"}


class SeveralMembersError(Exception):
    """A value has several members of its oneof: legal on the wire, where the last one counts."""


def read_attributes(lists: pa.ListArray) -> Attributes:
    """Return the attributes of each owner; raise MalformedError, or SeveralMembersError."""
    entries = lists.flatten()
    counts = pc.list_value_length(lists).fill_null(0).to_numpy()
    offsets = np.zeros(len(lists) + 1, dtype=np.int32)
    np.cumsum(counts, out=offsets[1:])
    keys = entries.field("key").dictionary_encode()
    value = entries.field("value")
    kinds = _kinds(value)
    text, exact = _texts(value, kinds)
    return Attributes(
        offsets=offsets,
        codes=keys.indices.to_numpy(),
        keys=keys.dictionary,
        kinds=kinds,
        text=text,
        ints=value.field("int_value"),
        doubles=value.field("double_value"),
        exact=exact,
    )


def _kinds(value: pa.StructArray) -> NDArray[np.uint8]:
    kinds = np.zeros(len(value), dtype=np.uint8)
    members = 0
    for member, kind in _KIND_OF_MEMBER.items():
        child = value.field(member)
        if child.null_count < len(child):
            kinds[known(child)] = kind
            members += len(child) - child.null_count
    if members > np.count_nonzero(kinds):
        raise SeveralMembersError
    return kinds


def _texts(
    value: pa.StructArray, kinds: NDArray[np.uint8]
) -> tuple[pa.StringArray, pa.StringArray | None]:
    """Return every value as text, and the OTLP/JSON of those that are nested."""
    parts: list[pa.Array] = []
    for member, convert in _TO_TEXT.items():
        child = value.field(member)
        if child.null_count < len(child):
            parts.append(convert(child))
    exact: pa.StringArray | None = None
    if np.isin(kinds, list(_NESTED_MEMBERS)).any():
        plain, exact = _nested_texts(value, kinds)
        parts.append(plain)
    if not parts:
        return pa.array([""] * len(value), pa.string()), exact
    if len(parts) == 1 and parts[0].null_count == 0:
        return parts[0], exact
    return pc.coalesce(*parts, pa.scalar("")), exact


def _base64(values: pa.BinaryArray) -> pa.StringArray:
    # Bytes values are rare: a loop over those that are there.
    texts = [None if v is None else base64.b64encode(v).decode() for v in values.to_pylist()]
    return pa.array(texts, pa.string())


_TO_TEXT: dict[str, Callable[[Any], pa.StringArray]] = {
    "string_value": lambda child: child,
    "int_value": lambda child: child.cast(pa.string()),
    "double_value": lambda child: child.cast(pa.string()),
    "bool_value": lambda child: child.cast(pa.string()),
    "bytes_value": _base64,
    "string_value_strindex": lambda child: child.cast(pa.string()),
}


def _nested_texts(
    value: pa.StructArray, kinds: NDArray[np.uint8]
) -> tuple[pa.StringArray, pa.StringArray]:
    """Return plain JSON and OTLP/JSON of the nested values, null for the others."""
    texts: list[tuple[str, str]] = []
    picks = np.full(len(kinds), -1, dtype=np.int32)
    for kind, member in _NESTED_MEMBERS.items():
        entries = np.flatnonzero(kinds == kind)
        lists = value.field(member).field("values").take(pa.array(entries))
        index, distinct = _distinct_lists(lists)
        picks[entries] = index + len(texts)
        # A loop over distinct nested values: their parts need the protobuf runtime.
        texts.extend(_read_nested(kind, parts) for parts in distinct)
    rows = pa.array(picks, mask=picks < 0)
    plain = pa.array([text for text, _ in texts], pa.string()).take(rows)
    return plain, pa.array([text for _, text in texts], pa.string()).take(rows)


def _distinct_lists(lists: pa.ListArray) -> tuple[Ints, list[tuple[bytes, ...]]]:
    """Return for each list the position of its equal in the distinct lists, and those.

    Lists of one part (finish reasons) are most of them and are told apart without a loop.
    """
    parts = lists.flatten().dictionary_encode()
    codes = parts.indices.to_numpy()
    lengths = lists.value_lengths().to_numpy()
    firsts = np.cumsum(lengths) - lengths
    index = np.empty(len(lists), dtype=np.int32)
    single = lengths == 1
    used, inverse = np.unique(codes[firsts[single]], return_inverse=True)
    index[single] = inverse
    distinct = [(part,) for part in parts.dictionary.take(pa.array(used)).to_pylist()]
    others = np.flatnonzero(~single)
    seen: dict[tuple[bytes, ...], int] = {}
    for row, members in zip(others, lists.take(pa.array(others)).to_pylist(), strict=True):
        index[row] = seen.setdefault(tuple(members), len(used) + len(seen))
    return index, [*distinct, *seen]


def _read_nested(kind: ValueKind, parts: tuple[bytes, ...]) -> tuple[str, str]:
    whole = AnyValue()
    try:
        if kind == ValueKind.ARRAY:
            whole.array_value.values.extend(AnyValue.FromString(part) for part in parts)
            whole.array_value.SetInParent()
        else:
            whole.kvlist_value.values.extend(KeyValue.FromString(part) for part in parts)
            whole.kvlist_value.SetInParent()
        exact = json_format.MessageToJson(whole, indent=None)
        return json.dumps(_plain(whole), ensure_ascii=False, separators=(",", ":")), exact
    except (DecodeError, RecursionError) as error:
        raise MalformedError(f"not an AnyValue: {error}") from error


def _plain(value: AnyValue) -> Any:
    """Return a value as JSON would hold it: bytes as base64, a double that JSON lacks as text."""
    match value.WhichOneof("value"):
        case "array_value":
            return [_plain(item) for item in value.array_value.values]
        case "kvlist_value":
            return {item.key: _plain(item.value) for item in value.kvlist_value.values}
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case "double_value" if not np.isfinite(value.double_value):
            return str(value.double_value)
        case None:
            return None
        case member:
            return getattr(value, member)
