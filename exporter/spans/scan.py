"""Count the parts of a large request before it is decoded.

An empty span is two bytes on the wire and a hundred in columns. Only large requests are looked at
(a small one cannot do harm), and only their resources, scopes and spans are counted, each by the
length that stands before it.
"""

from __future__ import annotations

# Field 1 of a request is a resource's spans, field 2 of that a scope's, field 2 of that a span.
_TAG_BY_LEVEL = (0x0A, 0x12, 0x12)
_LENGTH_DELIMITED = 2


def has_more_parts(request: bytes, limit: int) -> bool:
    """Return whether the request has more resources, scopes and spans than `limit`.

    What cannot be read counts as nothing: the decoder will say what is wrong with it.
    """
    try:
        return _count(request, 0, len(request), 0, limit) > limit
    except IndexError:
        return False


def _count(data: bytes, at: int, end: int, level: int, limit: int) -> int:
    count = 0
    while at < end and count <= limit:
        tag, at = _varint(data, at)
        if tag & 7 != _LENGTH_DELIMITED:
            at = _skip(data, at, tag & 7)
            continue
        length, at = _varint(data, at)
        if tag == _TAG_BY_LEVEL[level]:
            count += 1
            if level + 1 < len(_TAG_BY_LEVEL):
                count += _count(data, at, min(at + length, end), level + 1, limit - count)
        at += length
    return count


def _varint(data: bytes, at: int) -> tuple[int, int]:
    byte = data[at]
    if byte < 0x80:
        return byte, at + 1
    value, shift = byte & 0x7F, 7
    while True:
        at += 1
        byte = data[at]
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at + 1
        if shift > 63:
            raise IndexError


def _skip(data: bytes, at: int, wire_type: int) -> int:
    match wire_type:
        case 0:
            return _varint(data, at)[1]
        case 1:
            return at + 8
        case 5:
            return at + 4
        case _:
            raise IndexError
