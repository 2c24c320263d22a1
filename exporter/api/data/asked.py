"""What a request asks: its parameters, documented, and what they mean."""

from __future__ import annotations

import time
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from exporter.api.data.cursor import Cursor, decode, encode
from exporter.query.asked import About, Key, Page, Tables, TimeRange
from exporter.query.dimensions import selected
from exporter.query.times import time_range

# A table in a browser or a spreadsheet holds this many; more come page by page.
ROWS_MAX = 10_000
_TEXT_CHARS_MAX = 10_000

Format = Annotated[
    Literal["json", "csv"] | None,
    Field(description="Form of the answer. Without it, the Accept header decides; else json."),
]
Dimensions = Annotated[
    str, Field(description="Dimensions, separated by commas.", examples=["feature,model"])
]
Order = Annotated[
    Literal["cost", "requests", "errors", "tokens", "duration"],
    Field(description="What rows are ordered by, the largest first."),
]


class Asked(BaseModel):
    """Parameters of every question. One that is not known is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    format: Format = None


class RangeAsked(Asked):
    """Which spans: from when to when, and by which labels."""

    start: str = Field(
        "now-1h",
        alias="from",
        max_length=100,
        description="From when: RFC 3339, a Unix time in s, ms, us or ns, or Grafana's words "
        "(now-1h, now/d).",
        examples=["now-6h"],
    )
    end: str = Field(
        "now", alias="to", max_length=100, description="To before when.", examples=["now"]
    )
    query: str = Field(
        "",
        max_length=_TEXT_CHARS_MAX,
        description="A selector of labels, as in Prometheus. Empty: every span.",
        examples=['{model="gpt-4o", environment!="test"}'],
    )

    def about(self) -> About:
        """Return which spans; raise WrongQueryError."""
        return About(time_range(self.start, self.end, time.time_ns()), selected(self.query))


class Paged(Asked):
    """Which rows of an answer."""

    limit: int = Field(100, ge=1, le=ROWS_MAX, description="Most rows of this page.")
    cursor: str = Field("", description="`next` of the page before; the time is then that page's.")

    @property
    def question(self) -> str:
        """What all pages of an answer have in common, besides the path."""
        fields = self.model_dump(exclude={"start", "end", "limit", "cursor", "format"})
        return str(sorted(fields.items()))

    def place(self, path: str) -> Cursor | None:
        """Return where the page starts, None: with the first row; raise WrongQueryError."""
        return decode(self.cursor, path + self.question) if self.cursor else None

    def following(self, path: str, range_: TimeRange, after: Key) -> str:
        """Return the cursor of the page behind a row."""
        return encode(Cursor(range_, after), path + self.question)


class PageAsked(RangeAsked, Paged):
    """Which rows about which spans."""

    def paged(self, path: str) -> tuple[About, Page]:
        """Return which spans and which rows; raise WrongQueryError."""
        place = self.place(path)
        if place is None:
            return self.about(), Page(self.limit)
        return About(place.range, selected(self.query)), Page(self.limit, place.after)


class SourceAsked(BaseModel):
    """Where usage may be read from."""

    source: Tables = Field(
        Tables.AUTO,
        description="auto: usage by hour or minute where it answers exactly (whole minutes, "
        "its dimensions), else the spans. rollup: the time widened to whole minutes, never the "
        "spans. spans: always the spans.",
    )


def names(text: str) -> tuple[str, ...]:
    """Return the names of a list with commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())
