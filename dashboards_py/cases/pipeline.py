"""The observatory in trouble."""

from __future__ import annotations

from dashboards_py.alert import Case, Fire
from dashboards_py.expressions import select
from dashboards_py.series import counter, gauge, on_target
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

_SELF = {"job": "llm-observatory", "instance": "a:9464"}
_ACCEPTED = select(SPANS, outcome="accepted", reason="")
_FUTURE = select(SPANS, outcome="rejected", reason="in_the_future")
_FAILED_INSERTS = select(INSERT_DURATION, "_count", table="otel_traces", outcome="retried")


def _lag(*stretches: tuple[tuple[float, ...], int]) -> dict[str, str]:
    bounds = ("1.0", "60.0", "120.0", "+Inf")
    return {
        select(INGEST_LAG, "_bucket", le=bound): counter(
            *((sum(each[: i + 1]), steps) for each, steps in stretches)
        )
        for i, bound in enumerate(bounds)
    }


CASES: dict[str, tuple[Case, ...]] = {
    "Watchdog": (
        Case(
            title="always",
            series={"up": gauge((1, 10))},
            fires=tuple(
                Fire(
                    at=at,
                    labels={},
                    description="When it stops arriving, nothing else would arrive either.",
                )
                for at in ("0m", "9m")
            ),
        ),
    ),
    "LLMObsDown": (
        Case(
            title="ten minutes without a scrape",
            series={'up{job="llm-observatory",instance="a:9464"}': gauge((1, 10), (0, 10), (1, 9))},
            quiet=("5m", "11m", "21m"),
            fires=(
                Fire(
                    at="15m",
                    labels=_SELF,
                    description="Prometheus cannot scrape job llm-observatory, instance a:9464.",
                ),
            ),
        ),
        Case(
            title="no such target",
            series={'up{job="other",instance="b:1"}': gauge((1, 10))},
            fires=(
                Fire(
                    at="5m",
                    labels={"job": "llm-observatory"},
                    description="Prometheus cannot scrape job llm-observatory.",
                ),
            ),
        ),
    ),
    "LLMExporterNoTraffic": (
        Case(
            title="spans stop for an hour",
            series={_ACCEPTED: counter((10, 90), (0, 60), (10, 60))},
            quiet=("90m", "104m", "160m"),
            fires=(
                Fire(
                    at="120m",
                    labels={},
                    description="No span arrived in the last 15m, though there were in the 1h "
                    "before.",
                ),
            ),
        ),
        Case(
            title="the service starts again, and nobody sends any more",
            series={_ACCEPTED: f"{counter((10, 90))} stale"},
            quiet=("90m",),
            fires=(
                Fire(
                    at="120m",
                    labels={},
                    description="No span arrived in the last 15m, though there were in the 1h "
                    "before.",
                ),
            ),
        ),
        Case(
            title="there never were many",
            series={_ACCEPTED: counter((0.5, 90), (0, 60))},
            quiet=("120m",),
        ),
    ),
    "LLMSpansDropped": (
        Case(
            title="seven spans are dropped at once",
            series={
                select(SPANS, outcome="dropped", reason="internal"): "_x10 7+0x120",
                _ACCEPTED: counter((10, 130)),
            },
            quiet=("9m", "75m"),
            fires=(
                Fire(
                    at="12m",
                    labels={},
                    description="7 spans or rows that were accepted were lost in the last 1h.",
                ),
            ),
        ),
        Case(
            title="two rows are refused for good",
            series={
                select(ROWS, table="otel_traces", outcome="rejected"): "_x10 2+0x120",
                select(ROWS, table="otel_traces", outcome="ok"): counter((10, 130)),
            },
            quiet=("9m", "75m"),
            fires=(
                Fire(
                    at="12m",
                    labels={},
                    description="2 spans or rows that were accepted were lost in the last 1h.",
                ),
            ),
        ),
        Case(
            title="refused spans are not lost: the sender knows",
            series={_FUTURE: "_x10 7+0x120", _ACCEPTED: counter((10, 130))},
            quiet=("12m", "60m"),
        ),
    ),
    "LLMSpansRejected": (
        Case(
            title="one span in twenty is refused",
            series={
                _ACCEPTED: counter((100, 60), (95, 90), (100, 120)),
                _FUTURE: counter((0, 60), (5, 90), (0, 120)),
            },
            quiet=("60m", "230m"),
            fires=(
                Fire(
                    at="140m",
                    labels={},
                    description="5% of the spans of the last 1h were refused, the limit is 1%.",
                ),
            ),
        ),
        Case(
            title="one in two hundred",
            series={_ACCEPTED: counter((199, 200)), _FUTURE: counter((1, 200))},
            quiet=("140m",),
        ),
        Case(
            title="12 spans in an hour",
            series={_ACCEPTED: counter((0.2, 200)), _FUTURE: counter((0.2, 200))},
            quiet=("140m",),
        ),
    ),
    "LLMClockSkewSpans": (
        Case(
            title="half an hour of spans from the future",
            series={_FUTURE: counter((0, 60), (1, 30), (0, 120))},
            quiet=("60m", "66m", "160m"),
            fires=(
                Fire(
                    at="80m",
                    labels={"reason": "in_the_future"},
                    description="20 spans of the last 1h were refused as in_the_future.",
                ),
            ),
        ),
        Case(
            title="bad ids are no clock",
            series={select(SPANS, outcome="rejected", reason="invalid_span_id"): counter((1, 120))},
            quiet=("80m",),
        ),
    ),
    "LLMIngestLag": (
        Case(
            title="spans are one to two minutes old",
            series=_lag(((4, 0, 0, 0), 30), ((0, 0, 4, 0), 20), ((4, 0, 0, 0), 60)),
            quiet=("30m", "65m"),
            # 60 + 0.99 * 60 s, drawn evenly within the bucket.
            fires=(
                Fire(
                    at="45m",
                    labels={},
                    description="The p99 of the time from a span's end to its being counted is "
                    "1m 59s, the limit is 60 s.",
                ),
            ),
        ),
        Case(title="under a minute", series=_lag(((0, 4, 0, 0), 60)), quiet=("45m",)),
    ),
    "LLMQueueFilling": (
        Case(
            title="20 MB more each minute, of 1000",
            series={
                on_target(QUEUE_LIMIT, _SELF): gauge((1e9, 90)),
                on_target(QUEUE_BYTES, _SELF): "0+0x10 20000000+20000000x34 0+0x40",
            },
            quiet=("10m", "20m", "60m"),
            # 600 MB are full after 30 minutes; 400 are left, for 20 minutes.
            fires=(
                Fire(
                    at="40m",
                    labels=_SELF,
                    description="At the pace of the last 15m the queue of a:9464 is full in 20m "
                    "0s; then senders are turned away.",
                ),
            ),
        ),
        Case(
            title="full and steady is not filling",
            series={
                on_target(QUEUE_LIMIT, _SELF): gauge((1e9, 90)),
                on_target(QUEUE_BYTES, _SELF): gauge((9e8, 90)),
            },
            quiet=("40m",),
        ),
    ),
    "LLMBufferHigh": (
        Case(
            title="60 % are used for ten minutes",
            series={
                on_target(BUFFER_LIMIT, _SELF): gauge((1000, 60)),
                on_target(BUFFER_BYTES, _SELF): gauge((100, 10), (600, 10), (100, 40)),
            },
            quiet=("9m", "30m"),
            fires=(
                Fire(
                    at="15m",
                    labels=_SELF,
                    description="60% of the buffer of a:9464 is used; when it is full, senders "
                    "are turned away.",
                ),
            ),
        ),
        Case(
            title="half is",
            series={
                on_target(BUFFER_LIMIT, _SELF): gauge((1000, 60)),
                on_target(BUFFER_BYTES, _SELF): gauge((500, 60)),
            },
            quiet=("15m",),
        ),
    ),
    "LLMClickHouseInsertErrors": (
        Case(
            title="two inserts a minute fail",
            series={_FAILED_INSERTS: counter((0, 10), (2, 20), (0, 60))},
            quiet=("10m", "50m"),
            fires=(
                Fire(
                    at="25m",
                    labels={"table": "otel_traces"},
                    description="10 inserts into otel_traces failed in the last 5m.",
                ),
            ),
        ),
        Case(
            title="one fails, and its repetition succeeds",
            series={_FAILED_INSERTS: counter((0, 10), (1, 1), (0, 60))},
            quiet=("12m", "16m", "20m"),
        ),
    ),
    "LLMSeriesOverflow": (
        Case(
            title="five models are turned away",
            series={select(OVERFLOW, name="model"): counter((0, 60), (1, 5), (0, 120))},
            quiet=("60m", "140m"),
            fires=(
                Fire(
                    at="70m",
                    labels={"name": "model"},
                    description="model turned away 5 values or series in the last 1h.",
                ),
            ),
        ),
    ),
    "LLMBudgetUnreadable": (
        Case(
            title="every reading fails",
            series={
                select(BUDGET_READS, outcome="ok"): counter((1, 30), (0, 60), (1, 60)),
                select(BUDGET_READS, outcome="failed"): counter((0, 30), (1, 60), (0, 60)),
            },
            quiet=("30m", "44m", "120m"),
            fires=(
                Fire(
                    at="60m",
                    labels={},
                    description="15 readings of the budgets failed in the last 15m and none "
                    "succeeded.",
                ),
            ),
        ),
        Case(
            title="every other reading fails",
            series={
                select(BUDGET_READS, outcome="ok"): counter((1, 90)),
                select(BUDGET_READS, outcome="failed"): counter((1, 90)),
            },
            quiet=("60m",),
        ),
    ),
}
