"""Usage of calls as people read it: sums, shares, rates and percentiles from stored figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from exporter.query.amounts import NANO, Seconds, Usd, seconds_of
from exporter.spans.schema import COST_COLUMNS, NANOSECONDS, TOKEN_KINDS

_MILLION = 1_000_000

_QUANTILES = ("p50", "p90", "p95", "p99")
_QUANTILE_OF = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


class Usage(BaseModel):
    """Figures of the calls of a group. Null: not known; it never stands for 0."""

    model_config = ConfigDict(frozen=True)

    requests: int = Field(description="Calls that own their usage.")
    requests_per_second: float = Field(description="The same by second of the time asked about.")
    errors: int = Field(description="Calls that failed.")
    error_ratio: float | None = Field(description="Their share, 0 to 1.")
    tokens_total: int = Field(description="Tokens of all kinds as reported; estimated ones apart.")
    tokens_input: int = Field(description="Input tokens of text that no cache served.")
    tokens_input_audio: int = Field(description="Uncached input tokens of audio.")
    tokens_input_image: int = Field(description="Uncached input tokens of images.")
    tokens_cache_read: int = Field(description="Input tokens read from a cache.")
    tokens_cache_write: int = Field(description="Input tokens written to a cache.")
    tokens_cache_write_1h: int = Field(description="Input tokens written to a cache for an hour.")
    tokens_output: int = Field(description="Output tokens of text, without reasoning.")
    tokens_reasoning: int = Field(description="Output tokens spent on reasoning.")
    tokens_output_audio: int = Field(description="Output tokens of audio.")
    tokens_output_image: int = Field(description="Output tokens of images.")
    estimated_tokens_input: int = Field(description="Estimated for calls that report none.")
    estimated_tokens_output: int = Field(description="Estimated for calls that report none.")
    tokens_per_request: float | None = Field(description="Mean of all tokens by call.")
    cache_read_ratio: float | None = Field(
        description="Share of the input tokens that a cache served, 0 to 1."
    )
    cost_usd: Usd | None = Field(
        description="Exact cost; null where calls were made and none has a price."
    )
    cost_input_usd: Usd = Field(description="Part of it: uncached input.")
    cost_cache_read_usd: Usd = Field(description="Part of it: reading caches.")
    cost_cache_write_usd: Usd = Field(description="Part of it: writing caches.")
    cost_output_usd: Usd = Field(description="Part of it: output.")
    cost_reasoning_usd: Usd = Field(description="Part of it: reasoning.")
    cost_request_usd: Usd = Field(description="Part of it: fees by call.")
    cost_unsplit_usd: Usd = Field(description="Part of it: reported by senders as one sum.")
    estimated_cost_usd: Usd = Field(description="Cost of estimated tokens; not in cost_usd.")
    cost_per_1k_requests_usd: Usd | None = Field(
        description="Exact and estimated cost by 1,000 calls that have one."
    )
    cost_per_1m_tokens_usd: Usd | None = Field(
        description="Exact and estimated cost by 1,000,000 tokens."
    )
    estimated_requests: int = Field(description="Calls whose tokens are estimated.")
    requests_without_usage: int = Field(description="Successful calls that reported no tokens.")
    unpriced_requests: int = Field(description="Calls without a cost.")
    unpriced_ratio: float | None = Field(description="Their share, 0 to 1.")
    duration_mean_s: Seconds | None = Field(description="Mean duration of a call.")
    duration_p50_s: Seconds | None = Field(description="Median duration.")
    duration_p90_s: Seconds | None = Field(description="90 % are not longer.")
    duration_p95_s: Seconds | None = Field(description="95 % are not longer.")
    duration_p99_s: Seconds | None = Field(description="99 % are not longer.")
    ttft_p50_s: Seconds | None = Field(description="Median time to the first token.")
    ttft_p90_s: Seconds | None = Field(description="90 % are not longer.")
    ttft_p95_s: Seconds | None = Field(description="95 % are not longer.")
    ttft_p99_s: Seconds | None = Field(description="99 % are not longer.")


class Group(BaseModel):
    """A group, named by a text field for each dimension that it was grouped by.

    A dimension that a call does not have is the empty text.
    """

    model_config = ConfigDict(
        frozen=True, extra="allow", json_schema_extra={"additionalProperties": {"type": "string"}}
    )

    time: str = Field("", description="Start of the step; only where a step was asked for.")


class GroupUsage(Usage, Group):
    """Usage of a group, with a text field for each dimension that it was grouped by."""


class ModelName(BaseModel):
    """A model at a provider."""

    provider: str = Field(description="Provider, empty where it is not known.")
    model: str = Field(description="The price list's id, else the name as sent.")


class ModelUsage(Usage, ModelName):
    """Usage of a model at a provider."""

    cache_savings_usd: Usd | None = Field(
        description="What cached tokens would have cost at the mean price of uncached input, "
        "less what they did cost; null where that price is not known."
    )


_COMPARED = (
    "requests",
    "errors",
    "error_ratio",
    "tokens_total",
    "cost_usd",
    "estimated_cost_usd",
    "unpriced_ratio",
    "duration_p50_s",
    "duration_p95_s",
    "duration_p99_s",
    "ttft_p50_s",
    "ttft_p95_s",
    "cache_savings_usd",
)


class Summary(Usage):
    """Usage of a time, beside the time of the same length before it.

    For most figures there are also `previous_<figure>` and `change_<figure>`: the difference
    as a share of the previous figure, null where that is 0 or not known.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    cache_savings_usd: Usd | None = Field(
        description="What caches saved, models added up; null where it is not known of one."
    )


