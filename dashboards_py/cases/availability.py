"""Calls that get no answer: 10 to 50 calls a minute, of which some fail."""

from __future__ import annotations

from dashboards_py.alert import Case, Fire
from dashboards_py.series import CALLER, MODEL, calls, counter


def _fails(
    ok: float, bad: float, minutes: int, *, healthy: int = 60, outcome: str = "server_error"
) -> dict[str, str]:
    """Return calls that are healthy, then fail for some minutes, then are healthy for ten hours."""
    total = ok + bad
    return {
        calls(): counter((total, healthy), (ok, minutes), (total, 600)),
        calls(outcome): counter((0, healthy), (bad, minutes), (0, 600)),
    }


CASES: dict[str, tuple[Case, ...]] = {
    "LLMProviderDown": (
        Case(
            title="every call fails for 20 minutes",
            series=_fails(0, 10, 20),
            quiet=("60m", "64m", "90m"),
            fires=(
                Fire(
                    at="70m",
                    labels=CALLER,
                    description="100% of the calls of checkout to openai failed in the last 5m.",
                ),
            ),
        ),
        Case(title="one in ten succeeds", series=_fails(1, 9, 20), quiet=("70m",)),
        Case(
            title="callers give up or ask for what does not exist",
            series=_fails(0, 5, 20, outcome="cancelled")
            | {calls("invalid_request"): counter((0, 60), (5, 20))},
            quiet=("70m", "78m"),
        ),
        Case(
            title="four calls in five minutes are chance",
            series={calls("server_error"): counter((0.8, 30))},
            quiet=("10m", "20m", "30m"),
        ),
    ),
    "LLMErrorRateHigh": (
        Case(
            title="one call in five fails",
            series=_fails(8, 2, 20),
            quiet=("60m", "95m"),
            fires=(
                Fire(
                    at="70m",
                    labels=CALLER,
                    description="20% of the calls of checkout to openai failed in the last 5m, "
                    "the limit is 10%.",
                ),
            ),
        ),
        Case(title="9 % fail", series=_fails(91, 9, 20), quiet=("70m", "79m")),
        Case(
            title="content filters are no failures",
            series=_fails(5, 5, 20, outcome="content_filter"),
            quiet=("70m",),
        ),
        Case(
            title="15 calls in five minutes are too few",
            series=_fails(1, 2, 20),
            quiet=("70m",),
        ),
    ),
    "LLMErrorRateElevated": (
        Case(
            title="one call in fifty fails",
            series=_fails(49, 1, 60),
            quiet=("60m", "160m"),
            fires=(
                Fire(
                    at="110m",
                    labels=CALLER,
                    description="2% of the calls of checkout to openai failed in the last 30m, "
                    "the limit is 1%.",
                ),
            ),
        ),
        Case(title="one in two hundred fails", series=_fails(199, 1, 60), quiet=("110m",)),
        Case(title="150 calls in half an hour", series=_fails(4, 1, 60), quiet=("110m",)),
    ),
    "LLMErrorBudgetBurnFast": (
        Case(
            title="a fifth fails for an hour and a half",
            series=_fails(8, 2, 90),
            quiet=("60m", "80m", "200m"),
            fires=(
                Fire(
                    at="140m",
                    labels=CALLER,
                    description="20% of the calls of checkout to openai fail; "
                    "1% is allowed over 30 days.",
                ),
            ),
        ),
        Case(title="5 % fail", series=_fails(19, 1, 180), quiet=("140m", "239m")),
        Case(
            title="a service that is new has no month to judge by",
            series={calls(): counter((8, 28)), calls("server_error"): counter((2, 28))},
            quiet=("20m", "27m"),
        ),
        Case(
            title="40 calls fail, all that there were",
            series={calls("server_error"): counter((1, 40), (0, 60))},
            quiet=("20m", "40m", "44m", "60m"),
        ),
    ),
    "LLMErrorBudgetBurnSlow": (
        Case(
            title="5 % fail for ten hours",
            series=_fails(19, 1, 600, healthy=300),
            quiet=("300m", "700m", "1100m"),
            fires=(
                Fire(
                    at="890m",
                    labels=CALLER,
                    description="5% of the calls of checkout to openai fail; "
                    "1% is allowed over 30 days.",
                ),
            ),
        ),
        Case(
            title="0.8 % fail",
            series=_fails(124, 1, 600, healthy=300),
            quiet=("600m", "890m"),
        ),
    ),
    "LLMRateLimited": (
        Case(
            title="a fifth is turned away",
            series=_fails(8, 2, 30, outcome="rate_limited"),
            quiet=("60m", "105m"),
            fires=(
                Fire(
                    at="75m",
                    labels=MODEL,
                    description="20% of the calls of checkout to openai, model gpt-4o, were rate "
                    "limited in the last 5m, the limit is 5%.",
                ),
            ),
        ),
        Case(title="4 % are", series=_fails(24, 1, 30, outcome="rate_limited"), quiet=("75m",)),
        Case(
            title="15 calls in five minutes",
            series=_fails(1, 2, 30, outcome="rate_limited"),
            quiet=("75m",),
        ),
    ),
    "LLMRetryStorm": (
        Case(
            title="eight tries fail for each that succeeds, at more than twice the traffic",
            series={
                calls(): counter((10, 90), (5, 20), (10, 60)),
                calls("timeout"): counter((0, 90), (40, 20), (0, 60)),
            },
            quiet=("90m", "130m"),
            fires=(
                Fire(
                    at="100m",
                    labels=MODEL,
                    description="8 calls fail for each that succeeds, and there are over 2 times "
                    "as many as in the hour before: checkout to openai, model gpt-4o.",
                ),
            ),
        ),
        Case(
            title="as many fail, but nobody retries",
            series={
                calls(): counter((45, 90), (5, 20), (45, 60)),
                calls("timeout"): counter((0, 90), (40, 20), (0, 60)),
            },
            quiet=("100m", "109m"),
        ),
        Case(
            title="the traffic grows, and two fail for each that succeeds",
            series={
                calls(): counter((10, 90), (20, 20), (10, 60)),
                calls("timeout"): counter((0, 90), (40, 20), (0, 60)),
            },
            quiet=("100m",),
        ),
    ),
}
