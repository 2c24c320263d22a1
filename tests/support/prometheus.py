"""Run a real Prometheus or Alertmanager on the loopback address for the length of one test."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

import yaml

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 10.0
POLL_INTERVAL_S = 0.05
# Another process can take a free port between our look and the server's bind.
PORT_ATTEMPTS_MAX = 5

DEBIAN_PACKAGES = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "amtool": "prometheus-alertmanager",
    "prometheus-alertmanager": "prometheus-alertmanager",
}

# A proxy from the environment must not come between a test and its own loopback address.
_http = build_opener(ProxyHandler({}))


class ServerError(Exception):
    """A server did not start, or answered with an error; the message says what it said."""


def binary(name: str) -> str:
    """Find an installed program; a missing one fails the test, with what to install."""
    path = which(name)
    if path is None:
        raise ServerError(
            f"the program {name!r} is not installed; "
            f"on Debian or Ubuntu: apt-get install {DEBIAN_PACKAGES[name]}"
        )
    return path


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of an instant query's answer."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Series:
    """One series of a range query's answer."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]  # Unix seconds, value.


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: where it answers, and what it has logged so far."""

    url: str
    process: subprocess.Popen[bytes]
    log_path: Path

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def get(self, path: str, **parameters: str | float) -> Any:
        """Fetch one path of the server's API and decode its JSON."""
        url = f"{self.url}{path}" + (f"?{urlencode(parameters)}" if parameters else "")
        try:
            with _http.open(url, timeout=10) as response:
                return json.load(response)
        except HTTPError as error:
            with error:
                raise ServerError(f"{url}: {error.code} {error.read().decode()}") from error

    def post(self, path: str, body: Any) -> None:
        """Send JSON to one path of the server's API."""
        data = json.dumps(body).encode()
        request = Request(f"{self.url}{path}", data, {"Content-Type": "application/json"})
        try:
            with _http.open(request, timeout=10):
                pass
        except HTTPError as error:
            with error:
                raise ServerError(f"{path}: {error.code} {error.read().decode()}") from error

    def reload(self) -> None:
        """Make the server read its configuration again, as an operator's SIGHUP does."""
        self.process.send_signal(signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Prometheus(Server):
    """A running Prometheus and the questions that tests ask it."""

    config_path: Path

    def query(self, expr: str, at: float | None = None) -> list[Sample]:
        """Evaluate at one instant, in unix seconds; now if not given."""
        time_parameter = {} if at is None else {"time": at}
        data = self.get("/api/v1/query", query=expr, **time_parameter)["data"]
        if data["resultType"] in {"scalar", "string"}:
            return [Sample({}, float(data["result"][1]))]
        return [Sample(item["metric"], float(item["value"][1])) for item in data["result"]]

    def query_range(self, expr: str, start: float, end: float, step_s: float) -> list[Series]:
        """Evaluate from start to end, in unix seconds."""
        answer = self.get("/api/v1/query_range", query=expr, start=start, end=end, step=step_s)
        return [
            Series(item["metric"], [(at, float(value)) for at, value in item["values"]])
            for item in answer["data"]["result"]
        ]

    def exemplars(self, expr: str, start: float, end: float) -> list[dict[str, Any]]:
        """Return the exemplars (labels, value, timestamp) of every series that expr selects."""
        answer = self.get("/api/v1/query_exemplars", query=expr, start=start, end=end)
        return [exemplar for series in answer["data"] for exemplar in series["exemplars"]]

    def wait_for(
        self,
        expr: str,
        predicate: Callable[[list[Sample]], bool] = bool,
        timeout_s: float = 30.0,
    ) -> list[Sample]:
        """Query until the answer satisfies the predicate, by default until there is one."""
        latest: list[Sample] = []

        def satisfied() -> bool:
            nonlocal latest
            latest = self.query(expr)
            return predicate(latest)

        wait_until(satisfied, timeout_s, lambda: f"{expr} last answered {latest}")
        return latest


def wait_until(condition: Callable[[], bool], timeout_s: float, explain: Callable[[], str]) -> None:
    """Poll a condition until it holds; after the deadline fail with the explanation."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise ServerError(f"gave up after {timeout_s:g} s: {explain()}")
        time.sleep(POLL_INTERVAL_S)


@contextmanager
def prometheus_server(
    config: str | Path,
    tmp_path: Path,
    *,
    targets: Mapping[str, str] | None = None,
    rules_dir: Path | None = None,
    interval: str = "500ms",
    flags: Sequence[str] = ("--enable-feature=exemplar-storage",),
) -> Iterator[Prometheus]:
    """Run Prometheus with a configuration, given as a file or as its text, until the block ends.

    The configuration is used as it is but for what `adapt` replaces: scrape and Alertmanager
    targets, intervals, and where the rule files are. The first scrape comes after about 5 s, for
    so long does Prometheus gather its targets.
    """
    text = config.read_text() if isinstance(config, Path) else config
    config_path = tmp_path / "prometheus.yml"

    def command(port: int) -> list[str]:
        own = {"localhost:9090": f"127.0.0.1:{port}"}
        config_path.write_text(adapt(text, own | dict(targets or {}), interval, rules_dir))
        return [
            binary("prometheus"),
            f"--config.file={config_path}",
            f"--storage.tsdb.path={tmp_path / 'prometheus-data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            *flags,
        ]

    with _running(command, tmp_path / "prometheus.log") as server:
        yield Prometheus(server.url, server.process, server.log_path, config_path)


def adapt(text: str, targets: Mapping[str, str], interval: str, rules_dir: Path | None) -> str:
    """Rewrite a Prometheus configuration for a test.

    - A target of any `static_configs` that `targets` names is replaced by its value; one that it
      does not name is left out, so that nothing but the test's own addresses is ever contacted.
    - Every scrape and evaluation happens at `interval`, also where a job has one of its own.
    - `rule_files` are looked for in `rules_dir` (by default beside the written file).
    """
    config = yaml.safe_load(text)
    config["global"] = config.get("global", {}) | {
        "scrape_interval": interval,
        "scrape_timeout": interval,
        "evaluation_interval": interval,
    }
    jobs = config.get("scrape_configs", [])
    for job in jobs:
        job.pop("scrape_interval", None)
        job.pop("scrape_timeout", None)
    for section in [*jobs, *config.get("alerting", {}).get("alertmanagers", [])]:
        for group in section.get("static_configs", []):
            group["targets"] = [targets[name] for name in group["targets"] if name in targets]
    if rules_dir is not None:
        patterns = config.get("rule_files", [])
        config["rule_files"] = [str(rules_dir.resolve() / Path(name).name) for name in patterns]
    return yaml.safe_dump(config, sort_keys=False)


@contextmanager
def alertmanager_server(config_path: Path, tmp_path: Path) -> Iterator[Server]:
    """Run Alertmanager with a configuration file, without gossip, until the block ends."""

    def command(port: int) -> list[str]:
        return [
            binary("prometheus-alertmanager"),
            f"--config.file={config_path}",
            f"--storage.path={tmp_path / 'alertmanager-data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ]

    with _running(command, tmp_path / "alertmanager.log") as server:
        yield server


@contextmanager
def _running(command: Callable[[int], list[str]], log_path: Path) -> Iterator[Server]:
    server = _start(command, log_path)
    try:
        yield server
    finally:
        _stop(server.process)


def _start(command: Callable[[int], list[str]], log_path: Path) -> Server:
    attempts = 0
    while True:
        attempts += 1
        server = _launch(command, log_path)
        if server.process.poll() is None:
            return server
        if attempts == PORT_ATTEMPTS_MAX or "address already in use" not in server.log:
            raise ServerError(f"{server.process.args} did not start; its log:\n{server.log}")


def _launch(command: Callable[[int], list[str]], log_path: Path) -> Server:
    """Start the process and wait until it is ready or has ended."""
    port = _free_port()
    with log_path.open("wb") as log:
        process = subprocess.Popen(command(port), stdout=log, stderr=subprocess.STDOUT)
    server = Server(f"http://127.0.0.1:{port}", process, log_path)
    try:
        wait_until(
            lambda: _is_ready(server) or process.poll() is not None,
            START_TIMEOUT_S,
            lambda: f"{process.args} is not ready; its log:\n{server.log}",
        )
    except BaseException:
        _stop(process)
        raise
    return server


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _is_ready(server: Server) -> bool:
    # An answer alone proves nothing on a contested port: the server must say that it listens.
    if "Listening on" not in server.log:
        return False
    with suppress(URLError, OSError), _http.open(f"{server.url}/-/ready", timeout=2) as response:
        return response.status == 200
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
