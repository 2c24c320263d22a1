"""The command line of prices: `llm-observatory prices show | check | reprice | what-if`."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated

import pyarrow as pa
import typer
from clickhouse_connect.driver.client import Client
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from clickhouse.client import Address
from clickhouse.reads.calls import CallReader, Calls
from clickhouse.reprice import Repricer, changed
from exporter.commands.options import Config
from exporter.commands.price_totals import Total
from exporter.commands.rate_cards import show_card
from exporter.errors import (
    ConfigurationError,
    PermanentError,
    StoreUnavailableError,
)
from exporter.genai.model_names import readings
from exporter.genai.prices.book import PriceBook
from exporter.genai.prices.price_file import load_overrides
from exporter.genai.prices.pricer import CHARGE_KEYS, CostSource, Pricer
from exporter.genai.transforms import provider as provider_name
from exporter.reach import opened
from exporter.settings import Settings, load
from exporter.spans.batch import SpanBatch
from exporter.spans.schema import NANOSECONDS

# A change of prices may rewrite a day of spans in one statement.
_STATEMENT_TIMEOUT_S = 3600.0
_SPAN_OF_TIME = re.compile(r"^(\d{1,5})([hdw])$")
_HOURS = {"h": 1, "d": 24, "w": 168}

app = typer.Typer(
    help="Look at prices, find models without one, correct stored costs.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Since = Annotated[str, typer.Option(help="How far back: 12h, 30d, 4w, or a date (UTC).")]


@app.command()
def show(
    model: Annotated[str, typer.Argument(help="Name of the model, in any form.")],
    provider: Annotated[str | None, typer.Option(help="Provider, as spans name it.")] = None,
    at: Annotated[str | None, typer.Option(help="Date or time (UTC) of the price.")] = None,
    tier: Annotated[str, typer.Option(help="batch, flex, priority ...")] = "",
    config: Config = None,
) -> None:
    """Show what a model costs, and where that is written."""
    book = _book(load(config))
    when = _instant(at) if at else datetime.now(UTC)
    named = provider_name(provider) if provider else None
    listing = book.find(named, model, tier)
    card = listing.card_at(when) if listing else None
    if listing is None or card is None:
        tried = [f"{r.provider or 'its maker'}: {r.model}" for r in readings(named, model)]
        looked = "; ".join(tried) or "nothing but your price file"
        raise ConfigurationError(
            f"no list has {model}. Looked for {looked}.\nTo give it a price see docs/prices.md."
        )
    show_card(Console(highlight=False, soft_wrap=True), model, when, listing, card)


@app.command()
def check(
    since: Since = "30d",
    config: Config = None,
) -> None:
    """List the models of stored calls that have no price."""
    settings = load(config)
    book, now = _book(settings), datetime.now(UTC)
    with _store(settings) as (client, _):
        found = CallReader(client).unpriced_models(_ns(_back(since, now)), _ns(now))
    console = Console(highlight=False, soft_wrap=True)
    if not found:
        console.print("Every model of the calls since then has a price.")
        return
    table = Table("provider", "model", "why", "calls", "tokens", "first seen", "last seen", "now")
    for each in found:
        named = each.provider or None
        listing = book.find(named, each.model)
        is_listed = listing is not None and listing.card_at(_datetime(each.last_ns)) is not None
        priced_now = is_listed and each.reason == "unknown_model"
        table.add_row(
            each.provider,
            each.model,
            each.reason,
            f"{each.calls:,}",
            f"{each.tokens:,}",
            _minute(each.first_ns),
            _minute(each.last_ns),
            "has a price: reprice" if priced_now else "no price",
        )
    console.print(table)
    first = found[0]
    console.print("\nTo give one a price, add it to the file of LLM_OBSERVATORY_PRICES_FILE:\n")
    console.print(
        f"models:\n  - model: {first.model}\n"
        + (f"    provider: {first.provider}\n" if first.provider else "")
        + "    prices: {input: 0.00, output: 0.00}  # US dollars for a million tokens\n\n"
        f"then: llm-observatory prices reprice --since {since}",
        markup=False,
    )


@app.command()
def reprice(
    since: Since,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    config: Config = None,
) -> None:
    """Compute the cost of stored calls anew, with the prices of today's lists and files.

    Each call still has the price of its own time. It can be interrupted and repeated.
    """
    settings = load(config)
    price, now = Pricer(_book(settings), settings.cost_source), datetime.now(UTC)
    calls = Calls(start_ns=_ns(_back(since, now)), end_ns=_ns(now))
    total = Total()
    with _store(settings) as (client, address):
        reader = CallReader(client)
        windows = reader.windows(calls)
        repricer = None if dry_run else Repricer(client, address.database)
        try:
            with _progress() as progress:
                task = progress.add_task("calls", total=sum(w.calls for w in windows))
                for window, following in zip(windows, [*windows[1:], None], strict=True):
                    old = reader.calls(window, calls, CHARGE_KEYS)
                    new = price(old)
                    rows = changed(old, new)
                    total.add(old, new, int(rows.sum()))
                    if repricer is not None:
                        repricer.add(window.day, new, rows)
                        if following is None or following.day != window.day:
                            total.unsettled += repricer.finish(window.day)
                    progress.advance(task, window.calls)
        finally:
            if repricer is not None:
                repricer.close()
    total.report(Console(highlight=False, soft_wrap=True), done=not dry_run)


@app.command("what-if")
def what_if(  # noqa: PLR0913 - one for each option
    since: Since,
    *,
    from_: Annotated[str, typer.Option("--from", help="Model whose calls are looked at.")],
    to: Annotated[str, typer.Option("--to", help="Model that would have answered.")],
    provider: Annotated[str, typer.Option(help="Only calls of this provider.")] = "",
    to_provider: Annotated[str | None, typer.Option(help="Who would have been asked.")] = None,
    config: Config = None,
) -> None:
    """Say what the calls of one model would have cost with another."""
    settings = load(config)
    book, now = _book(settings), datetime.now(UTC)
    price = Pricer(book, CostSource.COMPUTED)
    calls = Calls(
        start_ns=_ns(_back(since, now)),
        end_ns=_ns(now),
        model=from_,
        provider=provider_name(provider) or "" if provider else "",
    )
    asked = provider_name(to_provider) if to_provider else None
    total = Total()
    with _store(settings) as (client, _):
        reader = CallReader(client)
        windows = reader.windows(calls)
        with _progress() as progress:
            task = progress.add_task("calls", total=sum(w.calls for w in windows))
            for window in windows:
                old = reader.calls(window, calls, CHARGE_KEYS)
                total.add(old, price(_as_if(old, to, asked, book)), 0)
                progress.advance(task, window.calls)
    total.compare(Console(highlight=False, soft_wrap=True), from_, to)


def _as_if(batch: SpanBatch, model: str, provider: str | None, book: PriceBook) -> SpanBatch:
    """Return the calls as if another model had answered them.

    The provider stays where it has that model; else it is whoever makes the model.
    """
    n = len(batch)
    column = batch["Provider"]
    names: list[str | None] = column.dictionary.to_pylist()
    kept = [provider or (name if book.find(name, model) else None) for name in names]
    providers = pa.array(kept, pa.string()).take(column.indices).dictionary_encode()
    if provider is not None:
        providers = pa.array([provider] * n, pa.string()).dictionary_encode()
    return batch.with_columns(
        {
            "Provider": providers,
            "RequestModel": pa.array([model] * n, pa.string()).dictionary_encode(),
            "ResponseModel": pa.nulls(n, pa.string()).dictionary_encode(),
        }
    )


# What the commands stand on -----------------------------------------------------------------------


def _book(settings: Settings) -> PriceBook:
    return PriceBook(load_overrides(settings.prices_file) if settings.prices_file else ())


@contextmanager
def _store(settings: Settings) -> Generator[tuple[Client, Address]]:
    """Open the store; what goes wrong there is one clear line."""
    with opened(settings, _STATEMENT_TIMEOUT_S) as (client, address):
        try:
            yield client, address
        except (PermanentError, StoreUnavailableError) as error:
            raise ConfigurationError(f"{address!r}: {error}") from error


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def _back(since: str, now: datetime) -> datetime:
    if match := _SPAN_OF_TIME.match(since):
        return now - timedelta(hours=int(match[1]) * _HOURS[match[2]])
    return _instant(since)


def _instant(text: str) -> datetime:
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(f"{text}: write 12h, 30d, 4w or a date like 2026-07-01") from error
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def _ns(instant: datetime) -> int:
    return int(instant.timestamp()) * NANOSECONDS


def _datetime(ns: int) -> datetime:
    return datetime.fromtimestamp(ns // NANOSECONDS, UTC)


def _minute(ns: int) -> str:
    return f"{_datetime(ns):%Y-%m-%d %H:%M}"
