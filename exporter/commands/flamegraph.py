"""The command `llm-observatory flamegraph`: a flame graph as a file."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

import typer

from clickhouse.reads.session import ReadPool
from exporter.answering import profile_questions
from exporter.cancellation import Cancellation
from exporter.commands.files import write
from exporter.commands.options import ApiUrl, Config
from exporter.errors import ConfigurationError, WrongQueryError
from exporter.query.flame.fold import fold
from exporter.query.flame_export import ENDINGS, Form, Wanted, export, form_of, profile_query
from exporter.query.times import time_range
from exporter.reach import asked, fetched
from exporter.settings import Settings, load

_PATH = "/api/flamegraph"


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A flame graph in a form, in people's words."""

    wanted: Wanted
    form: Form
    max_nodes: int


def flamegraph(  # noqa: PLR0913 - options of a command line
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; else standard output.")
    ] = None,
    kind: Annotated[
        str,
        typer.Option("--type", help="cost, tokens, tokens_output, calls, errors, wall, work ..."),
    ] = "cost",
    since: Annotated[str, typer.Option(help="How long ago it starts: 1h, 7d.")] = "1h",
    start: Annotated[
        str | None, typer.Option("--from", help="When it starts, instead of --since.")
    ] = None,
    end: Annotated[str, typer.Option("--to", help="When it ends.")] = "now",
    query: Annotated[str, typer.Option(help='Labels: {model="gpt-4o"}, as in Prometheus.')] = "",
    by: Annotated[str, typer.Option(help="Labels for the levels: feature,model,token_type.")] = "",
    trace_id: Annotated[str, typer.Option(help="Only this trace, whenever it ran.")] = "",
    span_id: Annotated[str, typer.Option(help="Only what is at or below this span.")] = "",
    max_nodes: Annotated[
        int, typer.Option(min=2, max=100_000, help="Most frames; the rest becomes `other`.")
    ] = 16_384,
    form: Annotated[
        Form | None, typer.Option("--format", help="Form [from the file's name, else folded].")
    ] = None,
    api_url: ApiUrl = None,
    config: Config = None,
) -> None:
    """Write a flame graph of cost, tokens, calls, errors or time to a file."""
    chosen = form or _form(output)
    settings = load(config)
    try:
        within = time_range(start or f"now-{since}", end, time.time_ns())
        wanted = Wanted(
            kind=kind, within=within, query=query, by=by, trace_id=trace_id, span_id=span_id
        )
        profile_query(wanted)
    except WrongQueryError as error:
        raise ConfigurationError(str(error)) from error
    file = _File(wanted=wanted, form=chosen, max_nodes=max_nodes)
    body = asked(
        settings, api_url, lambda url: _asked(url, file), lambda pool: _read(pool, file, settings)
    )
    write(body, output)


def _form(output: Path | None) -> Form:
    if output is None:
        return Form.FOLDED
    form = form_of(output.name)
    if form is None:
        raise ConfigurationError(f"{output}: name the file *{', *'.join(ENDINGS)}, or say --format")
    return form


def _asked(url: str, file: _File) -> bytes:
    wanted = file.wanted
    parameters = {
        "type": wanted.kind,
        "from": wanted.within.start_ns,
        "to": wanted.within.end_ns,
        "query": wanted.query,
        "by": wanted.by,
        "trace_id": wanted.trace_id,
        "span_id": wanted.span_id,
        "max_nodes": file.max_nodes,
        "format": file.form.value,
    }
    return fetched(url, f"{_PATH}?{urlencode(parameters)}")


def _read(pool: ReadPool, file: _File, settings: Settings) -> bytes:
    query = profile_query(file.wanted)
    tree = profile_questions(settings, pool).flame_graph(query, Cancellation())
    return export(fold(tree, file.max_nodes), query, file.form).body
