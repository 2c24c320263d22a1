"""The command `llm-observatory report`: a digest of a day or a week."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

import typer

from clickhouse.reads.session import ReadPool
from exporter.answering import report_questions
from exporter.api.report import ReportForm, written
from exporter.cancellation import Cancellation
from exporter.commands.files import write
from exporter.commands.options import ApiUrl, Config
from exporter.errors import ConfigurationError, UndeliveredError
from exporter.notices.reports import webhook
from exporter.query.report.digest import Period
from exporter.reach import asked, fetched
from exporter.settings import Settings, load

_ENDINGS = {".md": ReportForm.MARKDOWN, ".html": ReportForm.HTML, ".json": ReportForm.JSON}


@dataclass(frozen=True, slots=True)
class _Asked:
    """Which report: of the period that holds a day, None: of the last whole one."""

    period: Period
    day: date | None


def report(  # noqa: PLR0913 - options of a command line
    *,
    period: Annotated[Period, typer.Option(help="A whole day or week, UTC.")] = Period.DAY,
    on: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="A day of it; else the last that is over."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write: *.md, *.html or *.json.")
    ] = None,
    form: Annotated[
        ReportForm | None,
        typer.Option("--format", help="Form [from the file's name, else markdown]."),
    ] = None,
    send: Annotated[
        bool, typer.Option("--send", help="Post it to the Slack webhook of the settings.")
    ] = False,
    api_url: ApiUrl = None,
    config: Config = None,
) -> None:
    """Say what a day or a week of LLM calls did and cost, and what is unusual."""
    settings = load(config)
    asked_for = _Asked(period, on.date() if on else None)
    if send:
        target = webhook(settings)
        try:
            target.post(json.loads(_content(settings, api_url, asked_for, ReportForm.SLACK)))
        except UndeliveredError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from error
        typer.echo("sent")
        return
    write(_content(settings, api_url, asked_for, form or _form(output)), output)


def _form(output: Path | None) -> ReportForm:
    if output is None:
        return ReportForm.MARKDOWN
    if output.suffix not in _ENDINGS:
        raise ConfigurationError(
            f"{output}: name the file *{', *'.join(_ENDINGS)}, or say --format"
        )
    return _ENDINGS[output.suffix]


def _content(settings: Settings, api_url: str | None, about: _Asked, form: ReportForm) -> bytes:
    def read(pool: ReadPool) -> bytes:
        questions = report_questions(settings, pool)
        return written(questions.digest(about.period, about.day, Cancellation()), form)[0]

    return asked(settings, api_url, lambda url: _asked(url, about, form), read)


def _asked(url: str, about: _Asked, form: ReportForm) -> bytes:
    day = {"on": about.day.isoformat()} if about.day else {}
    query = urlencode({"period": about.period.value, "format": form.value} | day)
    return fetched(url, f"/api/report?{query}")
