"""Values of a query, bound to parameters: none of them is in its text."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_UP, Context, Decimal

from exporter.errors import WrongQueryError

# Decimals that money is compared with: more digits than it has, so nothing is rounded into equal.
_MONEY_TYPE = "Decimal(76, 30)"
_MONEY_MAX = Decimal(10) ** 40
_MONEY_DIGITS = Context(prec=76, rounding=ROUND_UP)
_INT64 = range(-(2**63), 2**63)
_UINT64 = range(2**64)


@dataclass(slots=True)
class Names:
    """Binds values to parameters whose names start with a prefix and occur once."""

    prefix: str = "c"
    values: dict[str, object] = field(default_factory=dict[str, object])

    def bind(self, value: object, type_: str) -> str:
        """Return the mark that stands for a value in the text."""
        name = f"{self.prefix}{len(self.values)}"
        self.values[name] = value
        return f"{{{name}:{type_}}}"

    def number(self, value: float) -> str:
        """Return the mark of a number, bound as exactly as the store's types can hold it."""
        if isinstance(value, int) and value in _INT64:
            return self.bind(value, "Int64")
        if isinstance(value, int) and value in _UINT64:
            return self.bind(value, "UInt64")
        return self.bind(_double(value), "Float64")

    def money(self, value: float) -> str:
        """Return the mark of an amount."""
        return self.bind(_money(value), _MONEY_TYPE)


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
