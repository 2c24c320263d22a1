"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path | None, typer.Option(help="YAML file with settings.")]
ApiUrl = Annotated[str | None, typer.Option(help="Where the service answers [from the settings].")]
