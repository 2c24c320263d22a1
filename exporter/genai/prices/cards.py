"""Find the rate card of a call: the one in force when it began."""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, datetime

from exporter.genai.prices.book import PriceBook
from exporter.genai.prices.rates import Listing, RateCard
from exporter.spans.schema import NANOSECONDS

# Price lists change by the day or by the minute of the day, never within a minute.
SLOT_NS = 60 * NANOSECONDS
# Names come from the sender: a look-up table of them must not grow without end.
_LISTINGS_MAX = 4096
_NAME_CHARS_MAX = 256


class Cards:
    """Looks rate cards up, each model once. For one thread."""

    def __init__(self, book: PriceBook) -> None:
        self._book = book
        self._listings: OrderedDict[tuple[str | None, str, str], Listing | None] = OrderedDict()

    def find(
        self, provider: str | None, model: str, service_tier: str, start_ns: int
    ) -> tuple[Listing, RateCard] | None:
        """Return a model's listing and card, None: there is none at that time.

        `service_tier` is what the provider calls the way in which it served the call, or empty.
        """
        listing = self._listing(provider, model[:_NAME_CHARS_MAX], service_tier[:_NAME_CHARS_MAX])
        if listing is None:
            return None
        slot_s = start_ns // SLOT_NS * SLOT_NS // NANOSECONDS
        card = listing.card_at(datetime.fromtimestamp(slot_s, UTC))
        return None if card is None else (listing, card)

    def _listing(self, provider: str | None, model: str, tier: str) -> Listing | None:
        key = (provider, model, tier)
        if key not in self._listings:
            if len(self._listings) >= _LISTINGS_MAX:
                self._listings.popitem(last=False)
            self._listings[key] = self._book.find(provider, model, tier)
        return self._listings[key]
