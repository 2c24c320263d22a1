"""Where a command's answer goes: to a file, or to standard output."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from exporter.errors import ConfigurationError


def write(content: bytes, output: Path | None) -> None:
    """Write it; raise ConfigurationError when the file cannot be written."""
    if output is None:
        sys.stdout.buffer.write(content)
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise ConfigurationError(f"{output}: {error.strerror}") from error
    typer.echo(f"{output}: {len(content):,} bytes", err=True)
