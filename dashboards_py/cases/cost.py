"""Money: a budget of 2592 USD for 30 days is a tenth of a cent a second; calls cost a cent."""

from __future__ import annotations

from dashboards_py.alert import Case, Fire
from dashboards_py.expressions import select
from dashboards_py.rules.anomaly import COST_RATE
from dashboards_py.series import MODEL, calls, counter, gauge
from exporter.metrics.catalog import (
    BUDGET,
    BUDGET_END,
    BUDGET_SPENT,
    BUDGET_START,
    COST,
    TOKENS,
)

_SEARCH = {"budget": "search", "period": "month"}
_CHECKOUT = {"service_name": "checkout"}
_LONG = 5000


def _budget(
    spent: str, amount: float = 2592, end_s: int = 2_592_000, period: str = "month"
) -> dict[str, str]:
    labels = {"budget": "search", "period": period}
    return {
        select(BUDGET, **labels): gauge((amount, _LONG)),
        select(BUDGET_START, **labels): gauge((0, _LONG)),
        select(BUDGET_END, **labels): gauge((end_s, _LONG)),
        select(BUDGET_SPENT, **labels): spent,
    }


def _share(name: str, below: float, above: float) -> tuple[Case, ...]:
    return (
        Case(
            title="it is passed, and a new period begins",
            series=_budget(gauge((below, 10), (above, 10), (1, 10)), 1000),
            quiet=("5m", "25m"),
            fires=(
                Fire(
                    at="15m",
                    labels=_SEARCH,
                    description=f"{name} of the budget search of this month is spent.",
                ),
            ),
        ),
        Case(
            title="what is spent is not known",
            series={select(BUDGET, **_SEARCH): gauge((1000, 30))},
            quiet=("15m",),
        ),
    )


def _a_day_then(usual: dict[str, float], then: dict[str, float]) -> dict[str, str]:
    """Return series that grow as usual for 26 hours, else for 3, and as usual; steps of 10 min."""
    return {
        series: counter((growth, 156), (then[series], 18), (growth, 60))
        for series, growth in usual.items()
    }


_COST = select(COST, **MODEL, cost_type="input")
_READ, _INPUT = (select(TOKENS, **MODEL, token_type=kind) for kind in ("cache_read", "input"))

