"""What is captured: read `libraries.yaml` into records, and refuse what it must not say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.golden.scripts import SCRIPTS, Script

HERE = Path(__file__).parent
LIBRARIES_FILE = HERE / "libraries.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One run of an app, and what is known about its spans besides the bill."""

    name: str
    script: Script
    tools: int = 0  # Spans of tool executions.
    agents: int = 0  # Spans of agent runs.


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """An instrumentation, or a pair of them, in one app."""

    name: str
    environment: str  # requirements/ENVIRONMENT.txt, or .json for Node.
    app: str
    convention: str
    package: str  # Whose version the manifest tells.
    instruments: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    scenarios: tuple[Scenario, ...]
    ttft: bool = False  # It tells the time to first token of streams,
    without_ttft: tuple[str, ...] = ()  # except in these scenarios.
    faults: Mapping[str, str] = field(default_factory=dict)  # By scenario: what it gets wrong.
    note: str | None = None

    def tells_ttft(self, scenario: Scenario) -> bool:
        """Whether streamed calls of a scenario come with a time to first token."""
        return self.ttft and scenario.name not in self.without_ttft


def load() -> tuple[Library, ...]:
    """Return every library, in the order of the file."""
    entries = yaml.safe_load(LIBRARIES_FILE.read_text("utf-8"))
    return tuple(_library(name, entry) for name, entry in entries.items())


def _library(name: str, entry: dict[str, Any]) -> Library:
    # Entries share parts through YAML anchors, so none may be changed.
    rest = {key: value for key, value in entry.items() if key not in {"scenarios", "instruments"}}
    return Library(
        name=name,
        scenarios=tuple(_scenario(key, facts or {}) for key, facts in entry["scenarios"].items()),
        instruments=tuple(entry.get("instruments", ())),
        **rest,
    )


def _scenario(name: str, facts: dict[str, Any]) -> Scenario:
    rest = {key: value for key, value in facts.items() if key != "script"}
    return Scenario(name=name, script=SCRIPTS[facts.get("script", name)], **rest)
