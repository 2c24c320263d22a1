"""Make two captures of one scenario alike, and let nothing of this machine into them.

Ids are renumbered in order of appearance, times are moved to a fixed start and rounded to
milliseconds, and paths, host names, process ids and ports are replaced.
"""

import getpass
import hashlib
import json
import re
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

Tree = dict[str, Any]

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
PORT = 8000  # What every port becomes.
TEXT_MAX = 6_000

_MS = 1_000_000
# Not the decimals of a number, nor a whole one.
_HEX = re.compile(r"(?<![\w.])(?=\d*[a-f])(?:[0-9a-f]{32}|[0-9a-f]{16})\b")
_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_MOMENT = re.compile(r"\b(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(\.\d+)?")
_PATH = re.compile(
    r"(?:/(?:tmp|root|home|work|usr|opt|var|private|Users)/[\w.@+~-]+)(?:/[\w.@+~-]+)*"
)
_STACK = re.compile(r"stack_?trace$")
_ADDRESS = re.compile(r"\b0x[0-9a-f]{8,16}\b")
_MACHINE_KEYS = re.compile(
    r"^(process\.(?!runtime)|host\.|os\.|thread\.|code\.|device\.|langfuse\.environment\.host)"
)


def normalise(tree: Tree, *, name: str, ports: set[int]) -> Tree:
    """Return a capture in its committed form. `name` seeds the ids that replace the real ones."""
    _sort(tree)
    _shift(tree)
    scrub = _Scrubber(name, ports)
    text = json.dumps(_scrubbed(tree, scrub.value), ensure_ascii=False)
    return json.loads(_renumbered(text, name))


def leaks(text: str) -> list[str]:
    """Return what in a text tells about this machine or its user."""
    words = {socket.gethostname(), str(Path.home()), str(Path.cwd()), "site-packages/"}
    if len(getpass.getuser()) > 4:
        words.add(getpass.getuser())
    return sorted(word for word in words if len(word) > 1 and word in text)


def spans(tree: Tree) -> Iterator[Tree]:
    """Yield every span of a request."""
    for resource in tree.get("resourceSpans", []):
        for scope in resource.get("scopeSpans", []):
            yield from scope.get("spans", [])


def _sort(tree: Tree) -> None:
    """Order spans by start and attributes by key: neither order means anything."""
    for resource in tree.get("resourceSpans", []):
        _sort_attributes(resource.get("resource", {}))
        for scope in resource.get("scopeSpans", []):
            scope.get("spans", []).sort(key=lambda span: int(span["startTimeUnixNano"]))
    for span in spans(tree):
        _sort_attributes(span)
        for event in span.get("events", []):
            _sort_attributes(event)


def _sort_attributes(holder: Tree) -> None:
    holder.get("attributes", []).sort(key=lambda attribute: attribute["key"])


