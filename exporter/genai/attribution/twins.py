"""Find the calls that two instrumentations of one process tell, each without knowing the other.

Where both are in one trace and one below the other, or both know the provider's response id, that
shows that they are one call. Here are those that share neither: an instrumentation that does not
pass its context on leaves the inner one a root of a trace of its own, or a sibling, and a stream's
span may lack the id. What is left then is that the same is told at the same time, by another.

A false match would lose money silently, so all of it must fit: service, parent (or both roots),
kind of call, model, usage or how it ended, no contradicting id or process, and one interval inside
the other. Calls are matched one to one: two equal calls at once, each told twice, stay two calls,
and what one instrumentation tells is never matched with itself.
"""

from __future__ import annotations

from bisect import bisect, insort
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

SLACK_NS = 10_000_000
"""The inner span may reach this far out of the outer one: they end in callbacks."""

# Of calls in one place only those that begin next to each other are compared. More calls of one
# model at once, from one process, than half of it may be counted twice; without a limit the time
# it takes would grow with their square.
NEIGHBOURS_MAX = 64


class Told(Protocol):
    """What is known of a call. Codes are 0 where a thing is not known."""

    key: int
    start_ns: int
    end_ns: int
    place: int
    """Service, parent, kind of call and family of model. 0: it takes no part."""
    scope: int
    process: int
    ending: int
    model: str
    answer: int
    twin: int
    """A name of the calls that it was found to be one with before, itself among them."""
    twins: int
    """How many they are."""

    @property
    def has_usage(self) -> bool:
        """Whether it reports any tokens."""
        ...

    @property
    def usage(self) -> tuple[int, int]:
        """Input and output tokens."""
        ...


Call = TypeVar("Call", bound=Told)


def is_one_call(one: Told, other: Told) -> bool:
    """Say whether two spans can be two instrumentations' views of one call."""
    return (
        one.place == other.place != 0
        and one.scope != other.scope
        and _agree(one.process, other.process)
        and _agree(one.answer, other.answer)
        and _is_inside(one, other)
        and (one.model.startswith(other.model) or other.model.startswith(one.model))
        and _same_result(one, other)
    )


def matched(calls: Iterable[Call]) -> list[list[Call]]:
    """Return groups of spans that are one call, of each instrumentation at most one.

    The order of the calls does not matter.
    """
    groups: list[list[Call]] = []
    open_calls: list[Call] = []
    known: dict[int, list[Call]] = {}
    for call in sorted(calls, key=lambda c: (c.start_ns, -c.end_ns, c.key)):
        if call.twin:
            known.setdefault(call.twin, []).append(call)
        else:
            open_calls.append(call)
    # Where one of them is out of sight, nobody knows which instrumentations told the call already.
    groups.extend(group for group in known.values() if len(group) == group[0].twins)
    # Equal usage says more than an equal ending, so those that have it choose first.
    for call in sorted(open_calls, key=lambda c: not c.has_usage):
        if best := _best(call, groups):
            best.append(call)
        else:
            insort(groups, [call], key=_start)
    return [group for group in groups if len(group) > 1]


def _best(call: Call, groups: list[list[Call]]) -> list[Call] | None:
    """Return the group that a call fits in and that ends the nearest to it."""
    at = bisect(groups, call.start_ns, key=_start)
    near = groups[max(0, at - NEIGHBOURS_MAX // 2) : at + NEIGHBOURS_MAX // 2]
    fitting = [group for group in near if all(is_one_call(call, other) for other in group)]
    # With intervals inside each other this leaves the widest for those that need it, so that as
    # many as possible find their match.
    return min(
        fitting,
        key=lambda g: (
            abs(g[0].end_ns - call.end_ns),
            abs(g[0].start_ns - call.start_ns),
            g[0].key,
        ),
        default=None,
    )


def _start(group: Sequence[Told]) -> int:
    return group[0].start_ns


def _agree(one: int, other: int) -> bool:
    return not one or not other or one == other


def _is_inside(one: Told, other: Told) -> bool:
    outer, inner = sorted((one, other), key=lambda c: c.start_ns - c.end_ns)
    return outer.start_ns - SLACK_NS <= inner.start_ns and inner.end_ns <= outer.end_ns + SLACK_NS


def _same_result(one: Told, other: Told) -> bool:
    if one.has_usage and other.has_usage:
        return one.usage == other.usage
    return one.ending == other.ending
