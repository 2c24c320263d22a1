"""Start the shop's services as processes, and see how they end."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from exporter.demo.shop import Protocol, Service

_STOP_TIMEOUT_S = 10.0

# A service that was told to stop twice, by the terminal and by us, may end by the signal itself.
_GOOD_ENDS = frozenset({None, 0, -signal.SIGINT, -signal.SIGTERM})


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One service at work. What it says on standard error is kept for when it fails."""

    service: Service
    process: subprocess.Popen[bytes]
    errors: IO[bytes]

    def running(self) -> bool:
        """Say whether the service still works."""
        return self.process.poll() is None

    def complaint(self) -> str | None:
        """Return the last line of a service that failed, or None if it ended well."""
        if self.process.returncode in _GOOD_ENDS:
            return None
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        return f"{self.service.name}: {lines[-1] if lines else 'failed without a word'}"


@contextmanager
def working(
    services: Sequence[Service],
    endpoints: Mapping[Protocol, str],
    provider_url: str,
    options: Sequence[str],
) -> Generator[list[Worker], None, None]:
    """Run services for as long as a `with` block lasts, unless they end before it does."""
    workers: list[Worker] = []
    try:
        workers.extend(
            _start(service, endpoints[service.protocol], provider_url, options)
            for service in services
        )
        yield workers
    finally:
        for worker in workers:
            worker.process.terminate()  # The service hands over its last spans, then ends.
        for worker in workers:
            _reap(worker)


def _start(service: Service, endpoint: str, provider_url: str, options: Sequence[str]) -> Worker:
    errors = tempfile.TemporaryFile()  # noqa: SIM115 - the worker closes it
    command = [sys.executable, "-m", "exporter.demo.service", service.name]
    addresses = ["--otlp-endpoint", endpoint, "--provider-url", provider_url]
    process = subprocess.Popen(  # noqa: S603 - our own module, options from typed values
        [*command, *addresses, *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        env=_environment(),
    )
    return Worker(service=service, process=process, errors=errors)


def _environment() -> dict[str, str]:
    """Keep a configured proxy away from the stand-in, which only this machine can reach."""
    names = ("NO_PROXY", "no_proxy")
    hosts = {host for name in names for host in os.environ.get(name, "").split(",") if host}
    return {**os.environ, **dict.fromkeys(names, ",".join(sorted(hosts | {"127.0.0.1"})))}


def _reap(worker: Worker) -> None:
    try:
        worker.process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        worker.process.kill()
        worker.process.wait()
    worker.errors.close()
