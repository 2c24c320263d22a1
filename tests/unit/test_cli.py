"""The command line: what it prints, and how it ends."""

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter import __version__
from exporter.settings import PREFIX
from tests.support.clickhouse_http import clickhouse_http_server
from tests.support.prometheus import wait_until
from tests.support.service import (
    Service,
    environment,
    http,
    running_service,
    start_service,
    store_url,
)

PROJECT = Path(__file__).parents[2]


def command(*words: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "exporter", *words],
        check=False,
        cwd=PROJECT,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture(scope="module")
def serve_help() -> str:
    done = command("serve", "--help")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_version_is_the_packages():
    done = command("version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{__version__}\n", "")


def test_without_a_command_there_is_help():
    done = command()
    assert done.returncode in {0, 2}
    for name in ("serve", "demo", "version"):
        assert re.search(rf"\b{name}\b", done.stdout + done.stderr)


def test_help_does_not_load_the_engine():
    code = (
        "import sys; from exporter.cli import main; sys.argv = ['x', 'serve', '--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print('LOADED' if 'chdb' in sys.modules else 'not loaded')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        cwd=PROJECT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.endswith("not loaded\n")


def test_help_says_where_settings_come_from(serve_help: str):
    flat = re.sub(r"\s+", " ", serve_help)
    assert "The environment wins." in flat
    assert f"{PREFIX}CLICKHOUSE_URL" in flat
    assert "[chdb:./data]" in flat


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param(
            {"api_port": "x"},
            f"{PREFIX}API_PORT: Input should be a valid integer, "
            "unable to parse string as an integer",
            id="value",
        ),
        pytest.param(
            {"api_prot": "1"},
            f"{PREFIX}API_PROT: no such setting (`llm-observatory serve --help` lists them)",
            id="name",
        ),
        pytest.param(
            {"clickhouse_url": "postgres://u:hunter2@h"},
            "clickhouse_url: write http(s)://user:password@host:port/database or chdb:PATH; "
            "in a password, characters like / # ? @ are written as %2F %23 %3F %40",
            id="store",
        ),
        pytest.param(
            {"clickhouse_password_file": "/no/such/file"},
            "clickhouse_password_file: No such file or directory",
            id="password file",
        ),
    ],
)
def test_a_wrong_setting_is_one_line_and_no_traceback(
    tmp_path: Path, settings: dict[str, str], message: str
):
    done = command("serve", **({"clickhouse_url": f"chdb:{tmp_path / 'e'}"} | settings))
    assert (done.returncode, done.stderr) == (2, f"{message}\n")
    assert "hunter2" not in done.stdout + done.stderr


def test_a_prices_file_that_is_missing_is_one_line(tmp_path: Path):
    done = command(
        "serve", clickhouse_url=f"chdb:{tmp_path / 'e'}", prices_file=tmp_path / "no.yaml"
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "no.yaml" in done.stderr


def failed_start(directory: Path, **settings: Any) -> tuple[int, str]:
    """Return exit code and standard error of a service that cannot start."""
    service = start_service(directory, **settings)
    try:
        wait_until(
            lambda: service.process.poll() is not None or "listening" in service.output,
            30,
            lambda: service.output,
        )
        assert service.process.poll() is not None, f"it serves:\n{service.output}"
        return service.process.returncode, (directory / "stderr").read_text()
    finally:
        service.kill()


@pytest.mark.parametrize(
    "setting", ["otlp_grpc_port", "otlp_http_port", "metrics_port", "api_port"]
)
def test_a_port_that_is_taken_is_one_line(tmp_path: Path, setting: str):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, shown = failed_start(tmp_path, **{setting: port})
    assert code == 2
    assert len(shown.splitlines()) == 1, shown
    assert setting in shown
    assert str(port) in shown


def test_an_engine_that_another_process_has_open_is_one_line(tmp_path: Path):
    url = f"chdb:{tmp_path / 'engine'}"
    with running_service(tmp_path / "first", clickhouse_url=url):
        code, shown = failed_start(tmp_path / "second", clickhouse_url=url)
    assert code == 2
    assert len(shown.splitlines()) == 1, shown
    assert "is used by another process" in shown


def test_a_database_of_a_newer_version_is_one_line(tmp_path: Path):
    with clickhouse_http_server(tmp_path / "engine") as server:
        url = store_url(server)
        with running_service(tmp_path / "first", clickhouse_url=url) as service:
            service.query("INSERT INTO schema_migrations (version, name) VALUES (9000, 'x')")
            service.stop()
        code, shown = failed_start(tmp_path / "second", clickhouse_url=url)
    assert code == 2
    assert len(shown.splitlines()) == 1, shown
    assert "run a newer version of it" in shown


# As a person sees it ------------------------------------------------------------------------


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Service]:
    """A service that logs as text, so that nothing can be read from JSON lines."""
    service = start_service(tmp_path, log_format="text")
    yield service
    if service.process.poll() is None:
        service.kill()


def test_a_person_is_told_what_to_do_next(terminal: Service):
    output = terminal.directory / "stdout"
    wait_until(
        lambda: "What to try next" in output.read_text() and "grep ^llm_" in output.read_text(),
        30,
        lambda: terminal.output,
    )
    shown = output.read_text()
    metrics = re.search(r"Prometheus\s+(http\S+)", shown)
    endpoint = re.search(r"OTEL_EXPORTER_OTLP_ENDPOINT=(http\S+)", shown)
    docs = re.search(r"API, health\s+(http\S+)", shown)
    assert metrics, shown
    assert endpoint, shown
    assert docs, shown
    assert http(metrics[1]).status == 200
    assert http(f"{endpoint[1]}/v1/traces", b"", {"Content-Type": "application/json"}).status == 400
    assert http(docs[1]).status == 200
    assert terminal.stop() == 0


def test_a_file_of_settings_is_named_on_the_command_line(tmp_path: Path):
    file = tmp_path / "settings.yaml"
    file.write_text("clickhouse_url: nonsense\n")
    done = command("serve", "--config", str(file))
    assert done.returncode == 2
    assert done.stderr.startswith("clickhouse_url: write ")
