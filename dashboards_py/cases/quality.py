"""Answers that are not whole, and numbers that are not known."""

from __future__ import annotations

from dashboards_py.alert import Case, Fire
from dashboards_py.expressions import select
from dashboards_py.series import CALLER, MODEL, calls, counter, gauge
from exporter.metrics.catalog import MISSING_USAGE, UNPRICED
from exporter.metrics.own import PRICE_LIST_NEWEST

_WHO = "checkout with gpt-4o of openai"


def _endings(outcome: str, whole: float, other: float) -> dict[str, str]:
    """Return answers of which some end otherwise for an hour, after a healthy one."""
    total = whole + other
    return {
        calls(): counter((total, 60), (whole, 60), (total, 120)),
        calls(outcome, status="ok"): counter((0, 60), (other, 60), (0, 120)),
    }


def _new_model(service: str) -> dict[str, str]:
    """Return a service that has called gpt-4o for two hours, and gpt-5 by somebody since."""
    return {calls(): counter((10, 300))} | {
        calls().replace("gpt-4o", "gpt-5").replace("checkout", service): "_x120 3+1x180"
    }


_UNPRICED = select(UNPRICED, **MODEL, reason="unknown_model")

CASES: dict[str, tuple[Case, ...]] = {
    "LLMContentFilterSpike": (
        Case(
            title="one answer in ten is blocked",
            series=_endings("content_filter", 18, 2),
            quiet=("60m", "170m"),
            fires=(
                Fire(
                    at="110m",
                    labels=MODEL,
                    description=f"10% of the answers to {_WHO} were blocked by a content filter in "
                    "the last 30m, the limit is 5%.",
                ),
            ),
        ),
        Case(title="one in 25", series=_endings("content_filter", 24, 1), quiet=("110m",)),
        Case(
            title="30 answers in half an hour",
            series=_endings("content_filter", 0, 1),
            quiet=("110m",),
        ),
    ),
    "LLMTruncations": (
        Case(
            title="one answer in five is cut off",
            series=_endings("truncated", 8, 2),
            quiet=("60m", "170m"),
            fires=(
                Fire(
                    at="110m",
                    labels=MODEL,
                    description=f"20% of the answers to {_WHO} were cut off at the token limit in "
                    "the last 30m, the limit is 10%.",
                ),
            ),
        ),
        Case(title="one in twelve", series=_endings("truncated", 11, 1), quiet=("110m",)),
    ),
    "LLMUnpricedModel": (
        Case(
            title="five calls at once, in a series that was not there",
            series={_UNPRICED: "_x10 5+0x120"},
            quiet=("9m", "80m"),
            fires=(
                Fire(
                    at="11m",
                    labels=MODEL,
                    description=f"5 calls of {_WHO} in the last 1h have no price.",
                ),
            ),
        ),
        Case(
            title="three more in a series that was there",
            series={_UNPRICED: counter((0, 120), (1, 3), (0, 120))},
            quiet=("119m", "190m"),
            fires=(
                Fire(
                    at="130m",
                    labels=MODEL,
                    description=f"3 calls of {_WHO} in the last 1h have no price.",
                ),
            ),
        ),
        Case(
            title="calls without usage have a reason of their own",
            series={select(UNPRICED, **MODEL, reason="no_usage"): "_x10 5+1x120"},
            quiet=("11m", "60m"),
        ),
    ),
    "LLMNewModel": (
        Case(
            title="a service that is known calls another model",
            series=_new_model("checkout"),
            quiet=("119m", "185m"),
            fires=(
                Fire(
                    at="126m",
                    labels={**CALLER, "model": "gpt-5"},
                    description="checkout with gpt-5 of openai: first seen within 1h, "
                    "9 calls so far.",
                ),
            ),
        ),
        Case(
            title="a service that is new calls what it calls",
            series=_new_model("search"),
            quiet=("126m", "170m"),
        ),
    ),
    "LLMUsageMissing": (
        Case(
            title="three calls in ten report nothing",
            series={
                calls(): counter((10, 240)),
                select(MISSING_USAGE, **MODEL): counter((0, 60), (3, 60), (0, 120)),
            },
            quiet=("60m", "170m"),
            fires=(
                Fire(
                    at="115m",
                    labels=MODEL,
                    description=f"30% of the answers to {_WHO} report no usage; their tokens and "
                    "cost are estimated at best.",
                ),
            ),
        ),
        Case(
            title="one in ten",
            series={
                calls(): counter((10, 240)),
                select(MISSING_USAGE, **MODEL): counter((1, 240)),
            },
            quiet=("115m",),
        ),
    ),
    "LLMPriceTableStale": (
        Case(
            title="92 days without a new price, then an update",
            interval="1d",
            series={select(PRICE_LIST_NEWEST): gauge((0, 93), (8_000_000, 5))},
            quiet=("90d", "93d"),
            fires=(
                Fire(
                    at="92d",
                    labels={},
                    description="The newest dated price of the list is 92d 0h 0m 0s old, the "
                    "limit is 90 days.",
                ),
            ),
        ),
    ),
}
