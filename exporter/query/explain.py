"""Explain the numbers of a trace: take its stored spans through the very same stages again.

Nothing is told from memory: where a value came from is found by trying each source alone, with the
code that tries all of them, and every sum is computed from the rate card. So where the price list
or the rules have changed since, what comes out differs from what is stored, and that is said.

Estimates are not made again: their texts are deleted sooner, so the stored counts are taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from exporter.genai.attribution.memory import TraceMemory
from exporter.genai.convention import Conventions
from exporter.genai.detect import Detector
from exporter.genai.fields import CONTENT_FIELDS
from exporter.genai.normalise import Normaliser
from exporter.genai.prices.book import PriceBook
from exporter.genai.prices.cards import Cards
from exporter.genai.prices.pricer import CostSource, Pricer
from exporter.genai.tokens import Reading as TokenReading
from exporter.genai.tokens import Rule, readings
from exporter.query.costs import cost_of
from exporter.query.evidence import evidence
from exporter.query.explanation import (
    Difference,
    Evidence,
    Reading,
    SpanExplanation,
    TraceExplanation,
)
from exporter.query.stored import as_rows, rebuild
from exporter.query.stored_spans import CONTENT_ATTRIBUTES
from exporter.spans.batch import SpanBatch
from exporter.spans.decode import Decoder
from exporter.spans.rejection import SpanLimits
from exporter.spans.rows import rows as rows_of
from exporter.spans.schema import COST_COLUMNS, SPAN_COLUMNS, SPANS_TABLE, TOKEN_KINDS

# What was accepted once is accepted again, whatever its age.
_ANY_TIME = 2**61
_LIMITS = SpanLimits(
    end_before_start_max_ns=_ANY_TIME, age_max_ns=_ANY_TIME, future_max_ns=_ANY_TIME
)
_NOTHING = Decimal(0)

_COMPARED = (
    *("Convention", "SpanClass", "Operation", "Provider", "RequestModel", "ResponseModel", "Model"),
    *("ServiceTier", "CacheHit", "Status", "UsageRole", "UsageSource"),
    *(kind.column for kind in TOKEN_KINDS),
    *("CostUsd", *COST_COLUMNS.values(), "ReportedCostUsd", "ComputedCostUsd"),
    *("CostSource", "UnpricedReason"),
    *("PriceId", "PriceVersion"),
)
_ESTIMATED = ("UsageSource", *(kind.column for kind in TOKEN_KINDS))
_TYPES = {column.name: column.arrow for column in SPAN_COLUMNS}

_BECAUSE = {
    Rule.EXCEEDS: "there are more {parts} than {total} tokens, and a part cannot exceed its whole",
    Rule.SCOPE: "that is known of this attribute or of scope {scope}",
    Rule.TOTAL: "only so do the counts add up to the reported total of {sum}",
    Rule.CONVENTION: "that is the rule of convention {convention}",
}

# Only the trace itself is taken through the stages again.
_ELSEWHERE = (
    "when it was counted, another span was known to tell this call: one of another trace, or the "
    "same span, sent before; this trace alone does not show it"
)
_LOST = "this may have been read from the content, which is deleted sooner"

Row = Mapping[str, Any]


class Explainer:
    """Explains stored traces with the conventions and prices of today."""

    def __init__(
        self,
        conventions: Conventions,
        book: PriceBook,
        cost_source: CostSource | str = CostSource.CHARGED_FIRST,
    ) -> None:
        self._conventions = conventions
        self._book = book
        self._cost_source = CostSource(cost_source)
        self._detect = Detector(conventions)
        self._normalise = Normaliser(conventions)
        self._decoder = Decoder(_LIMITS)
        from_content = [
            found
            for name, sources in conventions.sources.items()
            if name not in CONTENT_FIELDS
            for found in sources
            if found.source.key and self._normalise.is_content(found.source.key)
        ]
        self.content_keys = sorted({str(found.source.key) for found in from_content})
        """The content attributes whose values say something besides the content."""
        self._from_content = {conventions.all[found.bit].name for found in from_content}

    def __call__(self, table: pa.RecordBatch | pa.Table) -> TraceExplanation:
        """Return the explanation of a trace's rows, at least one, in their order."""
        rows = as_rows(table)
        rebuilt = rebuild(table)
        stored = [rows[position] for position in rebuilt.rows]
        decoded, _ = self._decoder.decode([rebuilt.request], rows[0]["Timestamp"])
        assert len(decoded) == len(stored), "a stored span was refused"  # noqa: S101 - our mistake
        stages = self._stages(decoded, stored)
        spans = [self._span(stages, position) for position in range(len(stored))]
        # From the order of the request back to that of the rows.
        spans = [spans[position] for position in np.argsort(rebuilt.rows)]
        counted = [span for span in spans if span.is_counted]
        return TraceExplanation(
            trace_id=rows[0]["TraceId"],
            counted_calls=len(counted),
            counted_usd=sum((s.cost.usd or _NOTHING for s in counted if s.cost), _NOTHING),
            stored_usd=sum(
                (r["CostUsd"] or _NOTHING for r in rows if r["UsageRole"] == "own"), _NOTHING
            ),
            spans=spans,
        )

    def _stages(self, decoded: SpanBatch, stored: Sequence[Row]) -> _Stages:
        batch = self._normalise(decoded)
        memory = TraceMemory(max_spans=2 * len(batch) + 2, max_age_s=1.0)
        memory.remember(batch, 0.0)
        batch = memory.attribute(batch)
        priced = Pricer(self._book, self._cost_source)(_with_estimates(batch, stored))
        roles = [None if r is None else str(r) for r in map(memory.reason, decoded.keys.tolist())]
        return _Stages(
            stored=stored,
            priced=priced,
            today=as_rows(rows_of(priced).tables[SPANS_TABLE]),
            roles=roles,
            readings=readings(self._normalise.usage(decoded)),
            evidence=evidence(decoded, self._detect(decoded), self._conventions),
            cards=Cards(self._book),
        )

    def _span(self, stages: _Stages, n: int) -> SpanExplanation:
        row, found = stages.today[n], stages.evidence[n]
        has_role = bool(row["UsageRole"])
        twice = row["UsageRole"] == "duplicate" and stages.comes_again(n)
        role, because = row["UsageRole"] or None, stages.roles[n]
        if twice:
            because = "the same span came before"
        elif role == "own" and stages.stored[n]["UsageRole"] == "duplicate":
            role, because = "duplicate", _ELSEWHERE
        return SpanExplanation(
            span_id=row["SpanId"],
            parent_span_id=row["ParentSpanId"],
            name=row["SpanName"],
            kind=row["SpanKind"],
            service=row["ServiceName"] or None,
            scope=row["ScopeName"],
            start_unix_nano=row["Timestamp"],
            duration_ns=row["Duration"],
            status=row["Status"] or None,
            convention=row["Convention"] or None,
            span_class=row["SpanClass"] or None,
            operation=row["Operation"] or None,
            provider=row["Provider"] or None,
            request_model=row["RequestModel"] or None,
            response_model=row["ResponseModel"] or None,
            model=row["Model"] or None,
            evidence=found,
            usage_source=row["UsageSource"] or None,
            reported_usage=dict(row["ReportedUsage"]),
            readings=list(_readings(stages.readings[n], row, found)),
            tokens={k.name: row[k.column] for k in TOKEN_KINDS if row[k.column] is not None},
            usage_role=role,
            usage_because=because,
            cost=cost_of(row, stages.cards, self._cost_source) if has_role else None,
            differences=list(self._differences(stages.stored[n], {**row, "UsageRole": role or ""})),
        )

    def _differences(self, stored: Row, today: Row) -> Iterator[Difference]:
        # What had content and has none any more cannot be read in full.
        lost = not stored.get(CONTENT_ATTRIBUTES) and stored["Convention"] in self._from_content
        for column in _COMPARED:
            before, now = _shown(stored[column]), _shown(today[column])
            if before != now:
                note = _LOST if lost and before is not None else None
                yield Difference(column=column, stored=before, today=now, note=note)


