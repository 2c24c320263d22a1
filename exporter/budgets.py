"""Budgets: how much may be spent on what in a day, a week or a month, and how much is.

The amounts come from a YAML file, what is spent from the store: the cost of record, not a counter
that a restart forgets. A budget that cannot be read is shown nowhere: neither 0 nor infinite.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import yaml
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from exporter.cancellation import Cancellation
from exporter.errors import ConfigurationError, ObservatoryError
from exporter.metrics.catalog import (
    BUDGET,
    BUDGET_END,
    BUDGET_METRICS,
    BUDGET_SPENT,
    BUDGET_START,
)
from exporter.query.periods import Unit

log = logging.getLogger(__name__)

# Each budget is a query at each refresh.
BUDGETS_MAX = 200

# What a scope may name, and the columns of the usage by hour that it means.
ROLLUP_SCOPE: Mapping[str, str] = {
    "service_name": "ServiceName",
    "provider": "Provider",
    "model": "Model",
    "operation": "Operation",
    "environment": "Environment",
    "feature": "Feature",
    "tenant": "Tenant",
    "release": "Release",
    "agent": "Agent",
}
# These are columns of the spans only, which are kept for a shorter time.
SPAN_SCOPE: Mapping[str, str] = {
    "user_id": "UserId",
    "session_id": "SessionId",
    "endpoint": "Endpoint",
    "prompt_version": "PromptVersion",
}
SCOPE: Mapping[str, str] = {**ROLLUP_SCOPE, **SPAN_SCOPE}


class Period(StrEnum):
    """What a budget lasts for."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    @property
    def days_max(self) -> int:
        """The most days that it has."""
        return {Period.DAY: 1, Period.WEEK: 7, Period.MONTH: 31}[self]

    def bounds(self, now: datetime) -> tuple[datetime, datetime]:
        """Return the start and the end of the period that holds an instant."""
        return Unit(self.value).bounds(now)


class Budget(BaseModel):
    """One budget, as the file has it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=100)]
    period: Period
    amount_usd: Annotated[Decimal, Field(gt=0, le=Decimal(10) ** 12)]
    scope: dict[str, tuple[str, ...]] = {}
    """Values by dimension: a call counts that has one of the values of each."""
    estimates: bool = False
    """Whether the estimated cost of calls that report no usage counts as well."""

    @field_validator("scope", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {k: (v,) if isinstance(v, str) else v for k, v in value.items()}

    @field_validator("scope")
    @classmethod
    def _known(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        if unknown := sorted(set(value) - set(SCOPE)):
            raise ValueError(f"unknown {', '.join(unknown)}; known are {', '.join(sorted(SCOPE))}")
        if empty := sorted(name for name, values in value.items() if not values):
            raise ValueError(f"{', '.join(empty)}: no value given")
        return value

    @property
    def columns(self) -> dict[str, tuple[str, ...]]:
        """The scope by column."""
        return {SCOPE[name]: values for name, values in self.scope.items()}

    @property
    def needs_spans(self) -> bool:
        """Whether the usage by hour cannot tell."""
        return not set(self.scope) <= set(ROLLUP_SCOPE)


class _BudgetsFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    budgets: Annotated[tuple[Budget, ...], Field(max_length=BUDGETS_MAX)] = ()


def load_budgets(path: Path, *, spans_days: int, hours_days: int) -> tuple[Budget, ...]:
    """Read a budgets file; raise ConfigurationError that names what is wrong.

    `spans_days` and `hours_days` are how long spans and the usage by hour are kept: a sum over less
    than the period would be too small.
    """
    try:
        budgets = _BudgetsFile.model_validate(yaml.safe_load(path.read_text("utf-8")) or {}).budgets
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False)
        ]
        raise ConfigurationError(f"budgets file {path.name}: {'; '.join(problems)}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"budgets file {path.name}: cannot be read: {error}") from error
    seen: set[tuple[str, Period]] = set()
    for budget in budgets:
        if (budget.name, budget.period) in seen:
            raise ConfigurationError(
                f"budgets file {path.name}: {budget.name}: two budgets of a {budget.period}"
            )
        seen.add((budget.name, budget.period))
        kept = spans_days if budget.needs_spans else hours_days
        if kept < budget.period.days_max:
            names = "spans_retention_days" if budget.needs_spans else "hours_retention_days"
            raise ConfigurationError(
                f"budgets file {path.name}: {budget.name}: a {budget.period} has up to "
                f"{budget.period.days_max} days, but {names} is {kept}"
            )
    return budgets


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a budget looked like at one time."""

    budget: Budget
    spent_usd: Decimal
    start_s: float
    end_s: float


Spent = Callable[[Budget, datetime, datetime, Cancellation], Decimal]
"""Returns the cost of a budget's scope between two instants; raises ObservatoryError."""


class BudgetWatch(Collector):
    """Reads every budget on a timer, in a thread of its own, and shows the last readings."""

    def __init__(
        self,
        budgets: tuple[Budget, ...],
        spent: Spent,
        *,
        refresh_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._budgets = budgets
        self._spent = spent
        self._refresh_s = refresh_s
        self._clock = clock
        self._readings: tuple[Reading, ...] = ()
        self._stopped = threading.Event()
        self._cancellation = Cancellation()
        self._thread = threading.Thread(target=self._run, name="budgets", daemon=True)
        self.reads = {"ok": 0, "failed": 0}
        """How many readings of a budget there were, by outcome."""

    @property
    def readings(self) -> tuple[Reading, ...]:
        """The last readings; a budget that could not be read is missing."""
        return self._readings

    def start(self) -> None:
        """Begin reading; without budgets there is nothing to do."""
        if self._budgets:
            self._thread.start()

    def stop(self) -> None:
        """Stop reading, also in the middle of a question."""
        self._stopped.set()
        self._cancellation.cancel()
        if self._thread.is_alive():
            self._thread.join(self._refresh_s)

    def refresh(self) -> None:
        """Read every budget once; one that fails is left out until it succeeds."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        found: list[Reading] = []
        for budget in self._budgets:
            start, end = budget.period.bounds(now)
            try:
                spent = self._spent(budget, start, end, self._cancellation)
            except ObservatoryError as error:
                self.reads["failed"] += 1
                details = {"budget": budget.name, "error": str(error)}
                log.warning("budget cannot be read", extra=details)
            else:
                self.reads["ok"] += 1
                found.append(
                    Reading(
                        budget=budget,
                        spent_usd=spent,
                        start_s=start.timestamp(),
                        end_s=end.timestamp(),
                    )
                )
        self._readings = tuple(found)

    def describe(self) -> list[Family]:
        """Return the families without samples."""
        return [Family(metric.name, metric.help, metric.type) for metric in BUDGET_METRICS]

    def collect(self) -> Iterator[Family]:
        """Yield the last readings."""
        readings = self._readings
        values: dict[str, Callable[[Reading], float]] = {
            BUDGET.name: lambda r: float(r.budget.amount_usd),
            BUDGET_SPENT.name: lambda r: float(r.spent_usd),
            BUDGET_START.name: lambda r: r.start_s,
            BUDGET_END.name: lambda r: r.end_s,
        }
        for family in self.describe():
            for reading in readings:
                labels = {"budget": reading.budget.name, "period": str(reading.budget.period)}
                family.add_sample(family.name, labels, values[family.name](reading))
            yield family

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self.refresh()
            except Exception:
                # Nobody foresaw it; old readings would lie, so there are none.
                log.exception("budgets cannot be read")
                self._readings = ()
                self.reads["failed"] += len(self._budgets)
            self._stopped.wait(self._refresh_s)
