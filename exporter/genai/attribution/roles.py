"""Decide which span owns the usage of a call, so that each call is counted once.

Wrappers, agents and gateways repeat the usage of the calls below them; two instrumentations of one
SDK report the same call twice. The spans of a trace come in any order, in several requests, from
several processes. So each batch is looked at only after it was held for a while (hold.py); what
came meanwhile is in the memory of recent spans here. A decision stands: what arrives after it is
judged knowing what was counted, so counters never go back.

The rules, for the spans of a trace that are calls or carry usage ("members"), in their order:

1. What is never counted: placeholders of unfinished spans, look-ups of stored answers.
2. Calls with the same response id are one call, wherever they are in the trace; in another trace,
   too, if they overlap in time and do not disagree about their usage.
3. Calls that two instrumentations of one service tell beside each other, or as roots of two
   traces, with the same model, usage and time, are one call (twins.py), matched one to one.
4. On one line of ancestors, with no agent or tool between them, calls with the same input and
   output are one call; so are a call without usage and one with it, and two without.
   A server's span of a call whose client reports usage is the same call seen from the other side.
5. Of such calls the one is kept that knows more (usage, cache detail), else the deepest.
6. A call whose usage is the sum of the calls below it is their roll-up.
7. A span that is no call (agent, workflow, wrapper, or unknown) keeps its usage only if no member
   below it has any: some frameworks report usage on the agent only. Calls below such a one are
   counted as calls, and their usage is not estimated on top.

Sibling calls that one instrumentation tells are never merged without a common id, however equal
their numbers are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from exporter.genai.attribution.twins import matched


class Role(StrEnum):
    """What a span's usage is; only `own` is counted."""

    OWN = "own"
    ROLLUP = "rollup"
    DUPLICATE = "duplicate"
    SERVER = "server"


class Reason(StrEnum):
    """Why a span has its role, for `explain`."""

    ALONE = "no other span reports this call"
    KNOWS_MOST = "of the spans that report this call it knows the most, or is the deepest"
    NOTHING_BELOW = "no span below it reports usage"
    SAME_ID = "another span has the same response id"
    SAME_TIME = (
        "another instrumentation of this service tells a call of the same model, with the same "
        "usage or ending, at the same time and place"
    )
    SAME_USAGE = "a span on its line of ancestors reports the same usage"
    NO_USAGE = "it reports no usage, and a call on its line of ancestors is the same one"
    SERVER_SIDE = "the client's span of this call reports the usage"
    SUM_BELOW = "its usage is the sum of the calls below it"
    USAGE_BELOW = "spans below it report the usage"
    ESTIMATED_BELOW = "calls below it were counted with an estimate before this span arrived"
    COUNTED_ABOVE = "a span above it was counted before this one arrived"
    NEVER = "spans of this kind are never counted"


class Kind(StrEnum):
    """What a member is, as far as attribution goes."""

    CALL = "call"
    STRUCTURE = "structure"
    UNKNOWN = "unknown"
    """It carries usage and says nothing of what it is."""


@dataclass(slots=True, eq=False)
class Member:
    """A span that is a call or carries usage. Keys are of 64 bits and unique over traces."""

    key: int
    parent: int
    start_ns: int
    end_ns: int
    kind: Kind
    is_server: bool
    never: bool
    input: int
    """Input tokens as reported, -1: not known."""
    output: int
    detail: int
    """How many counts it reports."""
    answer: int
    """Stands for the response id; of this and the next ones 0: not known."""
    place: int
    """Stands for service, parent, kind of call and family of model; 0: has no twin."""
    scope: int
    process: int
    ending: int
    model: str
    twin: int = 0
    """The key of the call that it was found to be one with, which may be itself."""
    twins: int = 0
    """How many spans were found to be that call."""
    role: Role | None = None
    reason: Reason | None = None
    estimated: bool = False
    """It was counted with an estimate of the usage that it does not report."""
    is_reported_above: bool = False
    """It reports no usage, and an agent above it was counted with the usage of all it did."""

    @property
    def has_usage(self) -> bool:
        """Whether it reports any tokens."""
        return self.input >= 0 or self.output >= 0

    @property
    def usage(self) -> tuple[int, int]:
        """Input and output, to compare."""
        return self.input, self.output


@dataclass(frozen=True, slots=True)
class Line:
    """The members above a member, the nearest first; `apart`: an agent or tool stands between."""

    above: tuple[tuple[Member, bool], ...] = ()


def decide(members: Sequence[Member], lines: Callable[[Member], Line]) -> None:
    """Give every member of a trace its role. A member that has one keeps it.

    The order of `members` does not matter.
    """
    ordered = sorted(members, key=lambda m: (m.start_ns, m.key))
    trace = _Trace(ordered, {m.key: lines(m) for m in ordered})
    trace.never()
    trace.same_id()
    trace.same_time()
    trace.same_line()
    trace.sums()
    trace.others()
    trace.rest()


