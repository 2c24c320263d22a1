"""Run one service of the demo shop in a process of its own.

An instrumentation patches an SDK for the whole process, so services that use different ones on the
same SDK cannot share a process.
"""

import argparse
import importlib
import itertools
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from opentelemetry.sdk.trace import TracerProvider

from exporter.demo.shop import SERVICES, Service
from exporter.demo.telemetry import during, start_tracing
from exporter.demo.visits import Visit, visits


class App(Protocol):
    """What a module in `exporter.demo.apps` offers."""

    def start(self, provider: TracerProvider, provider_url: str) -> Callable[[Visit], None]:
        """Instrument the SDK, and return what serves one visit."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How long and how fast a service works. Without a limit it works until it is stopped."""

    otlp_endpoint: str
    provider_url: str
    seed: int = 0
    rounds: int | None = None
    duration_s: float | None = None
    pause_s: float = 0.0  # The mean; each pause is drawn.
    calm: bool = False  # Whether visits meet no scripted faults.


def run_service(service: Service, run: Run, stopped: threading.Event) -> None:
    """Serve visits until a limit or `stopped`, then hand over the last spans."""
    os.environ.update(service.variables)  # Before the instrumentation is imported, which reads it.
    app = cast("App", cast("object", importlib.import_module(service.module)))
    provider = start_tracing(service, run.otlp_endpoint)
    try:
        serve = app.start(provider, run.provider_url)
        faults = () if run.calm else service.faults
        for visit in _paced(visits(service.name, service.features, faults, run.seed), run):
            if stopped.is_set():
                break
            with during(visit):
                serve(visit)
            stopped.wait(_pause(run))
    finally:
        provider.shutdown()


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and run one service."""
    parser = argparse.ArgumentParser(prog="python -m exporter.demo.service", description=__doc__)
    parser.add_argument("name", choices=sorted(SERVICES))
    parser.add_argument("--otlp-endpoint", required=True)
    parser.add_argument("--provider-url", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--duration-s", type=float)
    parser.add_argument("--pause-s", type=float, default=0.0)
    parser.add_argument("--calm", action="store_true")
    options = vars(parser.parse_args(arguments))
    service = SERVICES[options.pop("name")]
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stopped.set())
    run_service(service, Run(**options), stopped)
    return 0


def _paced(source: Iterator[Visit], run: Run) -> Iterator[Visit]:
    """End a stream of visits at the run's limits."""
    deadline = None if run.duration_s is None else time.monotonic() + run.duration_s
    for visit in itertools.islice(source, run.rounds):
        if deadline is not None and time.monotonic() >= deadline:
            return
        yield visit


def _pause(run: Run) -> float:
    return random.expovariate(1 / run.pause_s) if run.pause_s > 0 else 0.0


if __name__ == "__main__":
    sys.exit(main())