CASES: dict[str, tuple[Case, ...]] = {
    "LLMBudgetBurnRateFast": (
        Case(
            title="twenty times the even pace for an hour and a half",
            series=_budget(counter((0.06, 60), (1.2, 90), (0.06, 120))),
            quiet=("60m", "90m", "200m"),
            fires=(
                Fire(
                    at="130m",
                    labels=_SEARCH,
                    description="The budget search of this month is spent 20 times as fast as it "
                    "lasts.",
                ),
            ),
        ),
        Case(
            title="five times",
            series=_budget(counter((0.06, 60), (0.3, 600))),
            quiet=("130m", "600m"),
        ),
    ),
    "LLMBudgetBurnRateSlow": (
        Case(
            title="four times the even pace for a day",
            interval="10m",
            series=_budget(counter((0.3, 144), (2.4, 144), (0.3, 144))),
            quiet=("24h", "30h", "58h"),
            fires=(
                Fire(
                    at="44h",
                    labels=_SEARCH,
                    description="The budget search of this month is spent 4 times as fast as it "
                    "lasts.",
                ),
            ),
        ),
        Case(
            title="a budget of a day has no days to compare",
            interval="10m",
            series=_budget(counter((0.3, 144), (2.4, 144)), 86.4, 86_400, "day"),
            quiet=("44h",),
        ),
        Case(
            title="nine tenths of the even pace",
            interval="10m",
            series=_budget(counter((0.54, 432))),
            quiet=("44h", "71h"),
        ),
    ),
    "LLMBudget80": _share("81%", 790, 810),
    "LLMBudget95": _share("96%", 949, 960),
    "LLMBudget100": _share("100%", 999, 1000),
    "LLMBudgetForecastExceeded": (
        Case(
            title="30 % are spent after a fifth of the time, then nothing more",
            interval="1h",
            series=_budget(counter((6.25, 48), (0, 100)), 1000, 864_000),
            quiet=("20h", "76h"),
            fires=(
                Fire(
                    at="48h",
                    labels=_SEARCH,
                    description="At its pace so far the budget search of this month ends at 150%.",
                ),
            ),
        ),
        Case(
            title="the pace is even",
            interval="1h",
            series=_budget(counter((4, 200)), 1000, 864_000),
            quiet=("30h", "48h", "150h"),
        ),
    ),
    "LLMCostAnomaly": (
        Case(
            title="twice the usual, after two weeks",
            interval="1h",
            series={f'{COST_RATE}{{service_name="checkout"}}': gauge((10, 340), (20, 5), (10, 9))},
            quiet=("339h", "348h"),
            fires=(
                Fire(
                    at="343h",
                    labels=_CHECKOUT,
                    description="checkout costs $20.00 an hour, over 50% above the median of the "
                    "same hour in the last 4 weeks.",
                ),
            ),
        ),
        Case(
            title="40 % above the usual",
            interval="1h",
            series={f'{COST_RATE}{{service_name="checkout"}}': gauge((10, 340), (14, 9))},
            quiet=("343h",),
        ),
        Case(
            title="90 cents more",
            interval="1h",
            series={f'{COST_RATE}{{service_name="checkout"}}': gauge((0.5, 340), (1.4, 9))},
            quiet=("343h",),
        ),
        Case(
            title="one week is not enough to know what is usual",
            interval="1h",
            series={f'{COST_RATE}{{service_name="checkout"}}': gauge((10, 172), (20, 9))},
            quiet=("175h",),
        ),
        Case(
            title="every week is different",
            interval="1h",
            series={
                f'{COST_RATE}{{service_name="checkout"}}': gauge(
                    (5, 168), (15, 168), (5, 168), (15, 168), (20, 9)
                )
            },
            quiet=("675h",),
        ),
    ),
    "LLMCostPerRequestJump": (
        Case(
            title="three cents instead of one",
            interval="10m",
            series=_a_day_then({calls(): 10, _COST: 0.1}, {calls(): 10, _COST: 0.3}),
            quiet=("25h", "31h"),
            fires=(
                Fire(
                    at="28h",
                    labels=MODEL,
                    description="A call of checkout with gpt-4o of openai costs $0.0300 on "
                    "average, over 50% more than in the 1d before.",
                ),
            ),
        ),
        Case(
            title="1.4 cents",
            interval="10m",
            series=_a_day_then({calls(): 10, _COST: 0.1}, {calls(): 10, _COST: 0.14}),
            quiet=("28h",),
        ),
        Case(
            title="more calls, not dearer ones",
            interval="10m",
            series=_a_day_then({calls(): 10, _COST: 0.1}, {calls(): 50, _COST: 0.5}),
            quiet=("28h",),
        ),
        Case(
            title="48 calls an hour",
            interval="10m",
            series=_a_day_then({calls(): 8, _COST: 0.08}, {calls(): 8, _COST: 0.24}),
            quiet=("28h",),
        ),
    ),
    "LLMTokenSurge": (
        Case(
            title="four times the tokens",
            interval="10m",
            series=_a_day_then({_INPUT: 30_000}, {_INPUT: 120_000}),
            quiet=("25h", "31h"),
            fires=(
                Fire(
                    at="28h",
                    labels=_CHECKOUT,
                    description="checkout uses 720k tokens an hour, over 3 times the mean of the "
                    "1d before.",
                ),
            ),
        ),
        Case(
            title="twice the tokens",
            interval="10m",
            series=_a_day_then({_INPUT: 30_000}, {_INPUT: 60_000}),
            quiet=("28h",),
        ),
        Case(
            title="six times, of a small service",
            interval="10m",
            series=_a_day_then({_INPUT: 1500}, {_INPUT: 9000}),
            quiet=("28h",),
        ),
    ),
    "LLMCacheHitDrop": (
        Case(
            title="a tenth comes from the cache instead of half",
            interval="10m",
            series=_a_day_then({_READ: 20_000, _INPUT: 20_000}, {_READ: 4000, _INPUT: 36_000}),
            quiet=("25h", "31h"),
            fires=(
                Fire(
                    at="28h",
                    labels=MODEL,
                    description="10% of the input tokens of checkout with gpt-4o of openai come "
                    "from the cache, under 50% of the share in the 1d before.",
                ),
            ),
        ),
        Case(
            title="a third does",
            interval="10m",
            series=_a_day_then({_READ: 20_000, _INPUT: 20_000}, {_READ: 13_000, _INPUT: 27_000}),
            quiet=("28h",),
        ),
        Case(
            title="it was never much",
            interval="10m",
            series=_a_day_then({_READ: 2000, _INPUT: 38_000}, {_READ: 100, _INPUT: 39_900}),
            quiet=("28h",),
        ),
    ),
}
