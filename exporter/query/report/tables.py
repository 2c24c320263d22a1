"""The tables of a report, the same in every rendering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from exporter.query.report.digest import Digest
from exporter.query.report.words import budget, count, seconds, share, usd
from exporter.query.usage import Usage

_MESSAGE_MAX_CHARS = 120


@dataclass(frozen=True, slots=True)
class Table:
    """A table: the first column is text, the others are figures where `figures` says so."""

    title: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    figures: bool = True


def tables(digest: Digest) -> list[Table]:
    """Return those that have rows."""
    usage = ("Cost", "Requests", "Tokens", "Errors", "p95")
    found = [
        Table(
            "Models",
            ("Model", *usage),
            [(_named(m.provider, m.model), *_usage(m)) for m in digest.models],
        ),
        Table(
            "Services",
            ("Service", *usage),
            [(_group(s.model_extra), *_usage(s)) for s in digest.services],
        ),
        Table(
            "Features",
            ("Feature", *usage),
            [(_group(f.model_extra), *_usage(f)) for f in digest.features],
        ),
        Table(
            "Most expensive traces",
            ("Trace", "Cost", "Calls", "Tokens", "Duration", "Id"),
            [
                (
                    _named(t.service_name, t.name),
                    usd(t.cost_usd),
                    count(t.calls),
                    count(t.tokens_total),
                    seconds(t.duration_s),
                    t.trace_id,
                )
                for t in digest.traces
            ],
        ),
        Table(
            "Errors",
            ("What", "Model", "Count", "Latest trace"),
            [
                (
                    _named(e.outcome, e.error_type),
                    _named(e.provider, e.model),
                    count(e.count),
                    e.trace_ids[0] if e.trace_ids else "",
                )
                for e in digest.errors
            ],
        ),
        Table("Budgets", ("Budget",), [(budget(b),) for b in digest.budgets], figures=False),
    ]
    return [table for table in found if table.rows]


def _usage(of: Usage) -> tuple[str, ...]:
    return (
        usd(of.cost_usd),
        count(of.requests),
        count(of.tokens_total),
        share(of.error_ratio),
        seconds(of.duration_p95_s),
    )


def _group(dimensions: dict[str, object] | None) -> str:
    """Return the one dimension's value."""
    value = next(iter((dimensions or {}).values()), "")
    return str(value) or "(not set)"


def _named(*parts: str) -> str:
    text = " ".join(part for part in parts if part) or "(not set)"
    return text if len(text) <= _MESSAGE_MAX_CHARS else f"{text[: _MESSAGE_MAX_CHARS - 1]}…"