def _shift(tree: Tree) -> None:
    first = min(int(span["startTimeUnixNano"]) for span in spans(tree))
    start = int(START.timestamp()) * 1000 * _MS

    def moved(nanos: str) -> str:
        # Half a millisecond is added so that order is kept and durations stay near.
        return str(start + (int(nanos) - first + _MS // 2) // _MS * _MS)

    for span in spans(tree):
        span["startTimeUnixNano"] = moved(span["startTimeUnixNano"])
        span["endTimeUnixNano"] = moved(span["endTimeUnixNano"])
        for event in span.get("events", []):
            event["timeUnixNano"] = moved(event["timeUnixNano"])
    delta = START - datetime.fromtimestamp(first / 1e9, UTC)
    for holder in _attribute_values(tree):
        if "stringValue" in holder:
            holder["stringValue"] = _moved_text(holder["stringValue"], delta)


def _moved_text(text: str, delta: timedelta) -> str:
    def moved(match: re.Match[str]) -> str:
        told = datetime.fromisoformat(match[1] + (match[2] or "")[:7]).replace(tzinfo=UTC) + delta
        if abs(told - START) > timedelta(hours=1):
            return match[0]
        separator = match[1][10]
        return told.replace(tzinfo=None).isoformat(separator, "milliseconds")

    return _MOMENT.sub(moved, text)


def _attribute_values(node: Any) -> Iterator[Tree]:
    match node:
        case {"key": str(), "value": dict() as value}:
            yield from _leaves(value)
        case dict():
            for child in node.values():
                yield from _attribute_values(child)
        case list():
            for child in node:
                yield from _attribute_values(child)
        case _:
            pass


def _leaves(value: Tree) -> Iterator[Tree]:
    match value:
        case {"arrayValue": {"values": list() as values}}:
            for item in values:
                yield from _leaves(item)
        case {"kvlistValue": {"values": list() as values}}:
            for item in values:
                yield from _leaves(item.get("value", {}))
        case _:
            yield value


class _Scrubber:
    """Replace what only this machine would send."""

    def __init__(self, name: str, ports: set[int]) -> None:
        self._name = name
        self._ports = {str(port) for port in ports}
        self._port = re.compile(r"\b(" + "|".join(sorted(self._ports)) + r")\b")

    def value(self, key: str, value: Tree) -> Tree:
        """Return an attribute's value without machine-specific parts."""
        if _MACHINE_KEYS.match(key):
            return _blank(value)
        for leaf in _leaves(value):
            if leaf.get("intValue") in self._ports:
                leaf["intValue"] = str(PORT)
            elif "stringValue" in leaf:
                leaf["stringValue"] = self._text(key, leaf["stringValue"])
        return value

    def _text(self, key: str, text: str) -> str:
        if _STACK.search(key) or "Traceback (most recent call last)" in text:
            text = _last_line(text)
        text = self._port.sub(str(PORT), text)
        text = text.replace(socket.gethostname(), "host")
        text = _ADDRESS.sub("0x0", _PATH.sub("/app", text))
        return text if len(text) <= TEXT_MAX else text[:TEXT_MAX]


def _blank(value: Tree) -> Tree:
    blank: Tree = {"stringValue": "scrubbed", "intValue": "1", "arrayValue": {"values": []}}
    return {kind: blank.get(kind, content) for kind, content in value.items()}


def _last_line(text: str) -> str:
    """Return the last line of a stack trace, also of one inside a JSON string."""
    lines = [line for line in re.split(r"\n|\\n", text) if line.strip() not in {"", '"}', '"'}]
    return lines[-1] if lines else ""


def _scrubbed(node: Any, scrub: Callable[[str, Tree], Tree]) -> Any:
    match node:
        case {"key": str(key), "value": dict() as value}:
            return {"key": key, "value": scrub(key, value)}
        case {"message": str(message), **rest}:
            return {"message": scrub("message", {"stringValue": message})["stringValue"], **rest}
        case dict():
            return {key: _scrubbed(child, scrub) for key, child in node.items()}
        case list():
            return [_scrubbed(child, scrub) for child in node]
        case _:
            return node


def _renumbered(text: str, name: str) -> str:
    """Replace ids, wherever they are repeated, by ones that follow from their order."""
    known: dict[str, str] = {}

    def stable(match: re.Match[str]) -> str:
        real = match[0]
        if set(real) == {"0"}:
            return real
        digest = hashlib.sha256(f"{name}/{len(known)}".encode()).hexdigest()
        if real not in known:
            known[real] = digest[: len(real)]
        return known[real]

    def stable_uuid(match: re.Match[str]) -> str:
        bare = match[0].replace("-", "")
        if bare not in known:
            known[bare] = hashlib.sha256(f"{name}/{len(known)}".encode()).hexdigest()[:32]
        new = known[bare]
        return "-".join((new[:8], new[8:12], new[12:16], new[16:20], new[20:]))

    return _UUID.sub(stable_uuid, _HEX.sub(stable, text))
