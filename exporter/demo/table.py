"""Draw what the observatory counted as a table for people."""

from collections.abc import Mapping

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from exporter.demo.scrape import Key, Tally, quantile, total
from exporter.demo.stand_in import Ledger

_P95 = 0.95
_NEXT = (
    "Next: send your own application's spans to the same address (OTEL_EXPORTER_OTLP_ENDPOINT), "
    "and look at {metrics_url} for what Prometheus sees."
)
_NUMBERS = ("requests", "errors", "tokens in", "tokens out", "cost USD", "p95 s")


def draw(rows: Mapping[Key, Tally], metrics_url: str, footer: str = "") -> Group:
    """Return the table with its footer. Rows are sorted by service, provider and model."""
    table = Table(title="LLM Observatory: what arrived", show_footer=True, box=SIMPLE_HEAD)
    everything = _cells(total(rows.values()))
    table.add_column("service", "all", no_wrap=True)
    table.add_column("provider", no_wrap=True)
    table.add_column("model", no_wrap=True)
    for name, cell in zip(_NUMBERS, everything, strict=True):
        table.add_column(name, cell, justify="right", no_wrap=True)
    for key, row in sorted(rows.items()):
        table.add_row(key.service, key.provider, key.model, *_cells(row))
    lines = [footer] if footer else []
    lines.append(_NEXT.format(metrics_url=metrics_url))
    return Group(table, *(Text(line) for line in lines))


def compare(ledger: Ledger, rows: Mapping[Key, Tally], unbilled: frozenset[str]) -> str:
    """Hold the table against what the stand-in billed. `unbilled` services did not call it."""
    seen = _billed(rows, unbilled)
    calls = ledger.calls.total() + ledger.refused.total()
    tokens = ledger.input_tokens.total() + ledger.output_tokens.total()
    return (
        f"The stand-in providers took {calls:,} calls and billed {tokens:,} tokens; "
        f"the metrics say {seen.requests:,.0f} and {seen.input_tokens + seen.output_tokens:,.0f}."
    )


def is_complete(ledger: Ledger, rows: Mapping[Key, Tally], unbilled: frozenset[str]) -> bool:
    """Say whether at least as many calls are counted as the stand-in took."""
    calls = ledger.calls.total() + ledger.refused.total()
    return _billed(rows, unbilled).requests >= calls


def _billed(rows: Mapping[Key, Tally], unbilled: frozenset[str]) -> Tally:
    return total(row for key, row in rows.items() if key.service not in unbilled)


def _cells(row: Tally) -> tuple[str, ...]:
    p95 = quantile(row.durations, _P95)
    return (
        f"{row.requests:,.0f}",
        f"[bold red]{row.errors:,.0f}[/]" if row.errors else "0",
        f"{row.input_tokens:,.0f}",
        f"{row.output_tokens:,.0f}",
        f"{row.cost_usd:,.4f}",
        "-" if p95 is None else f"{p95:.2f}",
    )
