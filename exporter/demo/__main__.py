"""Run the demo with `python -m exporter.demo`."""

import typer

from exporter.demo.cli import demo_command

typer.run(demo_command)
