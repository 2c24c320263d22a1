"""Budgets: their file, their periods, and what is shown of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.budgets import Budget, BudgetWatch, Period, load_budgets
from exporter.cancellation import Cancellation
from exporter.errors import ConfigurationError, StoreUnavailableError

GOOD = """
budgets:
  - {name: search, period: month, amount_usd: 1500.50, scope: {feature: search}}
  - name: eu
    period: day
    amount_usd: 20
    scope: {environment: [production, staging], service_name: checkout}
"""

TWICE = """
budgets:
  - {name: a, period: day, amount_usd: 1}
  - {name: a, period: day, amount_usd: 2}
"""


def load(tmp_path: Path, text: str, *, spans_days: int = 31, hours_days: int = 400):
    path = tmp_path / "budgets.yml"
    path.write_text(text, encoding="utf-8")
    return load_budgets(path, spans_days=spans_days, hours_days=hours_days)


def test_a_file_says_names_scopes_periods_and_amounts(tmp_path: Path) -> None:
    search, eu = load(tmp_path, GOOD)

    assert (search.name, search.period, search.amount_usd) == ("search", "month", Decimal("1500.5"))
    assert search.columns == {"Feature": ("search",)}
    assert eu.columns == {
        "Environment": ("production", "staging"),
        "ServiceName": ("checkout",),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("budgets: [{name: a, period: year, amount_usd: 1}]", "period"),
        ("budgets: [{name: a, period: day, amount_usd: 0}]", "greater than 0"),
        ("budgets: [{name: a, period: day, amount_usd: .inf}]", "amount_usd"),
        ("budgets: [{name: a, period: day}]", "amount_usd"),
        ("budgets: [{name: a, period: day, amount_usd: 1, scope: {colour: red}}]", "known are"),
        ("budgets: [{name: a, period: day, amount_usd: 1, scope: {model: []}}]", "no value"),
        ("budget: []", "budget"),
        ("budgets: [", "cannot be read"),
        (
            TWICE,
            "two budgets of a day",
        ),
    ],
    ids=["period", "zero", "infinite", "no amount", "scope", "empty", "key", "yaml", "twice"],
)
def test_a_wrong_file_says_what_to_change(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load(tmp_path, text)


def test_a_period_longer_than_what_is_kept_is_refused(tmp_path: Path) -> None:
    """Its sum would be too small, and nobody would see it."""
    by_user = "budgets: [{name: a, period: month, amount_usd: 1, scope: {user_id: u}}]"

    with pytest.raises(ConfigurationError, match="spans_retention_days is 30"):
        load(tmp_path, by_user, spans_days=30)
    assert load(tmp_path, by_user, spans_days=31)
    with pytest.raises(ConfigurationError, match="hours_retention_days is 7"):
        load(tmp_path, GOOD, hours_days=7)


@pytest.mark.parametrize(
    ("period", "now", "start", "end"),
    [
        (Period.DAY, "2026-02-28T23:59:59", "2026-02-28", "2026-03-01"),
        (Period.WEEK, "2026-11-22T12:00:00", "2026-11-16", "2026-11-23"),
        (Period.WEEK, "2026-11-23T00:00:00", "2026-11-23", "2026-11-30"),
        (Period.MONTH, "2026-12-31T10:00:00", "2026-12-01", "2027-01-01"),
        (Period.MONTH, "2028-02-29T10:00:00", "2028-02-01", "2028-03-01"),
    ],
)
def test_periods_are_those_of_the_calendar(period: Period, now: str, start: str, end: str) -> None:
    assert period.bounds(datetime.fromisoformat(now).replace(tzinfo=UTC)) == tuple(
        datetime.fromisoformat(day).replace(tzinfo=UTC) for day in (start, end)
    )


@given(
    st.sampled_from(Period),
    st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 1, 1)),  # noqa: DTZ001
)
def test_every_instant_is_in_one_period_and_its_end_begins_the_next(
    period: Period, naive: datetime
) -> None:
    now = naive.replace(tzinfo=UTC)
    start, end = period.bounds(now)

    assert start <= now < end
    assert end - start <= timedelta(days=period.days_max)
    assert period.bounds(end)[0] == end
    assert period.bounds(start) == (start, end)


def _shown(watch: BudgetWatch) -> dict[tuple[str, str], float]:
    return {
        (sample.name, sample.labels["budget"]): sample.value
        for family in watch.collect()
        for sample in family.samples
    }


def test_a_budget_that_cannot_be_read_is_absent_and_its_neighbours_are_there() -> None:
    budgets = tuple(
        Budget(name=name, period=Period.DAY, amount_usd=Decimal(10)) for name in ("a", "b")
    )
    failing = {"b"}

    def spent(budget: Budget, start: datetime, end: datetime, _: Cancellation) -> Decimal:
        assert end - start == timedelta(days=1)
        if budget.name in failing:
            raise StoreUnavailableError("no")
        return Decimal("2.5")

    watch = BudgetWatch(budgets, spent, refresh_s=60, clock=lambda: 86_400 * 3 + 5)
    assert _shown(watch) == {}

    watch.refresh()
    assert _shown(watch) == {
        ("llm_budget_usd", "a"): 10,
        ("llm_budget_spent_usd", "a"): 2.5,
        ("llm_budget_period_start_timestamp_seconds", "a"): 86_400 * 3,
        ("llm_budget_period_end_timestamp_seconds", "a"): 86_400 * 4,
    }
    assert watch.reads == {"ok": 1, "failed": 1}

    failing.clear()
    watch.refresh()
    assert {name for _, name in _shown(watch)} == {"a", "b"}
    failing.update("ab")
    watch.refresh()
    assert _shown(watch) == {}
