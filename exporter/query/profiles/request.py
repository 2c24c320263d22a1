"""What a question about profiles asks, read from Pyroscope's words.

Beside labels a selector may hold `__group_by__="feature,model,token_type"`: then the flame graph
has these labels for its levels, the first on top, instead of spans below spans.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from exporter.errors import WrongQueryError
from exporter.query.flame.profile_types import (
    BY_ID,
    BY_NAME,
    PROFILE_TYPES,
    Measure,
    ProfileType,
)
from exporter.query.grammar import wrong
from exporter.query.selectors import LABELS, Matcher, condition_of, matchers
from exporter.spans.condition import AllOf, AnyOf, ColumnField, Compare, Comparison, Condition

GROUP_BY = "__group_by__"
PROFILE_TYPE = "__profile_type__"
TOKEN_TYPE = "token_type"  # noqa: S105 - a kind of count, no secret
DIMENSIONS_MAX = 8
"""Levels of a flame graph of labels, and labels of a series: more cannot be read."""
IDS_MAX = 100
"""Ids of traces or spans in one question."""

_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_SPAN_ID = re.compile(r"[0-9a-f]{16}")
_NS_PER_MS = 1_000_000
# The store's times end in 2262.
_MS_MAX = 9_223_372_036_000


@dataclass(frozen=True, slots=True)
class Time:
    """From the start to before the end, in Unix nanoseconds."""

    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Selection:
    """The spans that a selector selects."""

    condition: Condition
    trace_ids: tuple[str, ...] | None = None
    """Of these traces only, None: of any."""
    profile_types: tuple[Matcher, ...] = ()
    """What the type of the profile must be."""
    dimensions: tuple[str, ...] = ()
    """Labels for levels, none: spans below spans."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileQuery:
    """A flame graph or series that is asked for."""

    kind: ProfileType
    time: Time
    selection: Selection
    span_ids: tuple[str, ...] = ()
    """Only what is at or below these spans, none: everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesQuery:
    """A profile over time."""

    profile: ProfileQuery
    step_ns: int
    group_by: tuple[str, ...] = ()
    """Labels."""
    average: bool = False
    limit: int | None = None
    with_exemplars: bool = False


def profile_type(text: str) -> ProfileType:
    """Return a profile type by its id, or by its short name; raise WrongQueryError."""
    # A sixth part says whether samples are deltas; it changes nothing here.
    found = BY_ID.get(text.removesuffix(":delta")) or BY_NAME.get(text)
    if found is None:
        raise WrongQueryError(
            f"unknown profile type {text[:100]!r}; known are {', '.join(sorted(BY_ID))}"
        )
    return found


def time_of(start_ms: int, end_ms: int) -> Time:
    """Return a time from its bounds in milliseconds; both 0: all the time there is."""
    if not start_ms and not end_ms:
        end_ms = _MS_MAX
    if end_ms < start_ms:
        raise WrongQueryError("the end of the time range is before its start")
    start, end = (min(max(ms, 0), _MS_MAX) * _NS_PER_MS for ms in (start_ms, end_ms))
    return Time(start, end)


def selection_of(text: str, trace_ids: Sequence[str] = ()) -> Selection:
    """Read a selector; `trace_ids` narrow it down. Raise WrongQueryError that shows the place."""
    labels: list[Matcher] = []
    types: list[Matcher] = []
    dimensions: tuple[str, ...] = ()
    traces = set(trace_ids) if trace_ids else None
    for matcher in matchers(text):
        if matcher.label == GROUP_BY:
            dimensions = _dimensions(matcher, text)
        elif matcher.label == PROFILE_TYPE:
            types.append(matcher)
        elif (ids := _trace_ids(matcher)) is not None:
            traces = ids if traces is None else traces & ids
        else:
            labels.append(matcher)
    if traces is not None and len(traces) > IDS_MAX:
        raise WrongQueryError(f"more than {IDS_MAX} trace ids")
    condition = condition_of(labels, text) if labels else AllOf()
    found = None if traces is None else tuple(sorted(traces))
    return Selection(condition, found, tuple(types), dimensions)


def selection_of_any(texts: Sequence[str]) -> Selection:
    """Read selectors of which one must hold, as label look-ups send them; none: every span."""
    found = [selection_of(text) for text in texts]
    if len(found) == 1:
        return found[0]
    types = tuple(matcher for each in found for matcher in each.profile_types)
    conditions = tuple(AllOf((each.condition, of_traces(each))) for each in found)
    return Selection(AnyOf(conditions) if found else AllOf(), profile_types=types)


def of_traces(selection: Selection) -> Condition:
    """Return the condition that a span is of the selection's traces."""
    if selection.trace_ids is None:
        return AllOf()
    return AnyOf(
        tuple(Compare(ColumnField("TraceId"), Comparison.EQUAL, i) for i in selection.trace_ids)
    )


