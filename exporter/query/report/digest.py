"""What a report says, as data: renderings add nothing to it and leave nothing out but length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum
from statistics import fmean, pstdev

from pydantic import BaseModel, ConfigDict, Field

from exporter.query.amounts import Usd
from exporter.query.asked import TimeRange
from exporter.query.lists import ErrorRow, TraceRow
from exporter.query.periods import EPOCH, Unit, storable
from exporter.query.times import rfc3339, time_range
from exporter.query.usage import GroupUsage, ModelUsage, Summary
from exporter.spans.schema import NANOSECONDS

_DAY_NS = 86_400 * NANOSECONDS
# The same days (or weeks) of a month: enough to tell a weekday from an exception.
EARLIER_PERIODS = 4
# A cost is unusual when it is that much above the mean of the earlier periods ...
_ABOVE_MEAN = Decimal("1.5")
# ... outside their spread, where there is one ...
_DEVIATIONS = 2
# ... and the difference is worth a line.
_FLOOR_USD = Decimal(1)


class Period(StrEnum):
    """What a report is about."""

    DAY = "day"
    WEEK = "week"

    def last(self, now_ns: int) -> TimeRange:
        """Return the last one that is over."""
        return Unit(self.value).holding(now_ns).before

    def holding(self, day: date) -> TimeRange:
        """Return the one that holds a day, whether it is over or not; raise WrongQueryError."""
        found = Unit(self.value).holding((day - EPOCH.date()).days * _DAY_NS)
        return TimeRange(storable(found.start_ns, "on"), storable(found.end_ns, "on"))

    def earlier(self, of: TimeRange) -> list[TimeRange]:
        """Return the periods that it is measured against: the same weekday, or the weeks before."""
        back = [7 * _DAY_NS * (i + 1) for i in range(EARLIER_PERIODS)]
        return [TimeRange(of.start_ns - each, of.end_ns - each) for each in back]

    @property
    def step_s(self) -> int:
        """Length of the steps in which its course is shown."""
        return 3600 if self is Period.DAY else 86_400


class BudgetLine(BaseModel):
    """A budget and what was spent of it by now."""

    model_config = ConfigDict(frozen=True)

    name: str
    period: str
    amount_usd: Usd
    spent_usd: Usd


class Anomaly(BaseModel):
    """A model that costs unusually much."""

    model_config = ConfigDict(frozen=True)

    model: str
    cost_usd: Usd
    usual_usd: Usd | None = Field(description="Mean of the earlier periods; null: it is new.")


class Digest(BaseModel):
    """A report. Lists hold the first few of each, the most expensive or most frequent first."""

    model_config = ConfigDict(frozen=True)

    period: Period
    start: str = Field(description="RFC 3339.")
    end: str = Field(description="RFC 3339, itself not in it.")
    summary: Summary
    course: list[GroupUsage] = Field(description="By hour or day; steps without calls are missing.")
    models: list[ModelUsage]
    services: list[GroupUsage]
    features: list[GroupUsage]
    traces: list[TraceRow] = Field(description="The most expensive.")
    errors: list[ErrorRow]
    budgets: list[BudgetLine]
    anomalies: list[Anomaly]

    def times(self) -> list[str]:
        """Return the starts of all steps of its course."""
        within = time_range(self.start, self.end, 0)
        step_ns = self.period.step_s * NANOSECONDS
        return [rfc3339(at) for at in range(within.start_ns, within.end_ns, step_ns)]


def anomalies(
    now: Mapping[str, Decimal], earlier: Sequence[Mapping[str, Decimal]]
) -> list[Anomaly]:
    """Return the models whose cost is unusual, the largest difference first.

    `now` and each of `earlier` are cost by model. Periods in which nothing at all was called are
    from before the first traffic and do not count; without any other nothing is unusual.
    """
    known = [each for each in earlier if each]
    found = [_anomaly(model, cost, known) for model, cost in now.items()] if known else []
    unusual = [each for each in found if each]
    return sorted(unusual, key=lambda a: (-(a.cost_usd - (a.usual_usd or 0)), a.model))


def _anomaly(model: str, cost: Decimal, earlier: Sequence[Mapping[str, Decimal]]) -> Anomaly | None:
    if not any(model in each for each in earlier):
        return Anomaly(model=model, cost_usd=cost, usual_usd=None) if cost >= _FLOOR_USD else None
    costs = [float(each.get(model, 0)) for each in earlier]
    usual = Decimal(fmean(costs)).quantize(Decimal("1e-9"))
    unusual = (
        cost - usual >= _FLOOR_USD
        and cost >= usual * _ABOVE_MEAN
        and float(cost) > fmean(costs) + _DEVIATIONS * pstdev(costs)
    )
    return Anomaly(model=model, cost_usd=cost, usual_usd=usual) if unusual else None
