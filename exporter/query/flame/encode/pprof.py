"""pprof's profile.proto, as `go tool pprof` and Pyroscope read it.

The messages are declared here by field number instead of in a generated file, because five small
ones are all there are. Facts: github.com/google/pprof/blob/main/proto/profile.proto.
"""

from __future__ import annotations

import gzip
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from exporter.query.flame.encode.text import one_line
from exporter.query.flame.profile_types import ProfileType
from exporter.query.flame.tree import FlameTree

_PACKAGE = "perftools.profiles"
_INT64, _UINT64, _STRING, _MESSAGE = 3, 4, 9, 11  # FieldDescriptorProto.Type
_ONE, _MANY = 1, 3  # FieldDescriptorProto.Label

# Message, then its fields: name, number, type (another message by its name), label.
_MESSAGES: dict[str, tuple[tuple[str, int, int | str, int], ...]] = {
    "ValueType": (("type", 1, _INT64, _ONE), ("unit", 2, _INT64, _ONE)),
    "Sample": (("location_id", 1, _UINT64, _MANY), ("value", 2, _INT64, _MANY)),
    "Line": (("function_id", 1, _UINT64, _ONE),),
    "Location": (("id", 1, _UINT64, _ONE), ("line", 4, "Line", _MANY)),
    "Function": (("id", 1, _UINT64, _ONE), ("name", 2, _INT64, _ONE)),
    "Profile": (
        ("sample_type", 1, "ValueType", _MANY),
        ("sample", 2, "Sample", _MANY),
        ("location", 4, "Location", _MANY),
        ("function", 5, "Function", _MANY),
        ("string_table", 6, _STRING, _MANY),
        ("time_nanos", 9, _INT64, _ONE),
        ("duration_nanos", 10, _INT64, _ONE),
        ("period_type", 11, "ValueType", _ONE),
        ("period", 12, _INT64, _ONE),
    ),
}


def _profile_class() -> type[Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="llm_observatory/profile.proto", package=_PACKAGE, syntax="proto3"
    )
    for message, fields in _MESSAGES.items():
        declared = file.message_type.add(name=message)
        for name, number, kind, label in fields:
            field = declared.field.add(name=name, number=number)
            field.label = label  # pyright: ignore[reportAttributeAccessIssue] - an enum's number
            if isinstance(kind, str):
                field.type, field.type_name = _MESSAGE, f".{_PACKAGE}.{kind}"  # pyright: ignore[reportAttributeAccessIssue]
            else:
                field.type = kind  # pyright: ignore[reportAttributeAccessIssue]
    # A pool of its own: a process may know Google's declaration, too.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Profile"))


Profile = _profile_class()


def to_pprof(
    tree: FlameTree, kind: ProfileType, *, start_ns: int = 0, duration_ns: int = 0
) -> bytes:
    """Encode a tree as a gzipped profile with one value a sample; `start_ns` is a Unix time."""
    return gzip.compress(profile(tree, kind, start_ns, duration_ns).SerializeToString(), mtime=0)


def profile(tree: FlameTree, kind: ProfileType, start_ns: int = 0, duration_ns: int = 0) -> Any:
    """Make the message: a function and a location for each name, a sample for each own value.

    The root is left out: pprof has its own.
    """
    made = Profile(time_nanos=start_ns, duration_nanos=duration_ns, period=1)
    strings: dict[str, int] = {"": 0}

    def index(text: str) -> int:
        return strings.setdefault(text, len(strings))

    _, name, unit, period, period_unit = kind.id.split(":")
    made.sample_type.add(type=index(name), unit=index(unit))
    made.period_type.type, made.period_type.unit = index(period), index(period_unit)
    for number, text in enumerate(tree.names, start=1):
        made.function.add(id=number, name=index(one_line(text)))
        made.location.add(id=number).line.add(function_id=number)
    path: list[int] = []
    columns = (tree.name.tolist(), tree.depth.tolist(), tree.self_value.tolist())
    for code, depth, own in zip(*columns, strict=True):
        del path[max(depth - 1, 0) :]
        if depth:
            path.append(code + 1)
        if own:
            made.sample.add(location_id=reversed(path), value=[own])
    made.string_table.extend(strings)
    return made
