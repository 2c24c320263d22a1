"""Where a value leads: to the traces behind it, to a trace, to a model's own page."""

from __future__ import annotations

from dashboards_py import uids
from dashboards_py.panels import Column, Link, Unit, go_to
from exporter.metrics import catalog

_OF_SERIES = f"${{__field.labels.{catalog.MODEL.name}}}"

POINT_TO_TRACES = Link("Traces around this time", go_to(uids.TRACES, at_point=True))
MODEL_POINT_TO_TRACES = Link(
    "Traces of this model around this time", go_to(uids.TRACES, at_point=True, model=_OF_SERIES)
)
MODEL_POINT_TO_LATENCY = Link("Latency of this model", go_to(uids.LATENCY, model=_OF_SERIES))
MODEL_POINT = (MODEL_POINT_TO_TRACES, MODEL_POINT_TO_LATENCY)

TRACE = Link(
    "Open the trace", go_to(uids.TRACES, carried=("prometheus",), trace_id="${__value.raw}")
)
TRACE_FLAMES = Link(
    "Flame graph of the trace",
    go_to(uids.FLAME_GRAPHS, carried=("prometheus",), trace_id="${__value.raw}"),
)
MODEL_TO_PAGES = (
    Link("Latency", go_to(uids.LATENCY, model="${__value.raw}")),
    Link("Cost", go_to(uids.COST, model="${__value.raw}")),
    Link("Errors", go_to(uids.ERRORS_AND_LIMITS, model="${__value.raw}")),
    Link("Traces", go_to(uids.TRACES, model="${__value.raw}")),
)


def trace_column(field: str = "TraceId") -> Column:
    """A trace's id, as a link to it."""
    return Column(field=field, title="Trace", links=(TRACE, TRACE_FLAMES), width=120)


def span_column() -> Column:
    """A span's id in a list of spans that Tempo's data source makes, as a link to its trace."""
    link = Link(
        "Open the trace",
        go_to(uids.TRACES, carried=("prometheus",), trace_id="${__data.fields.traceIdHidden}"),
    )
    return Column(field="spanID", title="Span", links=(link,), width=150)


def time_column(field: str, title: str) -> Column:
    """A point in time."""
    return Column(field=field, title=title, unit=Unit.TIME, width=180)
