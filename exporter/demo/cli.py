"""The `demo` command. Importing this module needs none of the packages that the demo uses."""

import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

DURATION_S = 60.0

_NEEDS = (
    "anthropic",
    "openai",
    "openinference.instrumentation.anthropic",
    "openinference.instrumentation.openai",
    "opentelemetry.exporter.otlp.proto.grpc",
    "opentelemetry.exporter.otlp.proto.http",
    "opentelemetry.instrumentation.anthropic",
    "opentelemetry.instrumentation.genai.openai",
    "rich",
)


def demo_command(  # noqa: PLR0913, PLR0917 - one parameter for each option
    otlp_grpc_url: Annotated[
        str, typer.Option(help="Where the service takes OTLP over gRPC.")
    ] = "http://127.0.0.1:4317",
    otlp_http_url: Annotated[
        str, typer.Option(help="Where the service takes OTLP over HTTP, without a path.")
    ] = "http://127.0.0.1:4318",
    metrics_url: Annotated[
        str, typer.Option(help="The service's metrics page.")
    ] = "http://127.0.0.1:9464/metrics",
    duration_s: Annotated[
        float, typer.Option(min=1, help="How long the shop is open, unless --rounds is given.")
    ] = DURATION_S,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="How many visits each service gets.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same visits.")] = 0,
    picture: Annotated[
        Path | None, typer.Option(help="Where to keep the last table as an SVG.")
    ] = None,
) -> None:
    """Send the traffic of a small made-up shop to a running service, and show what it counts."""
    if missing := sorted(missing_modules(_NEEDS)):
        typer.echo(f"Install llm-observatory[demo] for the demo; missing: {', '.join(missing)}.")
        raise typer.Exit(1)
    # Only now: everything behind it needs the packages that were just looked for.
    from exporter.demo.run import Target, run_demo  # noqa: PLC0415

    target = Target(
        otlp_grpc_url=otlp_grpc_url, otlp_http_url=otlp_http_url, metrics_url=metrics_url
    )
    code = run_demo(
        target,
        duration_s=None if rounds else duration_s,
        rounds=rounds,
        seed=seed,
        picture=picture,
    )
    raise typer.Exit(code)


def missing_modules(names: Iterable[str]) -> set[str]:
    """Return the modules that are not installed."""
    return {name for name in names if not _installed(name)}


def _installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # A parent package is missing.
        return False
