"""The age of the price list is that of its newest price in force."""

from __future__ import annotations

from datetime import date, timedelta

from exporter.genai.prices.age import newest_price

_TODAY = date(2026, 11, 21)


def test_a_price_that_is_not_in_force_yet_does_not_make_the_list_younger() -> None:
    newest = newest_price(_TODAY)

    assert newest is not None
    assert newest <= _TODAY
    later = newest_price(date(2100, 1, 1))
    assert later is not None
    assert newest_price(later - timedelta(days=1)) != later
    assert newest_price(later) == later


def test_before_every_date_there_is_none() -> None:
    assert newest_price(date(1990, 1, 1)) is None
