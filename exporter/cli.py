"""The command line: `llm-observatory serve`, and what the commands/ folder has."""

from __future__ import annotations

import asyncio
import logging
import sys
from dataclasses import asdict
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from exporter import __version__
from exporter.commands.options import Config
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


# Each is loaded when it is called: most of them load what reads the store, which takes a second.
_COMMANDS = {
    "demo": ("exporter.demo.cli", "demo_command"),
    "explain": ("exporter.commands.explain", "explain"),
    "dashboards": ("dashboards_py.push.cli", "app"),
    "flamegraph": ("exporter.commands.flamegraph", "flamegraph"),
    "alerts": ("exporter.commands.alerts", "app"),
    "report": ("exporter.commands.report", "report"),
    "prices": ("exporter.commands.prices", "app"),
    "tokenizers": ("exporter.commands.tokenizers", "tokenizers"),
}


class _Commands(TyperGroup):
    """The commands of this module, and those that are loaded when they are called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return all names, loaded or not."""
        return list(dict.fromkeys((*super().list_commands(ctx), *_COMMANDS)))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command, None: there is none of that name."""
        if cmd_name in _COMMANDS and cmd_name not in self.commands:
            self.add_command(_loaded(cmd_name), cmd_name)
        return super().get_command(ctx, cmd_name)


def _loaded(name: str) -> Any:
    module, attribute = _COMMANDS[name]
    found = getattr(import_module(module), attribute)
    # A group of its own, so that it looks as everything here does.
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    if isinstance(found, typer.Typer):
        alone.add_typer(found, name=name)
    else:
        alone.command(name)(found)
    alone.callback()(about)
    return get_group(alone).commands[name]


app = typer.Typer(cls=_Commands, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def about() -> None:
    """Observability of LLM applications: OTLP traces in, Prometheus and ClickHouse out."""


@app.command(epilog=settings_help())
def serve(
    config: Config = None,
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
