"""Where the next page starts, as a text that callers hand back and need not understand.

It holds the time of the first page (so that `now` stays put), the key of the last row, and a mark
of the question. Nothing in it is believed: a key only ever becomes bound values.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from exporter.errors import WrongQueryError
from exporter.query.asked import Key, TimeRange

_CHARS_MAX = 32_768
_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Cursor:
    """The time that all pages are about, and the key of the last row so far."""

    range: TimeRange
    after: Key


def encode(cursor: Cursor, question: str) -> str:
    """Return the text; `question` is what all pages of an answer have in common."""
    content = [_mark(question), cursor.range.start_ns, cursor.range.end_ns, *cursor.after]
    raw = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode(text: str, question: str) -> Cursor:
    """Return what `encode` was given; raise WrongQueryError for anything else."""
    wrong = WrongQueryError(
        "the cursor does not belong to this question: ask for the first page without a cursor"
    )
    if len(text) > _CHARS_MAX:
        raise wrong
    try:
        content: Any = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        raise wrong from None
    if not isinstance(content, list) or len(content) < 4 or content[0] != _mark(question):
        raise wrong
    start_ns, end_ns, *after = content[1:]
    if not all(type(each) is str or (type(each) is int and each in _INT64) for each in after):
        raise wrong
    times = (start_ns, end_ns)
    if not all(type(each) is int and 0 <= each in _INT64 for each in times) or end_ns <= start_ns:
        raise wrong
    return Cursor(TimeRange(start_ns, end_ns), tuple(after))


def _mark(question: str) -> str:
    return hashlib.sha256(question.encode()).hexdigest()[:16]
