"""Numbers of a query as bound values, exactly."""

from __future__ import annotations

from decimal import ROUND_UP, Context, Decimal

from clickhouse.columns import Names
from exporter.errors import WrongQueryError

# Decimals that money is compared with: more digits than it has, so nothing is rounded into equal.
_MONEY_TYPE = "Decimal(76, 30)"
_MONEY_MAX = Decimal(10) ** 40
_MONEY_DIGITS = Context(prec=76, rounding=ROUND_UP)
_INT64 = range(-(2**63), 2**63)
_UINT64 = range(2**64)


def number(value: float, names: Names) -> str:
    """Return the mark of a number; whole ones that fit are whole in the store, too."""
    if isinstance(value, int) and value in _INT64:
        return names.bind(value, "Int64")
    if isinstance(value, int) and value in _UINT64:
        return names.bind(value, "UInt64")
    return names.bind(_double(value), "Float64")


def money(value: float, names: Names) -> str:
    """Return the mark of an amount of money as a decimal."""
    return names.bind(_money(value), _MONEY_TYPE)


def _money(value: float) -> Decimal:
    exact = Decimal(value) if isinstance(value, int) else Decimal(repr(value))
    if exact.is_nan():
        raise WrongQueryError("not a number")
    # Nothing in the table is near these.
    within = max(min(exact, _MONEY_MAX), -_MONEY_MAX)
    return within.quantize(Decimal("1e-30"), context=_MONEY_DIGITS)


def _double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
