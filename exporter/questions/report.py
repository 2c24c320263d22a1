"""A report of a day or a week, from the answers to other questions."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from exporter.cancellation import Cancellation
from exporter.query.asked import About, Grouping, Page, Tables, TimeRange
from exporter.query.report.digest import BudgetLine, Digest, Period, anomalies
from exporter.query.times import rfc3339
from exporter.query.usage import GroupUsage
from exporter.questions.lists import ListQuestions
from exporter.questions.usage import UsageQuestions

# Rows of each list: what fits on a page and in a message.
_ROWS = 10
# Models in a period, for what is unusual among them.
_MODELS_MAX = 1000


@dataclass(frozen=True, slots=True)
class ReportQuestions:
    """Makes reports."""

    usage: UsageQuestions
    lists: ListQuestions
    budgets: Callable[[], Sequence[BudgetLine]] = tuple
    """What was spent of each budget by now."""
    now_ns: Callable[[], int] = time.time_ns

    def digest(self, period: Period, day: date | None, stop: Cancellation) -> Digest:
        """Return the report of the period that holds a day, None: of the last whole one."""
        within = period.last(self.now_ns()) if day is None else period.holding(day)
        about, page = About(within), Page(_ROWS)
        (summary,) = self.usage.summary(about, Tables.AUTO, stop).rows
        return Digest(
            period=period,
            start=rfc3339(within.start_ns),
            end=rfc3339(within.end_ns),
            summary=summary,
            course=self._groups(about, Grouping((), step_s=period.step_s), Page(200), stop),
            models=self.usage.models(about, page, "cost", Tables.AUTO, stop).rows,
            services=self._groups(about, Grouping(("service_name",)), page, stop),
            features=self._features(about, page, stop),
            traces=self.lists.traces(about, page, "cost", stop).rows,
            errors=self.lists.errors(about, page, stop).rows,
            budgets=list(self.budgets()),
            anomalies=anomalies(
                self._costs(within, stop),
                [self._costs(each, stop) for each in period.earlier(within)],
            ),
        )

    def _groups(
        self, about: About, grouping: Grouping, page: Page, stop: Cancellation
    ) -> list[GroupUsage]:
        return self.usage.groups(about, page, grouping, Tables.AUTO, stop).rows

    def _features(self, about: About, page: Page, stop: Cancellation) -> list[GroupUsage]:
        """Return usage by feature, nothing where nobody names features."""
        found = self._groups(about, Grouping(("feature",)), page, stop)
        return found if any((each.model_extra or {}).get("feature") for each in found) else []

    def _costs(self, within: TimeRange, stop: Cancellation) -> dict[str, Decimal]:
        page = Page(_MODELS_MAX)
        rows = self._groups(About(within), Grouping(("model",)), page, stop)
        return {
            str((each.model_extra or {})["model"]): each.cost_usd or Decimal(0) for each in rows
        }
