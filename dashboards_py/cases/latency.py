"""Answers that come late: 10 calls a minute, of which some take long."""

from __future__ import annotations

from dashboards_py.alert import Case, Fire
from dashboards_py.series import MODEL, histogram
from exporter.metrics.catalog import (
    REQUEST_DURATION,
    TIME_PER_OUTPUT_TOKEN,
    TIME_TO_FIRST_TOKEN,
    Metric,
)

_WHO = "gpt-4o of openai for checkout"


def _slow(metric: Metric, bound: str, share: float, healthy: int, bad: int) -> dict[str, str]:
    """Return calls of which a share exceeds a bound for a while, ten a minute."""
    good = (10.0, 0.0)
    return histogram(
        metric, (bound,), (good, healthy), ((10 - 10 * share, 10 * share), bad), (good, 600)
    )


def _fast(metric: Metric, bound: str, text: str) -> tuple[Case, ...]:
    return (
        Case(
            title="80 % exceed the bound for two hours",
            series=_slow(metric, bound, 0.8, 60, 120),
            quiet=("60m", "80m", "230m"),
            fires=(
                Fire(
                    at="150m",
                    labels=MODEL,
                    description=f"80% of the calls of {_WHO} {text}; 5% may over 30 days.",
                ),
            ),
        ),
        Case(
            title="a quarter does",
            series=_slow(metric, bound, 0.25, 60, 300),
            quiet=("150m", "350m"),
        ),
        Case(
            title="40 calls do, all that there were",
            series=histogram(metric, (bound,), ((0, 1), 40), ((0, 0), 60)),
            quiet=("20m", "40m", "60m"),
        ),
    )


def _gradual(metric: Metric, bound: str, text: str) -> tuple[Case, ...]:
    return (
        Case(
            title="a quarter exceeds the bound for ten hours",
            series=_slow(metric, bound, 0.25, 300, 600),
            quiet=("300m", "700m", "1100m"),
            fires=(
                Fire(
                    at="890m",
                    labels=MODEL,
                    description=f"25% of the calls of {_WHO} {text}; 5% may over 30 days.",
                ),
            ),
        ),
        Case(
            title="4 % do",
            series=_slow(metric, bound, 0.04, 300, 600),
            quiet=("600m", "890m"),
        ),
    )


_LATE = "took longer than 5.12 s"
_STARTED_LATE = "sent their first token after more than 2.56 s"

CASES: dict[str, tuple[Case, ...]] = {
    "LLMLatencyP95High": (
        Case(
            title="every call takes between 2.56 and 5.12 s",
            series=histogram(
                REQUEST_DURATION,
                ("0.64", "2.56", "5.12"),
                ((10, 0, 0, 0), 30),
                ((0, 0, 10, 0), 20),
                ((10, 0, 0, 0), 60),
            ),
            quiet=("30m", "34m", "65m"),
            # 2.56 + 0.95 * 2.56: the quantile is drawn evenly within its bucket.
            fires=(
                Fire(
                    at="45m",
                    labels=MODEL,
                    description=f"The p95 of {_WHO} is 4.992s, the limit is 2 s.",
                ),
            ),
        ),
        Case(
            title="4 % are slow",
            series=histogram(REQUEST_DURATION, ("0.64", "2.56", "5.12"), ((24, 0, 1, 0), 60)),
            quiet=("30m", "60m"),
        ),
        Case(
            title="15 slow calls in five minutes",
            series=histogram(REQUEST_DURATION, ("0.64", "2.56", "5.12"), ((0, 0, 3, 0), 60)),
            quiet=("30m", "60m"),
        ),
    ),
    "LLMLatencySLOBurnFast": _fast(REQUEST_DURATION, "5.12", _LATE),
    "LLMLatencySLOBurnSlow": _gradual(REQUEST_DURATION, "5.12", _LATE),
    "LLMTTFTSLOBurnFast": _fast(TIME_TO_FIRST_TOKEN, "2.56", _STARTED_LATE),
    "LLMTTFTSLOBurnSlow": _gradual(TIME_TO_FIRST_TOKEN, "2.56", _STARTED_LATE),
    "LLMTimePerOutputTokenHigh": (
        Case(
            title="every call takes 150 to 200 ms a token",
            series=histogram(
                TIME_PER_OUTPUT_TOKEN,
                ("0.05", "0.15", "0.2"),
                ((10, 0, 0, 0), 30),
                ((0, 0, 10, 0), 20),
                ((10, 0, 0, 0), 60),
            ),
            quiet=("30m", "65m"),
            fires=(
                Fire(
                    at="45m",
                    labels=MODEL,
                    description=f"Half of the calls to {_WHO} take more than 175ms a token over "
                    "the last 5m, the limit is 100 ms.",
                ),
            ),
        ),
        Case(
            title="a third is slow",
            series=histogram(TIME_PER_OUTPUT_TOKEN, ("0.05", "0.15", "0.2"), ((20, 0, 10, 0), 60)),
            quiet=("30m", "60m"),
        ),
        Case(
            title="15 slow calls in five minutes",
            series=histogram(TIME_PER_OUTPUT_TOKEN, ("0.05", "0.15", "0.2"), ((0, 0, 3, 0), 60)),
            quiet=("30m",),
        ),
    ),
}
