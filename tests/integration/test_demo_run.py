"""The demo's table, and the demo as a whole against an observatory that is only a metrics page."""

import importlib.util
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from exporter.demo import cli
from exporter.demo.run import Pace, Target, run_demo
from exporter.demo.scrape import Key, Tally, quantile, since, tally
from exporter.demo.shop import SERVICES

POLL_S = 0.01  # How soon an HTTP server notices that it should stop.
LABELS = 'service_name="edge-inference",provider="openai",model="gpt-4o-mini"'
PAGE = f"""
# TYPE llm_requests_total counter
llm_requests_total{{{LABELS},operation="chat",status="ok",error_type=""}} 7
llm_requests_total{{{LABELS},operation="chat",status="error",error_type="timeout"}} 1
# TYPE llm_tokens_total counter
llm_tokens_total{{{LABELS},token_type="input"}} 100
llm_tokens_total{{{LABELS},token_type="cache_read"}} 20
llm_tokens_total{{{LABELS},token_type="output"}} 30
llm_tokens_total{{{LABELS},token_type="reasoning"}} 12
# TYPE llm_cost_usd_total counter
llm_cost_usd_total{{{LABELS},cost_type="input"}} 0.5
llm_cost_usd_total{{{LABELS},cost_type="output"}} 0.25
# TYPE llm_request_duration_seconds histogram
llm_request_duration_seconds_bucket{{{LABELS},le="1.0"}} 4
llm_request_duration_seconds_bucket{{{LABELS},le="2.0"}} 8
llm_request_duration_seconds_bucket{{{LABELS},le="+Inf"}} 8
"""
KEY = Key("edge-inference", "openai", "gpt-4o-mini")


def test_a_page_is_summed_over_the_labels_without_a_column() -> None:
    assert tally(PAGE) == {
        KEY: Tally(
            requests=8,
            errors=1,
            input_tokens=120,
            output_tokens=42,
            cost_usd=0.75,
            durations={1.0: 4, 2.0: 8, float("inf"): 8},
        )
    }


def test_only_what_was_added_since_the_start_is_shown() -> None:
    page = tally(PAGE)
    assert since(page, page) == {}
    assert since({}, page) == page


@pytest.mark.parametrize(
    ("durations", "expected"),
    [
        pytest.param({}, None, id="nothing observed"),
        pytest.param({1.0: 0.0}, None, id="nothing in any bucket"),
        pytest.param({1.0: 4.0, 2.0: 8.0, float("inf"): 8.0}, 1.9, id="between two bounds"),
        pytest.param({1.0: 4.0, float("inf"): 8.0}, 1.0, id="beyond the last bound"),
    ],
)
def test_quantile(durations: dict[float, float], expected: float | None) -> None:
    assert quantile(durations, 0.95) == pytest.approx(expected)


class Observatory:
    """Serve one metrics page before, and another after the first span has arrived."""

    def __init__(self) -> None:
        self.arrived = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self, PAGE.encode() if outer.arrived else b"")

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                outer.arrived = True
                outer.answer(self, b"")

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    @staticmethod
    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


@pytest.fixture
def observatory() -> Iterator[Observatory]:
    running = Observatory()
    thread = threading.Thread(target=running.server.serve_forever, args=(POLL_S,))
    thread.start()
    yield running
    running.server.shutdown()
    thread.join()
    running.server.server_close()


def test_demo_prints_one_table_where_there_is_no_terminal(
    observatory: Observatory, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One service over HTTP, so that the metrics page's server can be the receiver as well.
    monkeypatch.setattr("exporter.demo.run.SERVICES", {"report-writer": SERVICES["report-writer"]})
    output = StringIO()
    code = run_demo(
        Target(otlp_http_url=observatory.url, metrics_url=f"{observatory.url}/metrics"),
        rounds=1,
        pace=Pace(latency_scale=0, pause_s=0, refresh_s=0, settle_s_max=0),
        console=Console(file=output, width=160),
    )
    assert code == 0
    text = output.getvalue()
    assert text.count("what arrived") == 1
    assert "took 1 calls" in text


def test_demo_says_how_to_start_a_service_that_is_not_there(observatory: Observatory) -> None:
    output = StringIO()
    gone = Target(metrics_url=f"{observatory.url}0/metrics")  # No such port.
    assert run_demo(gone, rounds=1, console=Console(file=output)) == 1
    assert output.getvalue().count("\n") == 1
    assert "make run" in output.getvalue()


def test_demo_needs_a_limit() -> None:
    with pytest.raises(ValueError, match="duration or a number of rounds"):
        run_demo(Target())


def test_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "openai" else find_spec(name)
    )
    app = typer.Typer()
    app.command()(cli.demo_command)
    result = CliRunner().invoke(app, [])
    assert result.exit_code == 1
    assert result.output.strip() == ("Install llm-observatory[demo] for the demo; missing: openai.")