@dataclass(frozen=True, slots=True)
class _Stages:
    """What the stages say of n spans, in the order of the request."""

    stored: Sequence[Row]
    priced: SpanBatch
    today: list[dict[str, Any]]
    """The rows that would be written today."""
    roles: list[str | None]
    readings: list[TokenReading]
    evidence: list[list[Evidence]]
    cards: Cards

    def comes_again(self, n: int) -> bool:
        """Return whether the same span stands before."""
        keys = self.priced.keys
        return bool((keys[:n] == keys[n]).any())


def _readings(reading: TokenReading, row: Row, evidence: Sequence[Evidence]) -> Iterator[Reading]:
    sides = (
        ("input", "cached tokens", reading.input_includes_cache, reading.input_rule),
        ("output", "reasoning", reading.output_includes_reasoning, reading.output_rule),
    )
    for total, parts, included, rule in sides:
        if rule is None:
            continue
        used = (e.convention for e in evidence if e.used and e.field == f"{total}_tokens")
        because = _BECAUSE[rule].format(
            total=total,
            parts=parts,
            scope=row["ScopeName"] or "(none)",
            sum=dict(row["ReportedUsage"]).get("total_tokens"),
            convention=next(used, row["Convention"]),
        )
        if rule is Rule.CONVENTION and _adds_up(row):
            because += ", and the reported total agrees"
        yield Reading(total=total, parts=parts, included=included, rule=rule.value, because=because)


def _adds_up(row: Row) -> bool:
    total = dict(row["ReportedUsage"]).get("total_tokens")
    return total is not None and total == sum(row[k.column] or 0 for k in TOKEN_KINDS)


# What is stored -----------------------------------------------------------------------------------


def _with_estimates(batch: SpanBatch, stored: Sequence[Row]) -> SpanBatch:
    """Return the batch with the stored counts where they were estimated and are missing today."""
    sources = batch["UsageSource"].to_pylist()
    taken = [
        row["UsageSource"] == "estimated" and source == "missing"
        for row, source in zip(stored, sources, strict=True)
    ]
    if not any(taken):
        return batch
    columns: dict[str, pa.Array] = {}
    for name in _ESTIMATED:
        own = batch[name].to_pylist()
        values = [row[name] if t else v for t, row, v in zip(taken, stored, own, strict=True)]
        array = pa.array(values, _TYPES[name])
        columns[name] = array.dictionary_encode() if pa.types.is_string(array.type) else array
    return batch.with_columns(columns)


def _shown(value: Any) -> str | None:
    if value is None or value == "":
        return None
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
