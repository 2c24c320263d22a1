"""Dollars and seconds as answers have them: exact, to the ninth digit."""

from __future__ import annotations

from decimal import Decimal
from math import isfinite
from typing import Annotated

from pydantic import WithJsonSchema

NANO = Decimal("1e-9")

Usd = Annotated[Decimal, WithJsonSchema({"type": "number", "examples": [0.0004]})]
"""US dollars, exact to the nano-dollar."""
Seconds = Annotated[Decimal, WithJsonSchema({"type": "number", "examples": [1.25]})]
"""Seconds, to the nanosecond."""


def seconds_of(nanoseconds: Decimal | float | None) -> Decimal | None:
    """Return nanoseconds as exact seconds, None for what is no number."""
    if nanoseconds is None or not isfinite(nanoseconds):
        return None
    return exact_seconds(round(nanoseconds))


def exact_seconds(nanoseconds: int) -> Decimal:
    """Return whole nanoseconds as seconds."""
    return Decimal(nanoseconds).scaleb(-9)
