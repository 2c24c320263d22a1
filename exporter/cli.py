"""The command line: `llm-observatory serve`, and what the commands/ folder has."""

from __future__ import annotations

import asyncio
import logging
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from dashboards_py.push.cli import app as dashboards
from exporter import __version__
from exporter.commands.alerts import app as alerts
from exporter.commands.explain import explain
from exporter.commands.flamegraph import flamegraph
from exporter.commands.prices import app as prices
from exporter.commands.report import report
from exporter.commands.tokenizers import tokenizers
from exporter.demo.cli import demo_command
from exporter.endpoints import Endpoints
from exporter.errors import ConfigurationError
from exporter.settings import CONFIG_VARIABLE, PREFIX, Settings, load


def settings_help() -> str:
    """Return every setting with its default and meaning, a line or two each."""
    intro = (
        f"Settings come from the environment ({PREFIX}*) and from a YAML file "
        f"({CONFIG_VARIABLE} or --config) with the same names in lower case, without the prefix. "
        "The environment wins."
    )
    lines = [intro, ""]
    for name, field in Settings.model_fields.items():
        default = field.get_default()
        shown = ",".join(default) if isinstance(default, tuple) else default
        suffix = "" if shown in (None, "") else f" [{shown}]"
        lines += ["\b", f"{PREFIX}{name.upper()}", f"    {field.description}{suffix}", ""]
    return "\n".join(lines)


app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def about() -> None:
    """Observability of LLM applications: OTLP traces in, Prometheus and ClickHouse out."""


@app.command(epilog=settings_help())
def serve(
    config: Annotated[Path | None, typer.Option(help="YAML file with settings.")] = None,
) -> None:
    """Run the service until it is told to stop."""
    from exporter.app import run  # noqa: PLC0415 - help must not load the engine
    from exporter.logs import configure  # noqa: PLC0415

    settings = load(config)
    configure(settings)

    def announce(endpoints: Endpoints) -> None:
        if settings.log_format == "text":
            typer.echo(_welcome(endpoints))
        else:
            logging.getLogger(__name__).info(
                "listening",
                extra=asdict(endpoints),
            )

    if not asyncio.run(run(settings, announce)):
        raise typer.Exit(1)


app.command("demo")(demo_command)
app.command("explain")(explain)
app.add_typer(dashboards, name="dashboards")
app.command("flamegraph")(flamegraph)
app.add_typer(alerts, name="alerts")
app.command("report")(report)
app.add_typer(prices, name="prices")
app.add_typer(tokenizers, name="tokenizers")


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """Run the command line; a wrong setting is one clear line, not a traceback."""
    try:
        app()
    except ConfigurationError as error:
        typer.echo(str(error), err=True)
        sys.exit(2)


def _welcome(endpoints: Endpoints) -> str:
    return f"""
LLM Observatory {__version__}

  OTLP/gRPC    {endpoints.otlp_grpc}
  OTLP/HTTP    {endpoints.otlp_http}
  Prometheus   {endpoints.metrics}
  API, health  {endpoints.api}/docs

Point an application that sends OpenTelemetry traces here:

  export OTEL_EXPORTER_OTLP_ENDPOINT={endpoints.otlp_http}
  export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
  (or {endpoints.otlp_grpc} with OTEL_EXPORTER_OTLP_PROTOCOL=grpc)

What to try next:

  make demo                          a small LLM application that sends traffic
  curl -s {endpoints.metrics} | grep ^llm_
  .venv/bin/llm-observatory flamegraph --type cost --since 1h -o cost.svg

In Grafana, data sources of these types, with these URLs:

  Tempo        {endpoints.api}/tempo
  Pyroscope    {endpoints.api}/pyroscope
"""
