"""What an explanation says: the records that the API answers with and the command line prints."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

# Plain digits: 0.0000001, not 1E-7.
Amount = Annotated[
    Decimal, PlainSerializer(lambda amount: f"{amount.normalize():f}", return_type=str)
]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class Evidence(_Record):
    """One place that says something about a field. The first in the order of sources is used."""

    field: str
    convention: str
    place: str = Field(description="Attribute, event, resource attribute or span name.")
    raw: str = Field(description="What stands there, cut; of JSON only the member.")
    value: str = Field(description="What it is read as.")
    used: bool


class Reading(_Record):
    """Whether a reported total includes its parts."""

    total: str = Field(description="input or output.")
    parts: str = Field(description="cached tokens or reasoning.")
    included: bool
    rule: str = Field(description="exceeds, scope, total or convention.")
    because: str


class Line(_Record):
    """One multiplication."""

    kind: str = Field(description="token_type, or `request` for the call itself.")
    tokens: int | None = Field(description="Null for what is not charged by tokens.")
    usd_per_million: Amount | None = Field(description="Null: the card has no rate for this kind.")
    above_input_tokens: int | None = Field(
        description="The rate is that of requests with more input tokens than this."
    )
    cost_usd: Amount | None


class Card(_Record):
    """The rate card in force when the span began."""

    price_id: str
    price_version: str
    model: str
    since: str | None = Field(description="Day of the latest change of price before the span.")
    service_tier: str | None
    published: list[str] = Field(description="Where the provider publishes its prices.")


class Cost(_Record):
    """What a span costs, and why."""

    card: Card | None
    lines: list[Line]
    computed_usd: Amount | None = Field(description="Sum of the lines, null where one has no rate.")
    reported_usd: Amount | None
    reported_is_charge: bool = Field(description="A gateway says what it charged.")
    usd: Amount | None = Field(description="The cost that counts.")
    source: str | None = Field(description="computed or reported; null: unpriced.")
    unpriced_reason: str | None
    because: str


class Difference(_Record):
    """A column that is stored with another value than comes out today."""

    column: str
    stored: str | None
    today: str | None
    note: str | None = None


class SpanExplanation(_Record):
    """How one span became what it is counted as."""

    span_id: str
    parent_span_id: str
    name: str
    kind: str
    service: str | None
    scope: str
    start_unix_nano: int
    duration_ns: int
    status: str | None
    convention: str | None
    span_class: str | None = Field(description="call, agent, tool ...; null: not GenAI.")
    operation: str | None
    provider: str | None
    request_model: str | None
    response_model: str | None
    model: str | None
    evidence: list[Evidence]
    usage_source: str | None = Field(
        description="reported, estimated, missing, or above: by an agent above."
    )
    reported_usage: dict[str, int] = Field(description="Counts as they were sent.")
    readings: list[Reading]
    tokens: dict[str, int] = Field(description="Disjoint kinds: they add up to the total.")
    usage_role: str | None = Field(description="own: counted. Null: neither call nor usage.")
    usage_because: str | None
    cost: Cost | None = Field(description="Null: neither call nor usage.")
    differences: list[Difference]

    @property
    def is_counted(self) -> bool:
        """Whether its usage and cost are in the metrics and sums."""
        return self.usage_role == "own"


class TraceExplanation(_Record):
    """How each span of a trace became what it is counted as."""

    trace_id: str
    counted_calls: int
    counted_usd: Amount = Field(description="Cost of the spans that are counted, as of today.")
    stored_usd: Amount = Field(description="The same as it is stored.")
    spans: list[SpanExplanation]
