"""Run the whole demo: stand-in providers, the shop's services, and a table of what arrived."""

import io
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live

from exporter.demo.processes import Worker, working
from exporter.demo.providers import ProviderServer
from exporter.demo.scrape import Key, MetricsUnreachableError, Tally, scrape, since
from exporter.demo.shop import SERVICES, Protocol
from exporter.demo.stand_in import Ledger
from exporter.demo.table import compare, draw, is_complete

_WIDTH = 132
# Rich's pictures name a font on the web; the next monospace font does as well.
_FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
# Services whose models do not run at the stand-in, so its ledger does not know them.
_UNBILLED = frozenset({"edge-inference"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a running observatory listens."""

    otlp_grpc_url: str = "http://127.0.0.1:4317"
    otlp_http_url: str = "http://127.0.0.1:4318"
    metrics_url: str = "http://127.0.0.1:9464/metrics"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast the demo goes. Zeros make it as fast as it can be."""

    latency_scale: float = 0.2  # Enough to tell models apart, and nobody waits for it.
    pause_s: float = 0.3  # Between two visits to one service, on average.
    refresh_s: float = 1.0
    settle_s_max: float = 20.0  # How long to wait for the last calls to be counted.


def run_demo(  # noqa: PLR0913 - all but the first are choices with a default
    target: Target,
    *,
    duration_s: float | None = None,
    rounds: int | None = None,
    seed: int = 0,
    pace: Pace | None = None,
    console: Console | None = None,
    picture: Path | None = None,
) -> int:
    """Run until the services' limits and return an exit code. One of the limits must be given.

    `picture` is where the last table is kept as an SVG.
    """
    if duration_s is None and rounds is None:
        raise ValueError("the demo needs a duration or a number of rounds")
    console, pace = console or _console(), pace or Pace()
    try:
        start = scrape(target.metrics_url)
    except MetricsUnreachableError:
        message = f"No metrics at {target.metrics_url}: start the service first, with `make run`."
        console.print(message, soft_wrap=True)
        return 1
    endpoints = {Protocol.GRPC: target.otlp_grpc_url, Protocol.HTTP: target.otlp_http_url}
    options = ["--seed", str(seed), "--pause-s", str(pace.pause_s)]
    options += _limits(rounds, duration_s)
    with (
        ProviderServer(seed=seed, latency_scale=pace.latency_scale) as provider,
        working(list(SERVICES.values()), endpoints, provider.url, options) as workers,
    ):
        screen = _Screen(console, target.metrics_url, start, pace)
        screen.show_until_done(workers, provider.ledger)
        if picture is not None:
            picture.write_text(screen.picture(provider.ledger), encoding="utf-8")
        complaints = [text for text in map(Worker.complaint, workers) if text]
    for text in complaints:
        console.print(text, soft_wrap=True, markup=False)
    return 1 if complaints else 0


class _Screen:
    """Show the table while services work, or once at the end where there is no terminal."""

    def __init__(
        self, console: Console, metrics_url: str, start: dict[Key, Tally], pace: Pace
    ) -> None:
        self._console = console
        self._metrics_url = metrics_url
        self._start = start
        self._pace = pace
        self._rows: dict[Key, Tally] = {}

    def show_until_done(self, workers: Sequence[Worker], ledger: Ledger) -> None:
        try:
            if self._console.is_terminal:
                self._show_live(workers)
            _wait(workers)
        except KeyboardInterrupt:  # The shop closes early; what arrived is still worth a look.
            for worker in workers:
                worker.process.terminate()
            _wait(workers)
        self._settle(ledger)
        self._console.print(self._final(ledger))

    def picture(self, ledger: Ledger) -> str:
        """Return the last table as an SVG that fetches nothing."""
        console = Console(record=True, width=_WIDTH, file=io.StringIO())
        console.print(self._final(ledger))
        return _FONT.sub("", console.export_svg(title="make demo"))

    def _final(self, ledger: Ledger) -> Group:
        footer = compare(ledger, self._rows, _UNBILLED)
        return draw(self._rows, self._metrics_url, footer)

    def _show_live(self, workers: Sequence[Worker]) -> None:
        with Live(console=self._console, transient=True, auto_refresh=False) as live:
            while any(worker.running() for worker in workers):
                live.update(draw(self._read(), self._metrics_url), refresh=True)
                time.sleep(self._pace.refresh_s)

    def _settle(self, ledger: Ledger) -> None:
        """Read until every call is counted and nothing moves: counting lags behind accepting."""
        deadline = time.monotonic() + self._pace.settle_s_max
        before = None
        while before != self._read() or not is_complete(ledger, self._rows, _UNBILLED):
            if time.monotonic() >= deadline:
                return
            before = self._rows
            time.sleep(self._pace.refresh_s)

    def _read(self) -> dict[Key, Tally]:
        """Scrape, or keep the last rows when the observatory is busy for a moment."""
        try:
            rows = since(self._start, scrape(self._metrics_url))
        except MetricsUnreachableError:
            return self._rows
        self._rows = {key: row for key, row in rows.items() if key.service in SERVICES}
        return self._rows


def _wait(workers: Sequence[Worker]) -> None:
    for worker in workers:
        worker.process.wait()


def _limits(rounds: int | None, duration_s: float | None) -> list[str]:
    options: list[str] = []
    if rounds is not None:
        options += ["--rounds", str(rounds)]
    if duration_s is not None:
        options += ["--duration-s", str(duration_s)]
    return options


def _console() -> Console:
    """Return a console on which the table fits: a pipe or a log has no width of its own."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH)
