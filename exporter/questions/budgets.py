"""What was spent of a budget."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from clickhouse.reads.budgets import spent_usd
from clickhouse.reads.session import ReadPool
from exporter.budgets import Budget
from exporter.cancellation import Cancellation


class BudgetQuestions:
    """Sums the stored cost of budgets."""

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool

    def spent(
        self, budget: Budget, start: datetime, end: datetime, cancellation: Cancellation
    ) -> Decimal:
        """Return the cost of a budget's scope between two whole hours."""
        with self._pool.session(cancellation) as session:
            return spent_usd(
                session,
                budget.columns,
                int(start.timestamp()),
                int(end.timestamp()),
                estimates=budget.estimates,
            )
