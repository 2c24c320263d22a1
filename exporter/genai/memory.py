"""Remember the spans of the last while, so that a span's place in its trace is known.

Bounded in spans and in time: there is a young half and an old half, and the old one goes as a
whole. What is forgotten can no longer be found as an ancestor; its decision was made long before.

This is on the path of every span, so what each span costs is an entry in a dict, made for a whole
column at once. Objects are made only for the members of traces in which something may be counted
twice; most traces are not like that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from exporter.genai.attribution import Kind, Line, Member, Reason, Role, decide
from exporter.genai.fields import APART_CLASSES, CALL, NEVER_CLASSES
from exporter.genai.tokens import reports_usage
from exporter.spans.arrow import holds, known, words
from exporter.spans.batch import Bools, Keys, SpanBatch
from exporter.spans.schema import TOKEN_KINDS

# A longer line of ancestors is a loop or a mistake.
_DEPTH_MAX = 256
_ROLES = [role.value for role in Role]
_CODE_OF_ROLE = {role: code for code, role in enumerate(Role)}
_ALONE = (Role.OWN, Reason.ALONE)

# Of each key the lowest bit is kept free: with a parent's key it says that the child is an agent
# or a tool, so that one look-up answers both.
_KEY = 2**64 - 2
_APART = 1

# A call that was seen in so many traces is no call but an id that is not one.
_LINKED_TRACES_MAX = 8

_Facts = tuple[int, int, int, str | None, bool, int, int, int, str | None]
"""Parent, start, end, class, server side, input, output, counts reported, response id."""


_CLASS = 3
_ANSWER = 8


@dataclass(slots=True)
class _Half:
    """The spans of one stretch of time."""

    since: float = 0.0
    parents: dict[int, int] = field(default_factory=dict[int, int])
    """For each span its parent's key, and whether it is an agent or tool."""
    facts: dict[int, _Facts] = field(default_factory=dict[int, _Facts])
    """The members."""
    traces: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    """The members of each trace."""
    answers: dict[str, list[tuple[int, int]]] = field(
        default_factory=dict[str, list[tuple[int, int]]]
    )
    """Trace and key of the members with each response id."""
    decided: dict[int, tuple[Role, Reason]] = field(default_factory=dict[int, tuple[Role, Reason]])
    seen: set[int] = field(default_factory=set[int])
    """Members whose row was given its role: the same span that comes again is a duplicate."""


