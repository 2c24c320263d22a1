"""Flame graphs to take away: what is asked for, and the file that it becomes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from exporter.errors import WrongQueryError
from exporter.query.asked import TimeRange
from exporter.query.flame.encode.d3 import to_d3
from exporter.query.flame.encode.folded import to_folded
from exporter.query.flame.encode.nested_set import (
    NestedSet,
    rows,
    to_diff_nested_set,
    to_nested_set,
)
from exporter.query.flame.encode.pprof import to_pprof
from exporter.query.flame.encode.speedscope import to_speedscope
from exporter.query.flame.encode.svg import to_svg
from exporter.query.flame.profile_types import BY_ID, BY_NAME, Measure, ProfileType
from exporter.query.flame.tree import FlameDiff, FlameTree
from exporter.query.form import as_csv
from exporter.query.profiles.request import (
    GROUP_BY,
    ProfileQuery,
    Time,
    selection_of,
    span_ids_of,
    trace_ids_of,
)
from exporter.query.times import rfc3339

_NAMES = re.compile(r"[\w,\s]*", re.ASCII)
# The word for time that people know; the other one is "work".
_ALIASES = {"duration": "wall"}


class Form(StrEnum):
    """Forms of a flame graph."""

    JSON = "json"
    NESTED_SET = "nested_set"
    CSV = "csv"
    FOLDED = "folded"
    SPEEDSCOPE = "speedscope"
    D3 = "d3"
    PPROF = "pprof"
    SVG = "svg"


DIFF_FORMS = (Form.JSON, Form.NESTED_SET, Form.CSV)
"""Forms that have room for two values of a frame."""

_MEDIA: dict[Form, str] = {
    Form.CSV: "text/csv; charset=utf-8",
    Form.FOLDED: "text/plain; charset=utf-8",
    Form.PPROF: "application/octet-stream",
    Form.SVG: "image/svg+xml",
}
_ENDINGS: tuple[tuple[str, Form], ...] = (
    (".speedscope.json", Form.SPEEDSCOPE),
    (".d3.json", Form.D3),
    (".nested_set.json", Form.NESTED_SET),
    (".json", Form.JSON),
    (".csv", Form.CSV),
    (".folded", Form.FOLDED),
    (".txt", Form.FOLDED),
    (".pb.gz", Form.PPROF),
    (".pprof", Form.PPROF),
    (".svg", Form.SVG),
)
ENDINGS = tuple(ending for ending, _ in _ENDINGS)
"""Ends of file names that tell the form."""


@dataclass(frozen=True, slots=True)
class File:
    """A flame graph in some form."""

    body: bytes
    media: str


def form_of(name: str) -> Form | None:
    """Return the form that a file's name tells, None: it tells none."""
    lower = name.lower()
    return next((form for ending, form in _ENDINGS if lower.endswith(ending)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A flame graph in people's words."""

    kind: str
    """Name or id of a profile type."""
    within: TimeRange
    query: str = ""
    """A selector of labels."""
    by: str = ""
    """The labels that the levels are made of, none: spans below spans."""
    trace_id: str = ""
    span_id: str = ""


def profile_query(wanted: Wanted) -> ProfileQuery:
    """Return what is asked for; raise WrongQueryError."""
    trace_ids = trace_ids_of((wanted.trace_id,)) if wanted.trace_id else ()
    selection = selection_of(wanted.query, trace_ids)
    if by := wanted.by.strip():
        if not _NAMES.fullmatch(by):
            raise WrongQueryError("by: write labels, separated by commas: feature,model,token_type")
        grouped = selection_of(f'{{{GROUP_BY}="{by}"}}')
        selection = replace(selection, dimensions=grouped.dimensions)
    return ProfileQuery(
        kind=_kind(wanted.kind),
        time=Time(wanted.within.start_ns, wanted.within.end_ns),
        selection=selection,
        span_ids=span_ids_of((wanted.span_id,)) if wanted.span_id else (),
    )


def export(tree: FlameTree, query: ProfileQuery, form: Form) -> File:
    """Return a flame graph in a form."""
    start, end = query.time.start_ns, query.time.end_ns
    usd = query.kind.measure is Measure.COST
    made: dict[Form, Callable[[], str | bytes]] = {
        Form.JSON: lambda: _json(query, to_nested_set(tree), {"total": int(tree.total[0])}),
        Form.NESTED_SET: lambda: json.dumps([*rows(to_nested_set(tree, usd=usd))]),
        Form.CSV: lambda: _csv(to_nested_set(tree, usd=usd)),
        Form.FOLDED: lambda: "".join(f"{line}\n" for line in to_folded(tree)),
        Form.SPEEDSCOPE: lambda: to_speedscope(tree, query.kind),
        Form.D3: lambda: to_d3(tree),
        Form.PPROF: lambda: to_pprof(tree, query.kind, start_ns=start, duration_ns=end - start),
        Form.SVG: lambda: to_svg(tree, query.kind),
    }
    return _file(made[form](), form)


def export_diff(diff: FlameDiff, query: ProfileQuery, form: Form) -> File:
    """Return two flame graphs on each other in one of `DIFF_FORMS`; raise WrongQueryError."""
    usd = query.kind.measure is Measure.COST
    if form is Form.JSON:
        totals = {"total": int(diff.left_total[0]), "total_right": int(diff.right_total[0])}
        return _file(_json(query, to_diff_nested_set(diff), totals), form)
    if form is Form.NESTED_SET:
        return _file(json.dumps([*rows(to_diff_nested_set(diff, usd=usd))]), form)
    if form is Form.CSV:
        return _file(_csv(to_diff_nested_set(diff, usd=usd)), form)
    raise WrongQueryError(f"format: a diff comes as {', '.join(DIFF_FORMS)}")


def _kind(text: str) -> ProfileType:
    name = _ALIASES.get(text, text)
    found = BY_NAME.get(name) or BY_ID.get(name)
    if found is None:
        known = ", ".join((*BY_NAME, *_ALIASES))
        raise WrongQueryError(f"type: there is no {text[:60]!r}; write one of {known}")
    return found


def _json(query: ProfileQuery, table: NestedSet, totals: Mapping[str, int]) -> str:
    """Return exact integers, with what they are."""
    return json.dumps(
        {
            "type": query.kind.name,
            "unit": query.kind.unit,
            "from": rfc3339(query.time.start_ns),
            "to": rfc3339(query.time.end_ns),
            **totals,
            "rows": [*rows(table)],
        }
    )


def _csv(table: NestedSet) -> str:
    found = [*rows(table)]
    return as_csv(found, list(found[0]))


def _file(body: str | bytes, form: Form) -> File:
    raw = body if isinstance(body, bytes) else body.encode()
    return File(raw, _MEDIA.get(form, "application/json"))
