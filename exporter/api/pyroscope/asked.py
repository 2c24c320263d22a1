"""What requests of several procedures have in common, read into questions."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from exporter.api.pyroscope.messages import new
from exporter.errors import UnsupportedError, WrongQueryError
from exporter.query.flame.profile_types import ProfileType
from exporter.query.profiles.request import (
    GROUP_BY,
    PROFILE_TYPE,
    ProfileQuery,
    SeriesQuery,
    profile_type,
    profile_types_of,
    selection_of,
    span_ids_of,
    time_of,
    trace_ids_of,
)
from exporter.spans.schema import NANOSECONDS

_STEP_MIN_NS = 1_000_000
_STEP_MAX_S = 366 * 86_400


def profile_query(
    asked: Any, trace_ids: tuple[str, ...] = (), span_ids: tuple[str, ...] = ()
) -> ProfileQuery:
    """Read the type, selector and time that every request for a profile has."""
    selection = selection_of(asked.label_selector, trace_ids)
    kind = profile_type(asked.profile_typeID)
    if kind not in profile_types_of(selection):
        raise WrongQueryError(f"the selector's {PROFILE_TYPE} is another than {kind.id}")
    return ProfileQuery(
        kind=kind, time=time_of(asked.start, asked.end), selection=selection, span_ids=span_ids
    )


def flame_query(asked: Any) -> ProfileQuery:
    """Read a SelectMergeStacktracesRequest."""
    check_no_call_site(asked)
    return profile_query(
        asked,
        trace_ids=trace_ids_of(asked.trace_id_selector, asked.profile_id_selector),
        span_ids=span_ids_of(asked.span_selector),
    )


def series_query(asked: Any) -> SeriesQuery:
    """Read what a SelectSeriesRequest and a SelectHeatmapRequest share."""
    if not (math.isfinite(asked.step) and 0 < asked.step <= _STEP_MAX_S):
        raise WrongQueryError("the step is a number of seconds above 0, a year at most")
    profile = profile_query(asked)
    if profile.selection.dimensions:
        raise WrongQueryError(f"{GROUP_BY} is for flame graphs; a series has group_by")
    return SeriesQuery(
        profile=profile,
        step_ns=max(int(asked.step * NANOSECONDS), _STEP_MIN_NS),
        group_by=tuple(dict.fromkeys(asked.group_by)),
        limit=asked.limit if asked.limit > 0 else None,
    )


def split_query(text: str) -> tuple[ProfileType | None, str]:
    """Read `profile_type{selector}`, either of which may be missing."""
    name, brace, rest = text.partition("{")
    return profile_type(name.strip()) if name.strip() else None, brace + rest


def check_no_call_site(asked: Any) -> None:
    """Raise UnsupportedError where stack traces are chosen by their frames."""
    if asked.stack_trace_selector.call_site or asked.stack_trace_selector.HasField("go_pgo"):
        raise UnsupportedError("stack traces cannot be selected by call site: use labels")


def label_pairs(pairs: Iterable[tuple[str, str]]) -> list[Any]:
    """Return label pairs in the order of their names; a label of no value is not there."""
    return [
        new("types.v1.LabelPair", name=name, value=value) for name, value in sorted(pairs) if value
    ]