@dataclass(slots=True)
class _Trace:
    """The members of one trace while their roles are found."""

    members: list[Member]
    lines: dict[int, Line]
    below: dict[int, list[Member]] = field(default_factory=dict[int, list[Member]])

    def __post_init__(self) -> None:
        for member in self.members:
            for above, _ in self.lines[member.key].above:
                self.below.setdefault(above.key, []).append(member)

    def never(self) -> None:
        for member in self._open():
            if member.never:
                _settle(member, Role.ROLLUP, Reason.NEVER)

    def same_id(self) -> None:
        groups: dict[int, list[Member]] = {}
        for member in self._in_play():
            if member.answer and member.kind is not Kind.STRUCTURE:
                groups.setdefault(member.answer, []).append(member)
        for group in groups.values():
            if len(group) > 1:
                self._keep_one(group, Reason.SAME_ID)

    def same_time(self) -> None:
        places: dict[int, list[Member]] = {}
        for member in self.members:
            if member.place and (member.twin or not _loses(member)):
                places.setdefault(member.place, []).append(member)
        for calls in places.values():
            if len({call.scope for call in calls}) > 1:
                for group in matched(call for call in calls if self._stands_free(call)):
                    self._keep_one(group, Reason.SAME_TIME)

    def _stands_free(self, member: Member) -> bool:
        """Say whether no call is above or below a member: what is there is its match."""
        around = (*self._above(member), *self.below.get(member.key, ()))
        return all(other.kind is not Kind.CALL for other in around)

    def _keep_one(self, group: Sequence[Member], reason: Reason) -> None:
        winner = max(group, key=self._rank)
        for member in group:
            member.twin, member.twins = winner.key, len(group)
            if member is not winner:
                _settle(member, Role.SERVER if member.is_server else Role.DUPLICATE, reason)

    def same_line(self) -> None:
        # From the deepest up, so that of a chain of equals only the deepest is left.
        by_depth = sorted(self.members, key=lambda m: -len(self.lines[m.key].above))
        for member in by_depth:
            if member.kind is not Kind.CALL:
                continue
            for above, apart in self.lines[member.key].above:
                if _loses(member):
                    break
                if above.kind is Kind.CALL and not _loses(above):
                    self._compare(above, member, apart=apart)

    def _compare(self, above: Member, below: Member, *, apart: bool) -> None:
        if below.is_server and not above.is_server and above.has_usage:
            self._yield(below, above, Role.SERVER, Reason.SERVER_SIDE)
        elif apart:
            return
        elif above.has_usage and below.has_usage:
            if above.usage == below.usage:
                loser = below if above.detail > below.detail else above
                winner = above if loser is below else below
                self._yield(loser, winner, Role.DUPLICATE, Reason.SAME_USAGE)
        elif below.has_usage or not above.has_usage:
            self._yield(above, below, Role.DUPLICATE, Reason.NO_USAGE)
        else:
            self._yield(below, above, Role.DUPLICATE, Reason.NO_USAGE)

    def _yield(self, loser: Member, winner: Member, role: Role, reason: Reason) -> None:
        """Let one of two give way; what was counted before stays, so then the other does."""
        if loser.role is Role.OWN:
            if winner.role is None:
                _settle(winner, Role.DUPLICATE, reason)
        else:
            _settle(loser, role, reason)

    def sums(self) -> None:
        for member in self._open():
            parts = [
                m
                for m in self.below.get(member.key, ())
                if not _loses(m) and m.has_usage and m.kind is Kind.CALL
            ]
            if len(parts) > 1 and member.usage == (_total(parts, "input"), _total(parts, "output")):
                _settle(member, Role.ROLLUP, Reason.SUM_BELOW)

    def others(self) -> None:
        for member in self._open():
            if member.has_usage and any(
                m.role is Role.OWN and m.has_usage and m.kind is not Kind.CALL
                for m in self._above(member)
            ):
                _settle(member, Role.DUPLICATE, Reason.COUNTED_ABOVE)
            elif member.kind is not Kind.CALL:
                below = [m for m in self.below.get(member.key, ()) if not m.never]
                if any(m.has_usage for m in below):
                    _settle(member, Role.ROLLUP, Reason.USAGE_BELOW)
                elif any(m.estimated for m in below):
                    _settle(member, Role.ROLLUP, Reason.ESTIMATED_BELOW)
                else:
                    _settle(member, Role.OWN, Reason.NOTHING_BELOW)

    def rest(self) -> None:
        settled = {m.key for m in self.members if m.role in {Role.DUPLICATE, Role.SERVER}}
        for member in self._open():
            around = (*self._above(member), *self.below.get(member.key, ()))
            alone = not member.twin and not any(m.key in settled for m in around)
            _settle(member, Role.OWN, Reason.ALONE if alone else Reason.KNOWS_MOST)
            member.is_reported_above = not member.has_usage and any(
                m.role is Role.OWN and m.has_usage for m in self._above(member)
            )

    def _open(self) -> Iterable[Member]:
        return (m for m in self.members if m.role is None)

    def _in_play(self) -> Iterable[Member]:
        return (m for m in self.members if not _loses(m))

    def _above(self, member: Member) -> Iterable[Member]:
        return (above for above, _ in self.lines[member.key].above)

    def _rank(self, member: Member) -> tuple[bool, bool, bool, bool, int, int, int, int]:
        return (
            member.role is Role.OWN,
            member.role is None,
            member.has_usage,
            not member.is_server,
            member.detail,
            len(self.lines[member.key].above),
            # Of siblings the inner one begins later: it is nearer to the provider.
            member.start_ns,
            member.key,
        )


def _loses(member: Member) -> bool:
    return member.role is not None and member.role is not Role.OWN


def _settle(member: Member, role: Role, reason: Reason) -> None:
    if member.role is None:
        member.role, member.reason = role, reason


def _total(parts: Iterable[Member], name: str) -> int:
    return sum(max(getattr(part, name), 0) for part in parts)
