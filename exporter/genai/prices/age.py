"""How old the price list is: the package that holds it says no date, but its prices do."""

from __future__ import annotations

from datetime import date

from genai_prices.data_snapshot import DataSnapshot, get_snapshot
from genai_prices.types import ModelPrice, StartDateConstraint


def newest_price(today: date, snapshot: DataSnapshot | None = None) -> date | None:
    """Return the latest day, up to today, on which a price of the list came into force.

    None: the list dates no price. Providers change one each month or so, so a list without a recent
    date is an old list.
    """
    dates = (
        price.constraint.start_date
        for provider in (snapshot or get_snapshot()).providers
        for model in provider.models
        if not isinstance(model.prices, ModelPrice)
        for price in model.prices
        if isinstance(price.constraint, StartDateConstraint)
    )
    return max((day for day in dates if day <= today), default=None)
