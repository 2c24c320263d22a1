"""Compare what should be in Grafana with what is, and apply the difference.

Grafana adds fields of its own to what it is sent. So a thing is as it should be when everything
that we would send is there already; what is there besides does not count as a difference.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from dashboards_py.push.grafana import ConflictError, Json, PushError

# What Grafana shows in the place of a secret.
REDACTED = "[REDACTED]"


@dataclass(frozen=True, slots=True)
class Present:
    """Something that is in Grafana."""

    body: Json
    """In the form in which it would be sent."""
    ours: bool
    """Whether it carries our mark."""
    version: Any = None
    """What an update has to name, so that nobody's change is lost."""


class Kind(Protocol):
    """A kind of thing that Grafana keeps, by name."""

    title: ClassVar[str]
    """What a person calls it."""
    secrets: ClassVar[frozenset[str]]
    """The fields whose values are never shown."""

    def desired(self) -> Mapping[str, Json]:
        """Return what should be there, by name, in the form in which it is sent."""
        ...

    def present(self, name: str) -> Present | None:
        """Return what is there, None when there is nothing."""
        ...

    def ours(self) -> Iterable[str]:
        """Return the names of everything there that carries our mark."""
        ...

    def create(self, name: str, body: Json) -> None:
        """Make it."""
        ...

    def update(self, name: str, body: Json, present: Present) -> None:
        """Change it; raise ConflictError when it was changed since it was read."""
        ...

    def delete(self, name: str, present: Present) -> None:
        """Delete it."""
        ...


class Action(StrEnum):
    """What is to be done with a thing."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    KEEP = "unchanged"
    REFUSE = "not ours"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing and what is to be done with it."""

    kind: Kind
    name: str
    action: Action
    body: Json = None
    present: Present | None = None

    def diff(self) -> str:
        """Return the difference as a unified diff, without secrets."""
        there = self.present.body if self.present else None
        if self.body is not None:
            # What Grafana added would hide what differs.
            there = _shared(there, self.body)
        before, after = (_hidden(body, self.kind.secrets) for body in (there, self.body))
        name = f"{self.kind.title}/{self.name}"
        return "\n".join(
            difflib.unified_diff(_lines(before), _lines(after), f"{name} (there)", name, "", "", 2)
        )


def plan(kinds: Iterable[Kind], *, prune: bool, force: bool) -> Iterator[Change]:
    """Say what is to be done, in an order in which it can be done.

    `prune` deletes what carries our mark and should not be there any more; `force` updates what
    looks unchanged, too: a secret that changed cannot be seen.
    """
    superfluous: list[Change] = []
    for kind in kinds:
        desired = kind.desired()
        for name, body in desired.items():
            yield _compared(kind, name, body, force=force)
        if prune:
            superfluous.extend(_superfluous(kind, set(kind.ours()) - desired.keys()))
    # What others refer to is made first, so it goes last.
    yield from reversed(superfluous)


def _superfluous(kind: Kind, names: set[str]) -> Iterator[Change]:
    for name in sorted(names):
        if (present := kind.present(name)) and present.ours:
            yield Change(kind, name, Action.DELETE, present=present)


def apply(change: Change) -> None:
    """Do what a change says; raise PushError."""
    kind, name, present = change.kind, change.name, change.present
    match change.action:
        case Action.CREATE:
            kind.create(name, change.body)
        case Action.UPDATE if present:
            _again(lambda: kind.update(name, change.body, present), change)
        case Action.DELETE if present:
            kind.delete(name, present)
        case Action.REFUSE:
            raise ConflictError(f"{kind.title} {name} exists and is not ours: rename or delete it")
        case _:
            pass


def _again(update: Callable[[], None], change: Change) -> None:
    """Update; when somebody was faster, once more with the version that is there now."""
    try:
        update()
    except ConflictError:
        present = change.kind.present(change.name)
        if present is None or not present.ours:
            raise
        change.kind.update(change.name, change.body, present)


def _compared(kind: Kind, name: str, body: Json, *, force: bool) -> Change:
    present = kind.present(name)
    if present is None:
        return Change(kind, name, Action.CREATE, body)
    if not present.ours:
        return Change(kind, name, Action.REFUSE, body, present)
    same = contains(present.body, body) and not force
    return Change(kind, name, Action.KEEP if same else Action.UPDATE, body, present)


def contains(there: Json, wanted: Json) -> bool:
    """Say whether everything that is wanted is there. A list must be the same, item by item."""
    if there == REDACTED and isinstance(wanted, str):
        return True
    if isinstance(wanted, dict):
        return isinstance(there, dict) and all(
            # Grafana leaves out what is empty.
            contains(there.get(key), value) if key in there else _is_empty(value)
            for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(there, list)
            and len(there) == len(wanted)
            and all(contains(a, b) for a, b in zip(there, wanted, strict=True))
        )
    if isinstance(wanted, bool) or isinstance(there, bool):
        return there is wanted
    return bool(there == wanted)


def _is_empty(value: Json) -> bool:
    return value in (None, "", [], {}, False)


def _shared(there: Json, wanted: Json) -> Json:
    """Return of what is there only what is wanted, too."""
    if isinstance(there, dict) and isinstance(wanted, dict):
        return {key: _shared(there[key], wanted[key]) for key in wanted if key in there}
    if isinstance(there, list) and isinstance(wanted, list):
        shared = [_shared(a, b) for a, b in zip(there, wanted, strict=False)]
        return [*shared, *there[len(wanted) :]]
    return there


def _hidden(body: Json, secrets: frozenset[str]) -> Json:
    """Return it with its secrets as Grafana hides them."""
    if isinstance(body, dict):
        return {
            key: REDACTED if key in secrets else _hidden(value, secrets)
            for key, value in body.items()
        }
    return [_hidden(value, secrets) for value in body] if isinstance(body, list) else body


def _lines(body: Json) -> list[str]:
    return [] if body is None else json.dumps(body, indent=2, sort_keys=True).splitlines()


def failures(changes: Iterable[Change], done: Callable[[Change], None]) -> list[PushError]:
    """Apply all changes; return what was refused. One refusal does not stop the others."""
    refused: list[PushError] = []
    for change in changes:
        try:
            apply(change)
        except PushError as error:
            refused.append(error)
        done(change)
    return refused