def compared(current: Mapping[str, Any], previous: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of `Summary`, made from those of both times."""
    fields = dict(current)
    for name in _COMPARED:
        now, then = current[name], previous[name]
        fields[f"previous_{name}"] = then
        fields[f"change_{name}"] = (
            None if now is None or not then else round(float((now - then) / then), 6)
        )
    return fields


Record = Mapping[str, Any]
"""Stored figures, by the names of the columns of the usage by minute."""

_SUMS = (
    "Requests",
    "Errors",
    "RequestsWithoutUsage",
    "EstimatedRequests",
    "UnpricedRequests",
    *(kind.column for kind in TOKEN_KINDS),
    "EstimatedTokensInput",
    "EstimatedTokensOutput",
    "DurationNs",
)
_MONEY = ("CostUsd", *COST_COLUMNS.values(), "EstimatedCostUsd")
NOTHING: Record = (
    dict.fromkeys(_SUMS, 0)
    | dict.fromkeys(_MONEY, Decimal(0))
    | {"DurationQuantiles": [], "TimeToFirstTokenQuantiles": [], "TimeToFirstTokenBuckets": []}
)
"""The figures of no call."""


def added(records: Sequence[Record]) -> Record:
    """Return the sums of all records together, without their percentiles and buckets."""
    names = (*_SUMS, *_MONEY)
    return {name: sum((record[name] for record in records), NOTHING[name]) for name in names}


def figures(record: Record, seconds: float, bounds_s: Sequence[float]) -> dict[str, Any]:
    """Return the fields of `Usage`.

    `seconds` is the time that the calls were made in, `bounds_s` are the buckets' upper bounds.
    """
    requests: int = record["Requests"]
    tokens = {f"tokens_{kind.name}": int(record[kind.column]) for kind in TOKEN_KINDS}
    total = sum(tokens.values())
    estimated = record["EstimatedTokensInput"] + record["EstimatedTokensOutput"]
    cost, guessed = record["CostUsd"], record["EstimatedCostUsd"]
    priced = requests - record["UnpricedRequests"]
    parts = {f"cost_{name}_usd": record[column] for name, column in COST_COLUMNS.items()}
    mean_ns = Decimal(record["DurationNs"]) / requests if requests else None
    return {
        "requests": requests,
        "requests_per_second": round(requests / seconds, 6),
        "errors": record["Errors"],
        "error_ratio": _ratio(record["Errors"], requests),
        "tokens_total": total,
        **tokens,
        "estimated_tokens_input": record["EstimatedTokensInput"],
        "estimated_tokens_output": record["EstimatedTokensOutput"],
        "tokens_per_request": _ratio(total + estimated, requests),
        "cache_read_ratio": _cache_read_ratio(record),
        "cost_usd": cost if priced or not requests else None,
        **parts,
        "cost_unsplit_usd": cost - sum(parts.values()),
        "estimated_cost_usd": guessed,
        "cost_per_1k_requests_usd": _each(cost + guessed, priced, 1000),
        "cost_per_1m_tokens_usd": _each(cost + guessed, total + estimated, _MILLION),
        "estimated_requests": record["EstimatedRequests"],
        "requests_without_usage": record["RequestsWithoutUsage"],
        "unpriced_requests": record["UnpricedRequests"],
        "unpriced_ratio": _ratio(record["UnpricedRequests"], requests),
        "duration_mean_s": seconds_of(mean_ns),
        **_percentiles("duration", record["DurationQuantiles"]),
        **_percentiles("ttft", _first_token_quantiles(record, bounds_s)),
    }


def cache_savings(records: Iterable[Record]) -> Decimal | None:
    """Return what caches saved: cached tokens at the mean price of uncached ones, less their cost.

    Each record is of one model, so the mean is that model's price. None where tokens were cached
    and no uncached input says what input costs.
    """
    saved = Decimal(0)
    for record in records:
        cached = record["TokensCacheRead"] + sum(
            record[name] for name in ("TokensCacheWrite", "TokensCacheWrite1h")
        )
        if not cached:
            continue
        paid = record["CostCacheReadUsd"] + record["CostCacheWriteUsd"]
        if not record["TokensInput"] or not record["CostInputUsd"]:
            return None
        saved += cached * record["CostInputUsd"] / record["TokensInput"] - paid
    return saved.quantize(NANO)


def from_buckets(
    buckets: Mapping[int, int], quantile: float, bounds_s: Sequence[float]
) -> float | None:
    """Return a quantile in nanoseconds from counts by bucket, as Prometheus reckons it.

    A bucket is the position of its upper bound. Beyond the last bound it is that bound.
    """
    total = sum(buckets.values())
    if not total:
        return None
    bounds = (0.0, *bounds_s)
    rank, below = quantile * total, 0
    for position, (lower, upper) in enumerate(pairwise(bounds)):
        count = buckets.get(position, 0)
        if count and below + count >= rank:
            return (lower + (upper - lower) * (rank - below) / count) * NANOSECONDS
        below += count
    return bounds[-1] * NANOSECONDS


def _first_token_quantiles(record: Record, bounds_s: Sequence[float]) -> Sequence[float | None]:
    buckets = dict(record["TimeToFirstTokenBuckets"])
    if not buckets:
        return record["TimeToFirstTokenQuantiles"]
    return [from_buckets(buckets, _QUANTILE_OF[name], bounds_s) for name in _QUANTILES]


def _percentiles(what: str, values: Sequence[float | None]) -> dict[str, Decimal | None]:
    known = values or [None] * len(_QUANTILES)
    return {
        f"{what}_{name}_s": seconds_of(value) for name, value in zip(_QUANTILES, known, strict=True)
    }


def _cache_read_ratio(record: Record) -> float | None:
    given = sum(record[kind.column] for kind in TOKEN_KINDS if not kind.is_output)
    return _ratio(record["TokensCacheRead"], given)


def _ratio(part: float, whole: float) -> float | None:
    return round(part / whole, 6) if whole else None


def _each(amount: Decimal, count: int, by: int) -> Decimal | None:
    return (amount * by / count).quantize(NANO) if count else None
