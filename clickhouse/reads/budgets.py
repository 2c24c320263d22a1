"""What a scope of calls cost in a time: the cost of record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from clickhouse.reads.session import Session, named_sql

_HOUR_COLUMNS = (
    "ServiceName",
    "Provider",
    "Model",
    "Operation",
    "Environment",
    "Feature",
    "Tenant",
    "Release",
    "Agent",
)
_SPAN_COLUMNS = (*_HOUR_COLUMNS, "UserId", "SessionId", "Endpoint", "PromptVersion")


def spent_usd(
    session: Session,
    scope: Mapping[str, Sequence[str]],
    start_s: int,
    end_s: int,
    *,
    estimates: bool = False,
) -> Decimal:
    """Return the cost in dollars of the calls that have one of the values of each column.

    The times are whole hours. `estimates`: with the estimated cost of calls that report no usage.
    Raise KeyError for a column that is none of a scope.
    """
    by_hour = set(scope) <= set(_HOUR_COLUMNS)
    columns = _HOUR_COLUMNS if by_hour else _SPAN_COLUMNS
    if unknown := set(scope) - set(columns):
        raise KeyError(*unknown)
    values = {column: list(scope.get(column, ())) for column in columns}
    times = {"start_s": start_s, "end_s": end_s, "estimates": estimates, "limit": 1}
    sql = named_sql("budget_spent" if by_hour else "budget_spent_by_spans")
    ((spent,),) = session.rows(sql, {**values, **times})
    return Decimal(spent)