class TraceMemory:
    """Knows the members and the ancestry of recent traces. Not for several threads at once."""

    def __init__(self, *, max_spans: int, max_age_s: float) -> None:
        self._max_spans = max(1, max_spans // 2)
        self._max_age_s = max_age_s / 2
        self._young = _Half()
        self._old = _Half()

    def __len__(self) -> int:
        """Return the number of spans that are remembered."""
        return len(self._young.parents) + len(self._old.parents)

    def remember(self, batch: SpanBatch, now_s: float) -> None:
        """Take in the spans of a normalised batch."""
        young = self._turned(now_s)
        young.parents.update(zip(_plain(batch.keys), _tagged_parents(batch), strict=True))
        rows = np.flatnonzero(_is_member(batch))
        keys = _plain(batch.keys[rows])
        facts = _facts(batch, rows)
        young.facts.update(zip(keys, facts, strict=True))
        traces, answers = young.traces, young.answers
        for trace, key, fact in zip(batch.trace_keys[rows].tolist(), keys, facts, strict=True):
            if trace in traces:
                traces[trace].append(key)
            else:
                traces[trace] = [key]
            if answer := fact[_ANSWER]:
                if (known_as := answers.get(answer)) is None:
                    answers[answer] = [(trace, key)]
                else:
                    # Only the newest: a server may give every answer the same id.
                    known_as.append((trace, key))
                    del known_as[:-_LINKED_TRACES_MAX]

    def attribute(self, batch: SpanBatch) -> SpanBatch:
        """Return a remembered batch with the role of each span, null where it is no member."""
        rows = np.flatnonzero(_is_member(batch))
        keys = _plain(batch.keys[rows])
        for trace in dict.fromkeys(batch.trace_keys[rows].tolist()):
            self._decide(trace)
        codes = np.full(len(batch), -1, dtype=np.int32)
        codes[rows] = [self._code(key) for key in keys]
        return batch.with_columns({"UsageRole": words(codes, _ROLES)})

    def forgive(self, batch: SpanBatch) -> None:
        """Forget that a batch was attributed: it failed and will be tried again."""
        self._young.seen.difference_update(_plain(batch.keys))
        self._old.seen.difference_update(_plain(batch.keys))

    def reason(self, key: int) -> Reason | None:
        """Return why a span has its role, None when it is not remembered or not decided."""
        found = self._role(key & _KEY)
        return found[1] if found else None

    def _code(self, key: int) -> int:
        if key in self._young.seen or key in self._old.seen:
            # A sender that got no answer sends its spans again.
            return _CODE_OF_ROLE[Role.DUPLICATE]
        self._young.seen.add(key)
        # Not there: forgotten before it was decided, the memory is too small for the hold.
        return _CODE_OF_ROLE[(self._role(key) or _ALONE)[0]]

    def _role(self, key: int) -> tuple[Role, Reason] | None:
        return self._young.decided.get(key) or self._old.decided.get(key)

    def _decide(self, trace: int) -> None:
        """Decide what is open in a trace, and in those that report one of its calls, too."""
        keys = self._members_of(trace)
        if all(self._role(key) for key in keys):
            return
        if linked := self._linked(trace, keys):
            keys = list(dict.fromkeys([*keys, *linked]))
        lines = {key: self._line(key) for key in keys}
        if self._is_simple(keys, lines):
            self._young.decided.update(dict.fromkeys(keys, _ALONE))
            return
        members = {key: self._member(key) for key in keys}
        decide(
            list(members.values()),
            lambda m: Line(tuple((members[k], apart) for k, apart in lines[m.key])),
        )
        for key, member in members.items():
            if member.role and member.reason:
                self._young.decided[key] = (member.role, member.reason)

    def _members_of(self, trace: int) -> list[int]:
        young, old = self._young.traces.get(trace), self._old.traces.get(trace)
        together = [*(old or ()), *(young or ())]
        # A span that was sent again is there twice.
        return together if len(together) < 2 else list(dict.fromkeys(together))

    def _linked(self, trace: int, keys: Sequence[int]) -> list[int]:
        """Return the members of other traces in which a call of this one was seen again.

        Instrumentations that lose the context start a trace of their own for the same call. Some
        servers number their answers from 1, so the same id alone does not make the same call.
        """
        found: list[int] = []
        traces, open_keys = [trace], list(keys)
        while open_keys and len(traces) < _LINKED_TRACES_MAX:
            key = open_keys.pop()
            answer = self._facts_of(key)[_ANSWER]
            for other_trace, other in self._with_answer(answer) if answer else ():
                if other_trace not in traces and self._is_same_call(key, other):
                    traces.append(other_trace)
                    members = self._members_of(other_trace)
                    found += members
                    open_keys += members
        return found

    def _with_answer(self, answer: str) -> list[tuple[int, int]]:
        return [*self._old.answers.get(answer, ()), *self._young.answers.get(answer, ())]

    def _is_same_call(self, one: int, other: int) -> bool:
        """Say whether two spans with one response id overlap in time and do not disagree."""
        _, start, end, _, _, asked, answered, _, _ = self._facts_of(one)
        _, other_start, other_end, _, _, other_asked, other_answered, _, _ = self._facts_of(other)
        overlap = start <= other_end and other_start <= end
        agree = asked == other_asked or min(asked, other_asked) < 0
        return (
            overlap and agree and (answered == other_answered or min(answered, other_answered) < 0)
        )

    def _is_simple(self, keys: Sequence[int], lines: dict[int, list[tuple[int, bool]]]) -> bool:
        """Say whether all members are calls that have nothing to do with each other."""
        answers: set[str] = set()
        for key in keys:
            facts = self._facts_of(key)
            answer = facts[_ANSWER]
            if lines[key] or facts[_CLASS] != CALL or (answer and answer in answers):
                return False
            if answer:
                answers.add(answer)
        return True

    def _facts_of(self, key: int) -> _Facts:
        return self._young.facts.get(key) or self._old.facts[key]

    def _member(self, key: int) -> Member:
        facts = self._facts_of(key)
        parent, start, _, span_class, server, asked, answered, detail, answer = facts
        role, reason = self._role(key) or (None, None)
        return Member(
            key=key,
            parent=parent,
            start_ns=start,
            kind=_kind(span_class),
            is_server=server,
            never=span_class in NEVER_CLASSES,
            input=asked,
            output=answered,
            detail=detail,
            response_id=answer,
            role=role,
            reason=reason,
        )

    def _line(self, key: int) -> list[tuple[int, bool]]:
        """Return the members above a member, nearest first, and whether something is between."""
        above: list[tuple[int, bool]] = []
        apart = 0
        young, old = self._young, self._old
        step = self._facts_of(key)[0]
        for _ in range(_DEPTH_MAX):
            if not step or step == key:
                break
            if step in young.facts or step in old.facts:
                above.append((step, bool(apart)))
            tagged = young.parents.get(step)
            if tagged is None:
                tagged = old.parents.get(step, 0)
            apart |= tagged & _APART
            step = tagged & _KEY
        return above

    def _turned(self, now_s: float) -> _Half:
        """Return the young half; when it is full or aged it becomes the old one."""
        young = self._young
        if not young.parents:
            young.since = now_s
        elif now_s - young.since > self._max_age_s or len(young.parents) >= self._max_spans:
            self._old, self._young = young, _Half(now_s)
        return self._young


def _plain(keys: Keys) -> list[int]:
    return (keys & np.uint64(_KEY)).tolist()


def _tagged_parents(batch: SpanBatch) -> list[int]:
    apart = np.zeros(len(batch), dtype=np.bool_)
    for span_class in APART_CLASSES:
        apart |= holds(batch["SpanClass"], span_class)
    return ((batch.parent_keys & np.uint64(_KEY)) | apart.astype(np.uint64)).tolist()


def _is_member(batch: SpanBatch) -> Bools:
    """Return the calls, and every other span that reports usage."""
    return holds(batch["SpanClass"], CALL) | reports_usage(batch)


def _facts(batch: SpanBatch, rows: NDArray[np.intp]) -> list[_Facts]:
    chosen = pa.array(rows)
    counts_of_span = np.diff(batch["ReportedUsage"].offsets.to_numpy())
    columns = (
        _plain(batch.parent_keys[rows]),
        batch.start_ns[rows].tolist(),
        (batch.start_ns + batch.duration_ns)[rows].tolist(),
        batch["SpanClass"].take(chosen).to_pylist(),
        holds(batch["SpanKind"], "Server")[rows].tolist(),
        _totals(batch, rows, output=False),
        _totals(batch, rows, output=True),
        counts_of_span[rows].tolist(),
        batch["ResponseId"].take(chosen).to_pylist(),
    )
    return list(zip(*columns, strict=True))


def _totals(batch: SpanBatch, rows: NDArray[np.intp], *, output: bool) -> list[int]:
    """Return all input or all output tokens of some spans, -1: not known.

    Totals of the disjoint kinds, because emitters disagree about what a reported total includes.
    """
    total = np.zeros(len(rows), dtype=np.int64)
    reported = np.zeros(len(rows), dtype=np.bool_)
    for kind in TOKEN_KINDS:
        column = batch[kind.column]
        if kind.is_output == output and column.null_count < len(column):
            total += column.fill_null(0).to_numpy().astype(np.int64)[rows]
            reported |= known(column)[rows]
    return np.where(reported, total, -1).tolist()


def _kind(span_class: str | None) -> Kind:
    if span_class == CALL:
        return Kind.CALL
    return Kind.UNKNOWN if span_class is None else Kind.STRUCTURE
