"""Run the real service as a separate process for the length of one test.

    with clickhouse_http_server(tmp_path / "engine") as server:
        with running_service(tmp_path, clickhouse_url=store_url(server)) as service:
            service.export(request(recent_call()))
            service.wait_until_stored(1)
            assert service.query("SELECT SpanName FROM otel_traces") == [("chat gpt-4o",)]

Without a `clickhouse_url` it has an embedded engine below its directory. That path belongs to the
service while it runs, so `query` can read it only after `stop`.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import clickhouse_connect
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client.parser import text_string_to_metric_families

from clickhouse.client import DEFAULT_DATABASE
from exporter.endpoints import Endpoints
from exporter.settings import PREFIX
from tests.support.clickhouse_http import ClickHouseServer, clickhouse_http_server
from tests.support.otlp import NS, Attributes, span
from tests.support.prometheus import wait_until

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
# Waits end as soon as what they wait for is there; these only bound a test that fails.
START_TIMEOUT_S = 30.0
WAIT_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 30.0

_PROJECT = Path(__file__).parents[2]
# What a child process needs of the environment; a proxy or a setting of ours stays out.
_KEPT = re.compile(r"PATH|LANG|LC_\w+|TMPDIR|VIRTUAL_ENV|COVERAGE_\w+|TIKTOKEN_CACHE_DIR")


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, read whole."""

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def media(self) -> str:
        return self.headers.get_content_type()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def http(
    url: str, body: bytes | None = None, headers: Mapping[str, str] = {}, method: str | None = None
) -> Answer:
    """Send one request on a connection of its own: a POST if there is a body, else a GET."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = HTTPConnection(parts.hostname, parts.port, timeout=WAIT_TIMEOUT_S)
    with closing(connection):
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        verb = method or ("GET" if body is None else "POST")
        connection.request(verb, path or "/", body, dict(headers))
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())


@dataclass(frozen=True, slots=True)
class Metrics:
    """What one scrape showed."""

    samples: Mapping[tuple[str, frozenset[tuple[str, str]]], float]

    @classmethod
    def parse(cls, text: str) -> Metrics:
        return cls(
            {
                (sample.name, frozenset(sample.labels.items())): sample.value
                for family in text_string_to_metric_families(text)
                for sample in family.samples
            }
        )

    def series(self, name: str, **labels: str) -> list[tuple[dict[str, str], float]]:
        """Return the series of a sample name that have these labels, and maybe others."""
        wanted = set(labels.items())
        return [
            (dict(found), value)
            for (sample, found), value in self.samples.items()
            if sample == name and wanted <= found
        ]

    def value(self, name: str, **labels: str) -> float:
        """Return the sum of the series that have these labels: 0 if there is none."""
        return sum(value for _, value in self.series(name, **labels))


@dataclass(slots=True, kw_only=True)
class Service:
    """A running service, and what a test asks of it."""

    process: subprocess.Popen[bytes]
    directory: Path
    clickhouse_url: str
    endpoints: Endpoints = field(init=False, repr=False)

    @property
    def output(self) -> str:
        """Everything that it wrote, for failure messages."""
        return "\n".join(
            f"--- {name}\n{(self.directory / name).read_text(errors='replace')}"
            for name in ("stdout", "stderr")
        )

    @property
    def log(self) -> list[dict[str, Any]]:
        """Its log lines so far; what is no JSON is in `output` only."""
        found: list[dict[str, Any]] = []
        for line in (self.directory / "stdout").read_text(errors="replace").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    @property
    def traces_url(self) -> str:
        """Where OTLP/HTTP is posted."""
        return f"{self.endpoints.otlp_http}/v1/traces"

    @property
    def grpc_target(self) -> str:
        """The gRPC port as `host:port`."""
        return urlsplit(self.endpoints.otlp_grpc).netloc

    def export(self, body: bytes, content_type: str = PROTOBUF, **headers: str) -> Answer:
        """POST a trace request; a header's underscores become dashes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return http(self.traces_url, body, {"Content-Type": content_type} | named)

    def scrape(self, **headers: str) -> Answer:
        """GET /metrics as it is."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return http(self.endpoints.metrics, headers=named)

    def metrics(self) -> Metrics:
        """Scrape, in the text format."""
        answer = self.scrape()
        assert answer.status == 200, answer
        return Metrics.parse(answer.body.decode())

    def wait_for(self, condition: Callable[[Metrics], bool]) -> Metrics:
        """Scrape until the metrics are as expected."""
        latest = self.metrics()

        def holds() -> bool:
            nonlocal latest
            latest = self.metrics()
            return condition(latest)

        if not condition(latest):
            wait_until(holds, WAIT_TIMEOUT_S, lambda: f"the metrics are\n{_own(latest)}")
        return latest

    def wait_until_stored(self, spans: int) -> Metrics:
        """Wait until this many spans were written since the start, and their content, too."""
        self.wait_for(
            lambda m: (
                m.value("llm_observatory_rows_total", table="otel_traces", outcome="ok") >= spans
            )
        )
        # Content is inserted after the spans; only then they are out of the buffer.
        return self.wait_for(lambda m: m.value("llm_observatory_buffer_spans") == 0)

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Sequence[Any]:
        """Return the rows of a query on the service's database."""
        if not self.clickhouse_url.startswith("chdb:"):
            return _query(self.clickhouse_url, sql, parameters)
        assert self.process.poll() is not None, "stop the service before its engine is read"
        path = Path(self.clickhouse_url.removeprefix("chdb:"))
        with clickhouse_http_server(path) as server:
            return _query(store_url(server), sql, parameters)

    def rows(self, count: int, sql: str, **parameters: Any) -> Sequence[Any]:
        """Return the rows of a query once there are `count` of them."""
        found: Sequence[Any] = ()

        def there() -> bool:
            nonlocal found
            found = self.query(sql, parameters)
            return len(found) >= count

        wait_until(there, WAIT_TIMEOUT_S, lambda: f"{sql} found {found}")
        assert len(found) == count, found
        return found

    def health(self, path: str = "/readyz") -> Answer:
        """GET /readyz or /healthz."""
        return http(f"{self.endpoints.api}{path}")

    def memory_peak_bytes(self) -> int:
        """Return the most memory that the process held since `reset_memory_peak` (Linux)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found is not None, status
        return int(found[1]) * 1024

    def reset_memory_peak(self) -> int:
        """Forget the peak so far; return what the process holds now."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")
        return self.memory_peak_bytes()

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Send a signal and return at once."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """Wait for the end; return the exit code."""
        try:
            return self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the service did not stop\n{self.output}") from None

    def stop(self) -> int:
        """Stop it as an orchestrator does; return the exit code."""
        self.signal()
        return self.wait()

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()


def recent_call(attributes: Attributes = (), *, number: int = 1, **of_span: Any) -> Span:
    """Return a priced call that ended a moment ago, for a service that goes by the real clock."""
    call = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
    }
    defaults = {"name": "chat gpt-4o", "start_ns": time.time_ns() - NS}
    return span({**call, **dict(attributes)}, number=number, **(defaults | of_span))


def store_url(server: ClickHouseServer, database: str = DEFAULT_DATABASE) -> str:
    """Return the setting with which the service uses this server."""
    secret = f":{quote(server.password, safe='')}" if server.password else ""
    return f"http://{quote(server.username)}{secret}@127.0.0.1:{server.port}/{database}"


def environment(**settings: Any) -> dict[str, str]:
    """Return a clean environment with these settings, by their names in lower case."""
    kept = {name: value for name, value in os.environ.items() if _KEPT.fullmatch(name)}
    return kept | {PREFIX + name.upper(): str(value) for name, value in settings.items()}


@contextmanager
def running_service(directory: Path, **settings: Any) -> Iterator[Service]:
    """Run `serve` on free ports until the block ends, with its files below `directory`."""
    service = start_service(directory, **settings)
    try:
        wait_until(lambda: _announced(service), START_TIMEOUT_S, lambda: service.output)
        yield service
    except BaseException as error:
        error.add_note(service.output[-8000:])
        raise
    finally:
        if service.process.poll() is None:
            service.kill()


def start_service(directory: Path, **settings: Any) -> Service:
    """Start `serve` without waiting for it; for starts that are meant to fail."""
    directory.mkdir(parents=True, exist_ok=True)
    defaults = {
        "otlp_grpc_port": 0,
        "otlp_http_port": 0,
        "metrics_port": 0,
        "api_port": 0,
        "clickhouse_url": f"chdb:{directory / 'engine'}",
        "hold_s": 0.05,
        "insert_max_age_s": 0.05,
        "log_format": "json",
    }
    chosen = defaults | settings
    with (directory / "stdout").open("wb") as out, (directory / "stderr").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "exporter", "serve"],
            cwd=_PROJECT,
            env=environment(**chosen),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
    return Service(
        process=process, directory=directory, clickhouse_url=str(chosen["clickhouse_url"])
    )


def _announced(service: Service) -> bool:
    assert service.process.poll() is None, f"the service ended at its start\n{service.output}"
    for line in service.log:
        if line["message"] == "listening":
            names = Endpoints.__dataclass_fields__
            service.endpoints = Endpoints(**{name: line[name] for name in names})
            return True
    return False


def _query(url: str, sql: str, parameters: Mapping[str, Any] | None) -> Sequence[Any]:
    with closing(clickhouse_connect.get_client(dsn=url)) as client:
        return client.query(sql, parameters=dict(parameters or {})).result_rows


def _own(metrics: Metrics) -> str:
    return "\n".join(
        f"{name} {dict(labels)} {value:g}"
        for (name, labels), value in metrics.samples.items()
        if value and name.startswith("llm_observatory_") and not name.endswith("_bucket")
    )
