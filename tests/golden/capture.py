"""Run real instrumentations against stand-in providers, and commit what they send.

Usage: python -m tests.golden.capture [--only NAME ...] [--list] [--venvs DIR]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.golden import environments, otlp_json
from tests.golden.expected import expectation
from tests.golden.libraries import HERE, Library, Scenario, load
from tests.golden.normalise import leaks, normalise, spans
from tests.golden.receiver import Receiver
from tests.golden.stand_in.server import StandIn

CAPTURES = HERE / "captures"
MANIFEST = HERE / "manifest.json"
APP_TIMEOUT_S = 120
SIZE_MAX = 60_000


class CaptureError(Exception):
    """A scenario that did not run as its script says."""


def main(argv: Sequence[str] | None = None) -> int:
    """Capture what the command line asks for; return the number of scenarios that failed."""
    options = _options(argv)
    wanted = [library for library in load() if _is_wanted(library, options.only)]
    if options.list:
        for library in wanted:
            print(library.name, *(scenario.name for scenario in library.scenarios))
        return 0
    failed = 0
    for library in wanted:
        failed += _capture_library(library, options)
    _write_manifest()
    return min(failed, 1)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Refresh the golden files.")
    parser.add_argument("--only", nargs="*", default=[], help="libraries, or LIBRARY/SCENARIO")
    parser.add_argument("--list", action="store_true", help="say what there is, and stop")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    parser.add_argument("--venvs", type=Path, default=cache / "llm-observatory-golden")
    return parser.parse_args(argv)


def _is_wanted(library: Library, only: Sequence[str]) -> bool:
    return not only or any(name.partition("/")[0] == library.name for name in only)


def _capture_library(library: Library, options: argparse.Namespace) -> int:
    command = environments.command(library, options.venvs)
    failed = 0
    for scenario in library.scenarios:
        name = f"{library.name}/{scenario.name}"
        if options.only and not {library.name, name} & set(options.only):
            continue
        try:
            print(f"{name}: {_capture(library, scenario, command)}", flush=True)
        except CaptureError as error:
            failed += 1
            print(f"{name}: FAILED {error}", file=sys.stderr)
    return failed


def _capture(library: Library, scenario: Scenario, command: list[str]) -> str:
    with StandIn(scenario.script.turns) as providers, Receiver() as collector:
        output = _run(library, scenario, command, providers, collector)
        ports = {providers.port, collector.port}
    if not providers.script.finished:
        raise CaptureError(f"the app stopped early\n{output}")
    if not collector.requests:
        raise CaptureError(f"nothing was exported ({collector.paths})\n{output}")
    name = f"{library.name}/{scenario.name}"
    tree = normalise(otlp_json.to_tree(collector.merged()), name=name, ports=ports)
    text = otlp_json.dumps(tree)
    if found := leaks(text):
        raise CaptureError(f"the capture tells of this machine: {found}")
    if len(text.encode()) > SIZE_MAX:
        raise CaptureError(f"the capture has {len(text.encode())} bytes")
    expected = expectation(library, scenario, providers.script.bill, text)
    target = CAPTURES / library.name / scenario.name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.with_suffix(".otlp.json").write_text(text, "utf-8")
    target.with_suffix(".expected.json").write_text(_pretty(expected), "utf-8")
    unknown = f", not answered: {providers.unknown}" if providers.unknown else ""
    return f"{sum(1 for _ in spans(tree))} spans, {len(text.encode())} bytes{unknown}"


def _run(
    library: Library,
    scenario: Scenario,
    command: list[str],
    providers: StandIn,
    collector: Receiver,
) -> str:
    with tempfile.TemporaryDirectory() as home:
        variables = _variables(library, scenario, providers.url, collector.url, home)
        try:
            done = subprocess.run(
                command,
                env=variables,
                cwd=home,
                capture_output=True,
                text=True,
                timeout=APP_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise CaptureError(f"no end after {error.timeout} s\n{error.stderr}") from error
    output = (done.stdout + done.stderr)[-3_000:]
    if done.returncode:
        raise CaptureError(f"exit code {done.returncode}\n{output}")
    return output


def _variables(
    library: Library, scenario: Scenario, providers: str, collector: str, home: str
) -> dict[str, str]:
    """Return the app's whole environment: nothing of the developer's own gets in."""
    names = {"providers": providers, "collector": collector}
    return {
        "PATH": os.environ["PATH"],
        "HOME": home,
        "GOLDEN_SCENARIO": scenario.name,
        "GOLDEN_PROMPT": scenario.script.prompt,
        "GOLDEN_STAND_IN": providers,
        "GOLDEN_COLLECTOR": collector,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_SERVICE_NAME": f"golden-{library.name}",
        "OPENAI_API_KEY": "golden",
        "OPENAI_BASE_URL": f"{providers}/v1",
        "ANTHROPIC_API_KEY": "golden",
        "ANTHROPIC_BASE_URL": providers,
        "ANTHROPIC_OPEN_TELEMETRY": "false",  # The SDK's own spans, on by default.
        "NO_PROXY": "*",
        **{name: text.format_map(names) for name, text in library.variables.items()},
    }


def _write_manifest() -> None:
    manifest = {library.name: _entry(library) for library in load()}
    MANIFEST.write_text(_pretty({k: v for k, v in manifest.items() if v["scenarios"]}), "utf-8")


def _entry(library: Library) -> dict[str, Any]:
    files = sorted((CAPTURES / library.name).glob("*.otlp.json"))
    requests = [json.loads(path.read_text("utf-8")) for path in files]
    scopes = {
        f"{scope.get('scope', {}).get('name', '')} {scope.get('scope', {}).get('version', '')}"
        for request in requests
        for resource in request["resourceSpans"]
        for scope in resource["scopeSpans"]
    }
    entry = {
        "package": library.package,
        "version": environments.version(library),
        "environment": library.environment,
        "app": library.app,
        "instruments": list(library.instruments),
        "convention": library.convention,
        "scopes": sorted(scope.strip() for scope in scopes),
        "scenarios": [path.name.removesuffix(".otlp.json") for path in files],
    }
    return entry | ({"note": library.note} if library.note else {})


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
