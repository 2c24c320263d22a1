"""Does the observatory itself work?"""

from __future__ import annotations

from dashboards_py.alert import Alert, Dashboard, Priority
from dashboards_py.expressions import appeared, by, duration, increase, rate, select
from dashboards_py.foreign import PARTS, READONLY_REPLICAS, REJECTED_INSERTS, UP
from dashboards_py.thresholds import Site, Thresholds
from exporter.metrics.own import (
    BUDGET_READS,
    BUFFER_BYTES,
    BUFFER_LIMIT,
    INGEST_LAG,
    INSERT_DURATION,
    OVERFLOW,
    QUEUE_BYTES,
    QUEUE_LIMIT,
    ROWS,
    SPANS,
)

_TARGET = ("job", "instance")
_SKEWED = "=~in_the_future|end_before_start|too_old|time_out_of_range"


def alerts(t: Thresholds, site: Site) -> tuple[Alert, ...]:
    """Return the alerts of this topic."""
    return (
        _watchdog(),
        _down(t, site),
        _no_traffic(t),
        *_spans(t),
        _lag(t),
        _queue(t),
        _buffer(t),
        _inserts(t),
        _overflow(t),
        _budgets(t),
        *_clickhouse(t),
    )


def _watchdog() -> Alert:
    return Alert(
        name="Watchdog",
        expr="vector(1)",
        priority=Priority.NONE,
        summary="Alerting works: this alert always fires",
        description="When it stops arriving, nothing else would arrive either.",
        dashboard=Dashboard.HEALTH,
    )


def _down(t: Thresholds, site: Site) -> Alert:
    up = select(UP, job=site.job)
    return Alert(
        name="LLMObsDown",
        expr=f"{up} == 0\nor absent({up})",
        priority=Priority.P0,
        summary="The observatory cannot be scraped: every other LLM alert is blind",
        description="Prometheus cannot scrape job {{ $labels.job }}"
        "{{ with $labels.instance }}, instance {{ . }}{{ end }}.",
        dashboard=Dashboard.HEALTH,
        keep=("job",),
        hold_s=t.hold_short_s,
    )


def _no_traffic(t: Thresholds) -> Alert:
    accepted = {"outcome": "accepted"}
    now = increase(SPANS, t.no_traffic_s, (), **accepted)
    hour, quiet = duration(t.cost_window_s), duration(t.no_traffic_s)
    before = by((), f"increase({select(SPANS, **accepted)}[{hour}] offset {quiet})")
    return Alert(
        name="LLMExporterNoTraffic",
        expr=f"({now} or vector(0)) == 0\nand {before} >= {t.no_traffic_spans_min}",
        priority=Priority.P2,
        summary="No spans arrive any more",
        description=f"No span arrived in the last {quiet}, though there were in the {hour} before.",
        dashboard=Dashboard.HEALTH,
        hold_s=t.hold_s,
    )


def _spans(t: Thresholds) -> tuple[Alert, ...]:
    window_s, window = t.cost_window_s, duration(t.cost_window_s)
    rejected = increase(SPANS, window_s, (), outcome="rejected")
    seen = increase(SPANS, window_s, ())
    dropped = appeared(SPANS, window_s, (), outcome="dropped")
    lost = appeared(ROWS, window_s, (), outcome="=~lost|rejected")
    return (
        Alert(
            name="LLMSpansDropped",
            expr=f"{dropped}\nor {lost}",
            priority=Priority.P1,
            summary="Accepted spans were lost",
            description='{{ printf "%.0f" $value }} spans or rows that were accepted were lost '
            f"in the last {window}.",
            dashboard=Dashboard.HEALTH,
        ),
        Alert(
            name="LLMSpansRejected",
            expr=f"{rejected} / {seen} > {t.rejected_ratio:g}"
            f"\nand {rejected} >= {t.rejected_spans_min}",
            priority=Priority.P2,
            summary="A sender sends spans that cannot be taken",
            description="{{ $value | humanizePercentage }} of the spans of the last "
            f"{window} were refused, the limit is {t.rejected_ratio:.0%}.",
            dashboard=Dashboard.HEALTH,
            hold_s=t.hold_s,
            keep_firing_s=t.keep_firing_s,
        ),
        Alert(
            name="LLMClockSkewSpans",
            expr=f"{increase(SPANS, window_s, ('reason',), outcome='rejected', reason=_SKEWED)}"
            f" >= {t.clock_skew_spans_min}",
            priority=Priority.P3,
            summary="Spans carry impossible times: a sender's clock is wrong",
            description='{{ printf "%.0f" $value }} spans of the last '
            f"{window} were refused as {{{{ $labels.reason }}}}.",
            dashboard=Dashboard.HEALTH,
            keep=("reason",),
            keep_firing_s=t.keep_firing_s,
        ),
    )


def _lag(t: Thresholds) -> Alert:
    window_s = t.rate_window_s
    buckets = rate(INGEST_LAG, window_s, ("le",), "_bucket")
    return Alert(
        name="LLMIngestLag",
        expr=f"histogram_quantile(0.99, {buckets}) > {t.ingest_lag_s:g}",
        priority=Priority.P2,
        summary="Spans are counted long after they ended",
        description="The p99 of the time from a span's end to its being counted is "
        f"{{{{ $value | humanizeDuration }}}}, the limit is {t.ingest_lag_s:g} s.",
        dashboard=Dashboard.HEALTH,
        hold_s=t.hold_s,
        keep_firing_s=t.keep_firing_s,
    )