def profile_types_of(selection: Selection) -> tuple[ProfileType, ...]:
    """Return the profile types that a selection is about."""
    return tuple(
        kind
        for kind in PROFILE_TYPES
        if all(_matches(matcher, kind.id) for matcher in selection.profile_types)
    )


def trace_ids_of(trace_ids: Sequence[str], profile_ids: Sequence[str] = ()) -> tuple[str, ...]:
    """Check ids of traces; a profile's id is its trace's, written as a UUID."""
    found = {_id(text, _TRACE_ID, "a trace id is 32 hex digits") for text in trace_ids}
    for text in profile_ids:
        try:
            found.add(uuid.UUID(text).hex)
        except ValueError:
            raise WrongQueryError("a profile id is a trace id, written as a UUID") from None
    return _few(found)


def span_ids_of(span_ids: Sequence[str]) -> tuple[str, ...]:
    """Check ids of spans."""
    return _few({_id(text, _SPAN_ID, "a span id is 16 hex digits") for text in span_ids})


def label_column(name: str) -> str:
    """Return the column of a label; raise WrongQueryError for one that is none."""
    if name not in LABELS:
        raise WrongQueryError(f"unknown label {name[:100]!r}; known are {', '.join(LABELS)}")
    return LABELS[name]


def check_dimensions(kind: ProfileType, dimensions: Sequence[str]) -> None:
    """Raise WrongQueryError where a profile type cannot be told apart by a dimension."""
    splits = kind.measure in {Measure.COST, Measure.TOKENS}
    if TOKEN_TYPE in dimensions and not splits:
        raise WrongQueryError(f"{TOKEN_TYPE} splits cost and tokens only")


def _dimensions(matcher: Matcher, text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in matcher.value.split(",") if name.strip())
    known = {*LABELS, TOKEN_TYPE} - {"trace_id", "span_id"}
    if matcher.comparison is not Comparison.EQUAL or not names:
        problem = f'write {GROUP_BY}="feature,model", the labels of the levels'
    elif unknown := [name for name in names if name not in known]:
        problem = f"cannot group by {', '.join(unknown)}; known are {', '.join(sorted(known))}"
    elif len(names) > DIMENSIONS_MAX or len(set(names)) < len(names):
        problem = f"group by at most {DIMENSIONS_MAX} labels, each once"
    else:
        return names
    raise wrong(problem, text, matcher.position)


def _trace_ids(matcher: Matcher) -> set[str] | None:
    """Return the ids that a matcher names; None: it is about something else."""
    if matcher.label != "trace_id":
        return None
    if matcher.comparison is Comparison.EQUAL and matcher.value:
        return {matcher.value.lower()}
    # Grafana writes a variable of several values as a pattern.
    ids = matcher.value.strip("()").split("|")
    if matcher.comparison is Comparison.MATCHES and all(map(_TRACE_ID.fullmatch, ids)):
        return set(ids)
    return None


def _matches(matcher: Matcher, text: str) -> bool:
    """Whether a text is what a matcher asks for; of patterns those that list whole texts."""
    if matcher.comparison in {Comparison.EQUAL, Comparison.NOT_EQUAL}:
        return (text == matcher.value) is (matcher.comparison is Comparison.EQUAL)
    words = matcher.value.replace("\\", "").strip("()").split("|")
    found = matcher.value in {".*", ".+"} or text in words
    return found is (matcher.comparison is Comparison.MATCHES)


def _id(text: str, form: re.Pattern[str], problem: str) -> str:
    if not form.fullmatch(text.lower()):
        raise WrongQueryError(f"{problem}, not {text[:64]!r}")
    return text.lower()


def _few(ids: set[str]) -> tuple[str, ...]:
    if len(ids) > IDS_MAX:
        raise WrongQueryError(f"more than {IDS_MAX} ids")
    return tuple(sorted(ids))
