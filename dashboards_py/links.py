"""Where a value leads: to the traces behind it, to a trace, to a model's own page."""

from __future__ import annotations

from dashboards_py import uids
from dashboards_py.panels import Column, Link, Unit, go_to
from exporter.metrics import catalog

# Of a column that shows a date and a time.
TIME_WIDTH = 175
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


def trace_column(field: str = "TraceId", width: int = 120) -> Column:
    """A trace's id, as a link to it: its beginning tells it from its neighbours."""
    return Column(field=field, title="Trace", links=(TRACE, TRACE_FLAMES), width=width)


def dearest_columns(trace: Column) -> tuple[Column, ...]:
    """The columns of the list of the dearest traces."""
    return (
        trace,
        time_column("started", "Started"),
        Column(field="service", title="Service"),
        Column(field="feature", title="Feature"),
        Column(field="user", title="User"),
        Column(field="calls", title="Calls", unit=Unit.WHOLE, width=62),
        Column(field="tokens", title="Tokens", unit=Unit.COUNT, width=80),
        Column(field="cost", title="Cost", unit=Unit.DOLLARS, decimals=4, gauge=True),
    )


def trace_columns(trace: Column | None = None) -> tuple[Column, ...]:
    """The columns of a list of traces, as Tempo's data source names them."""
    return (
        trace or trace_column("traceID"),
        Column(field="startTime", title="Started", width=TIME_WIDTH),
        Column(field="traceService", title="Service", width=140),
        Column(field="traceName", title="Name"),
        Column(field="traceDuration", title="Duration", unit=Unit.MILLISECONDS, width=100),
    )


def span_columns(*selected: Column, span: Column | None = None) -> tuple[Column, ...]:
    """The columns of a list of spans, as Tempo's data source names them.

    `selected` are those of the query's own select(...), by the attributes' names. The span's id is
    a link to its trace.
    """
    return (
        span or Column(field="spanID", title="Span", links=(_SPAN_TO_TRACE,), width=110),
        Column(field="time", title="Started", width=TIME_WIDTH),
        Column(field="traceService", title="Service", width=110),
        Column(field="name", title="Name"),
        Column(field="duration", title="Duration", unit=Unit.NANOSECONDS, decimals=2, width=85),
        *selected,
        # What the query asks about comes with the answer, too.
        *(Column(field=name, hidden=True) for name in _ASKED),
    )


_ASKED = ("traceName", "service.name", "observatory.provider", "observatory.operation")
_SPAN_TO_TRACE = Link(
    "Open the trace",
    go_to(uids.TRACES, carried=("prometheus",), trace_id="${__data.fields.traceIdHidden}"),
)


def time_column(field: str, title: str) -> Column:
    """A point in time."""
    return Column(field=field, title=title, unit=Unit.TIME, width=TIME_WIDTH)