def _queue(t: Thresholds) -> Alert:
    size, limit = select(QUEUE_BYTES), select(QUEUE_LIMIT)
    window = duration(t.hold_long_s)
    to_full = f"({limit} - {size}) / (deriv({size}[{window}]) > 0)"
    return Alert(
        name="LLMQueueFilling",
        expr=f"{to_full} < {t.queue_full_in_s}\nand {size} / {limit} > {t.queue_share_min:g}",
        priority=Priority.P1,
        summary="Requests come in faster than they are processed",
        description="At the pace of the last "
        f"{window} the queue of {{{{ $labels.instance }}}} is full in "
        "{{ $value | humanizeDuration }}; then senders are turned away.",
        dashboard=Dashboard.HEALTH,
        keep=_TARGET,
        hold_s=t.hold_short_s,
        keep_firing_s=t.keep_firing_s,
    )


def _buffer(t: Thresholds) -> Alert:
    return Alert(
        name="LLMBufferHigh",
        expr=f"{select(BUFFER_BYTES)} / {select(BUFFER_LIMIT)} > {t.buffer_share:g}",
        priority=Priority.P1,
        summary="Rows wait for ClickHouse and fill the buffer",
        description="{{ $value | humanizePercentage }} of the buffer of {{ $labels.instance }} is "
        "used; when it is full, senders are turned away.",
        dashboard=Dashboard.HEALTH,
        keep=_TARGET,
        hold_s=t.hold_short_s,
        keep_firing_s=t.keep_firing_s,
    )


def _inserts(t: Thresholds) -> Alert:
    failed = increase(INSERT_DURATION, t.rate_window_s, ("table",), "_count", outcome="retried")
    return Alert(
        name="LLMClickHouseInsertErrors",
        expr=f"{failed} > 0",
        priority=Priority.P1,
        summary="ClickHouse does not take rows; they are kept and tried again",
        description='{{ printf "%.0f" $value }} inserts into {{ $labels.table }} failed in the '
        f"last {duration(t.rate_window_s)}.",
        dashboard=Dashboard.HEALTH,
        keep=("table",),
        hold_s=t.hold_s,
        keep_firing_s=t.keep_firing_s,
    )


def _overflow(t: Thresholds) -> Alert:
    return Alert(
        name="LLMSeriesOverflow",
        expr=f"{increase(OVERFLOW, t.cost_window_s, ('name',))} > 0",
        priority=Priority.P3,
        summary="A label has more values than its limit; the rest is counted as __overflow__",
        description='{{ $labels.name }} turned away {{ printf "%.0f" $value }} values or series '
        f"in the last {duration(t.cost_window_s)}.",
        dashboard=Dashboard.HEALTH,
        keep=("name",),
        keep_firing_s=t.keep_firing_s,
    )


def _budgets(t: Thresholds) -> Alert:
    window_s = t.hold_long_s
    return Alert(
        name="LLMBudgetUnreadable",
        expr=f"{increase(BUDGET_READS, window_s, (), outcome='failed')} > 0"
        f"\nunless {increase(BUDGET_READS, window_s, (), outcome='ok')} > 0",
        priority=Priority.P2,
        summary="Budgets cannot be read from ClickHouse, so no budget alert can fire",
        description='{{ printf "%.0f" $value }} readings of the budgets failed in the last '
        f"{duration(window_s)} and none succeeded.",
        dashboard=Dashboard.HEALTH,
        hold_s=t.hold_s,
        keep_firing_s=t.keep_firing_s,
    )


def _clickhouse(t: Thresholds) -> tuple[Alert, ...]:
    refused = increase(REJECTED_INSERTS, t.rate_window_s, ("instance",))
    return (
        Alert(
            name="LLMClickHouseReadOnlyReplica",
            expr=f"max_over_time({select(READONLY_REPLICAS)}[{duration(t.rate_window_s)}]) > 0",
            priority=Priority.P1,
            summary="A ClickHouse replica takes no writes",
            description="{{ $value | humanize }} tables of {{ $labels.instance }} are read-only.",
            dashboard=Dashboard.HEALTH,
            keep=_TARGET,
            hold_s=t.hold_s,
            keep_firing_s=t.keep_firing_s,
        ),
        Alert(
            name="LLMClickHouseTooManyParts",
            expr=f"{select(PARTS)} > {t.clickhouse_parts_max}",
            priority=Priority.P2,
            summary="ClickHouse merges slower than rows come in",
            description="A partition on {{ $labels.instance }} has {{ $value | humanize }} parts, "
            f"the limit is {t.clickhouse_parts_max}.",
            dashboard=Dashboard.HEALTH,
            keep=_TARGET,
            hold_s=t.hold_long_s,
            keep_firing_s=t.keep_firing_s,
        ),
        Alert(
            name="LLMClickHouseRejectedInserts",
            expr=f"{refused} > 0",
            priority=Priority.P1,
            summary="ClickHouse refuses inserts: too many parts",
            description='{{ $labels.instance }} refused {{ printf "%.0f" $value }} inserts in the '
            f"last {duration(t.rate_window_s)}.",
            dashboard=Dashboard.HEALTH,
            keep=("instance",),
            hold_s=t.hold_short_s,
            keep_firing_s=t.keep_firing_s,
        ),
    )
