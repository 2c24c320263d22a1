"""Read members of JSON texts that senders put into attributes.

What a sender wrote is never trusted: text that is too long, no JSON or nested too deep is simply
not known.
"""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from exporter.spans.batch import Attributes

# An answer with its usage is some ten kilobytes; a longer text is read by nobody here.
_CHARS_MAX = 2**18
_TEXT_CHARS_MAX = 4096
# Python's parser keeps no promise about what it takes.
_REPR_CHARS_MAX = 2**14


def read_json(text: str) -> Any:
    """Return what a JSON text holds, None: no JSON, or too much of it."""
    if len(text) > _CHARS_MAX:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _read_repr(text)


def _read_repr(text: str) -> Any:
    """Return what Python's own notation of a dict or list holds, which some senders write."""
    if not text.startswith(("{'", "[{'", "['")) or len(text) > _REPR_CHARS_MAX:
        return None
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def member(document: Any, path: str) -> Any:
    """Return what a path leads to, None: nothing. `*` at its end is the sum of the numbers there.

    A member that is itself a JSON text is read on the way.
    """
    node = document
    for name in _names(path):
        node = read_json(node) if isinstance(node, str) else node
        if isinstance(node, dict):
            node = _sum(node) if name == "*" else node.get(name)
        elif isinstance(node, list) and name.isdecimal():
            node = node[int(name)] if int(name) < len(node) else None
        else:
            return None
    return node


@cache
def _names(path: str) -> tuple[str, ...]:
    return tuple(path.split(".")) if path else ()


def scalar_text(value: Any) -> str | None:
    """Return a JSON scalar as an attribute would hold it; None for null, arrays and objects."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            # JSON can hold half a surrogate pair, UTF-8 cannot.
            return value[:_TEXT_CHARS_MAX].encode(errors="replace").decode()
        case _:
            return None


def _sum(members: dict[str, Any]) -> float | None:
    numbers = [
        float(value)
        for value in members.values()
        if isinstance(value, float) or (type(value) is int and abs(value) < 2**53)
    ]
    total = sum(numbers)
    return total if numbers and math.isfinite(total) else None


class JsonTexts:
    """The JSON texts under one key of a batch; each distinct text is parsed once, when needed."""

    def __init__(self, attributes: Attributes, code: int) -> None:
        self._entries = attributes.entries_of(code)
        texts = attributes.text.take(pa.array(self._entries)).dictionary_encode()
        self._index = texts.indices.to_numpy()
        self._texts: list[str] = texts.dictionary.to_pylist()
        self._documents: dict[int, Any] = {}

    def words(
        self, entries: NDArray[np.intp], paths: Sequence[str]
    ) -> tuple[NDArray[np.intp], list[str | None]]:
        """Return for each entry the position of its word, and the words that the paths lead to."""
        index = self._index[np.searchsorted(self._entries, entries)]
        used, inverse = np.unique(index, return_inverse=True)
        # A loop over distinct texts: JSON has no vectorised reader here.
        return inverse, [self._word(code, paths) for code in used.tolist()]

    def _word(self, code: int, paths: Sequence[str]) -> str | None:
        if code not in self._documents:
            self._documents[code] = read_json(self._texts[code])
        document = self._documents[code]
        for path in paths:
            found = member(document, path)
            if found is not None and (word := scalar_text(found)):
                return word
        return None
