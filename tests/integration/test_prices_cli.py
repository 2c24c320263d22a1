"""What `prices` says of stored calls, and what it changes, on a server and in the engine."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from clickhouse_connect.driver.client import Client
from typer.testing import CliRunner

from clickhouse.client import Address, Writer, connect, parse_address
from clickhouse.migrate import Retention, migrate
from clickhouse.reads.calls import CallReader, Calls
from clickhouse.reprice import Repricer, changed
from exporter.cli import app
from exporter.errors import ConfigurationError
from exporter.genai.prices.book import PriceBook
from exporter.genai.prices.price_file import Alias
from exporter.genai.prices.pricer import CHARGE_KEYS, Pricer
from exporter.spans.rows import rows
from tests.support.clickhouse_http import clickhouse_http_server
from tests.support.otlp import NS, request
from tests.unit.pipeline import DECODER, NORMALISE, PRICE, chat

DAY_NS = 86_400 * NS
RETENTION = Retention(spans_days=30, content_days=7, minutes_days=14, hours_days=400)
ALIASED = "aliases: [{name: prod-chat, model: gpt-4o}]"
Run = Callable[..., str]


@dataclass(frozen=True)
class Store:
    """A database with calls of three days in it."""

    address: Address
    url: str
    now_ns: int

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(connect(self.address)) as client:
            return [tuple(row) for row in client.query(sql).result_rows]

    def insert(self, *names: str, days_ago: int = 0, tokens: int = 1000) -> None:
        spans = [
            chat(
                {
                    "gen_ai.request.model": name,
                    "gen_ai.usage.input_tokens": tokens,
                    "gen_ai.usage.output_tokens": tokens,
                },
                number=number + 1,
                trace=days_ago + 1,
                start_ns=self.now_ns - days_ago * DAY_NS - number * NS,
            )
            for number, name in enumerate(names)
        ]
        batch, _ = DECODER.decode([request(*spans)], self.now_ns)
        with closing(connect(self.address)) as client:
            for table, content in rows(PRICE(NORMALISE(batch))).tables.items():
                Writer(client).insert_arrow(table, content, {})


@pytest.fixture(scope="module")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = tmp_path_factory.mktemp("engine")
    with clickhouse_http_server(path, username="reader", password="p w") as server:
        yield f"http://reader:{quote('p w')}@127.0.0.1:{server.port}"


@pytest.fixture
def store(server_url: str, request: pytest.FixtureRequest) -> Store:
    url = f"{server_url}/prices_{abs(hash(request.node.name)) % 10**9}"
    address = parse_address(url)
    migrate(address, RETENTION)
    made = Store(address, url, time.time_ns() - 60 * NS)
    made.insert("gpt-4o", "prod-chat", "prod-chat")
    made.insert("gpt-4o", "prod-chat", days_ago=1)
    made.insert("prod-chat", "gpt-99", days_ago=2)
    return made


@pytest.fixture
def run(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run `prices`; `prices_file` is the text of a price file."""
    monkeypatch.setenv("LLM_OBSERVATORY_CLICKHOUSE_URL", store.url)

    def run(*arguments: str, prices_file: str = "") -> str:
        monkeypatch.delenv("LLM_OBSERVATORY_PRICES_FILE", raising=False)
        if prices_file:
            path = tmp_path / "prices.yaml"
            path.write_text(prices_file)
            monkeypatch.setenv("LLM_OBSERVATORY_PRICES_FILE", str(path))
        result = CliRunner().invoke(app, ["prices", *arguments], env={"COLUMNS": "200"})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.stdout

    return run


SUMS = "count(), sum(CostUsd), countIf(UnpricedReason != '')"
USAGE = "sum(Requests), sum(CostUsd), sum(UnpricedRequests)"


def assert_usage_agrees(store: Store) -> None:
    [spans] = store.query(f"SELECT {SUMS} FROM otel_traces")
    for table in ("llm_usage_1m", "llm_usage_1h"):
        assert store.query(f"SELECT {USAGE} FROM {table}") == [spans]


def test_check_lists_what_has_no_price(run: Run) -> None:
    lines = [line.split("│")[1:-1] for line in run("check").splitlines() if "│" in line]
    cells = [[cell.strip() for cell in line] for line in lines]
    assert [row[1:5] for row in cells] == [
        ["prod-chat", "unknown_model", "4", "8,000"],
        ["gpt-99", "unknown_model", "1", "2,000"],
    ]
    assert "- model: prod-chat" in run("check")
    assert "has a price: reprice" in run("check", prices_file=ALIASED)
    assert "gpt-99" not in run("check", "--since", "24h")


def test_a_dry_run_changes_nothing(run: Run, store: Store) -> None:
    before = store.query("SELECT * FROM otel_traces ORDER BY Timestamp")
    said = run("reprice", "--since", "30d", "--dry-run", prices_file=ALIASED)
    assert "4 of 7 calls would have another price: $0.025000 before, $0.075000 now" in said
    assert store.query("SELECT * FROM otel_traces ORDER BY Timestamp") == before


def test_stored_calls_get_the_price_that_they_should_have_had(run: Run, store: Store) -> None:
    said = run("reprice", "--since", "30d", prices_file=ALIASED)
    assert "4 of 7 calls have another price: $0.025000 before, $0.075000 now" in said
    assert "without a price: 5 before, 1 now" in said
    priced = store.query(
        "SELECT DISTINCT CostUsd, CostInputUsd, CostOutputUsd, CostSource, UnpricedReason, PriceId "
        "FROM otel_traces WHERE RequestModel = 'prod-chat'"
    )
    usd = Decimal("0.0125"), Decimal("0.0025"), Decimal("0.01")
    assert priced == [(*usd, "computed", "", "openai:gpt-4o")]
    assert store.query(f"SELECT {SUMS} FROM otel_traces") == [(7, Decimal("0.075"), 1)]
    assert_usage_agrees(store)
    assert store.query("SHOW TABLES LIKE 'llm_reprice_%'") == []
    # Again, back, and forth: the sums follow.
    assert "0 of 7 calls" in run("reprice", "--since", "30d", prices_file=ALIASED)
    for _ in range(2):
        run("reprice", "--since", "30d")
        assert store.query(f"SELECT {SUMS} FROM otel_traces") == [(7, Decimal("0.025"), 5)]
        assert_usage_agrees(store)
        run("reprice", "--since", "30d", prices_file=ALIASED)
        assert_usage_agrees(store)


def test_only_calls_since_then_are_looked_at(run: Run, store: Store) -> None:
    assert "2 of 3 calls" in run("reprice", "--since", "12h", prices_file=ALIASED)
    assert_usage_agrees(store)


def reprice_partly(store: Store, client: Client, reader: CallReader) -> Repricer:
    """Change the rows of the last day, and not the usage."""
    calls = Calls(start_ns=store.now_ns - DAY_NS // 2, end_ns=store.now_ns + NS)
    price = Pricer(PriceBook((Alias(name="prod-chat", model="gpt-4o"),)))
    repricer = Repricer(client, store.address.database)
    for window in reader.windows(calls):
        old = reader.calls(window, calls, CHARGE_KEYS)
        new = price(old)
        repricer.add(window.day, new, changed(old, new))
        repricer._write(window.day)
    return repricer


def test_what_was_cut_off_can_be_repeated(run: Run, store: Store) -> None:
    with closing(connect(store.address)) as client:
        reprice_partly(store, client, CallReader(client))
        client.command("CREATE TABLE llm_reprice_20200101 (a Int8) ENGINE = Memory")
    [(_, half, _)] = store.query(f"SELECT {SUMS} FROM otel_traces")
    assert half == Decimal("0.05")
    assert store.query("SELECT sum(CostUsd) FROM llm_usage_1h") == [(Decimal("0.025"),)]
    assert "2 of 7 calls" in run("reprice", "--since", "30d", prices_file=ALIASED)
    assert_usage_agrees(store)
    assert store.query("SHOW TABLES LIKE 'llm_reprice_%'") == []


def test_calls_that_arrive_meanwhile_are_kept(run: Run, store: Store) -> None:
    with closing(connect(store.address)) as client:
        repricer = reprice_partly(store, client, CallReader(client))
        store.insert("prod-chat", "gpt-4o", tokens=10)
        day = store.query("SELECT toString(toDate(max(Timestamp))) FROM otel_traces")[0][0]
        assert repricer.finish(day) == 0
        repricer.close()
    assert store.query("SELECT count() FROM otel_traces") == [(9,)]
    assert_usage_agrees(store)
    run("reprice", "--since", "30d", prices_file=ALIASED)
    assert_usage_agrees(store)


def test_usage_that_does_not_hold_the_same_calls_is_left_alone(run: Run, store: Store) -> None:
    with closing(connect(store.address)) as client:
        client.command("INSERT INTO llm_usage_1m SELECT * FROM llm_usage_1m")
    said = run("reprice", "--since", "30d", prices_file=ALIASED)
    assert "were left as they are" in said
    assert store.query("SELECT sum(CostUsd) FROM llm_usage_1m") == [(Decimal("0.05"),)]


def test_windows_cover_every_call_once(store: Store) -> None:
    calls = Calls(start_ns=0, end_ns=store.now_ns + NS)
    with closing(connect(store.address)) as client:
        for size in (1, 3, 1000):
            reader = CallReader(client, window_calls=size)
            windows = reader.windows(calls)
            assert sum(window.calls for window in windows) == 7
            read = [len(reader.calls(window, calls, CHARGE_KEYS)) for window in windows]
            assert read == [window.calls for window in windows]
            assert all(a.end_ns <= b.start_ns for a, b in itertools.pairwise(windows))


def test_rows_read_back_are_priced_as_they_were(store: Store) -> None:
    calls = Calls(start_ns=0, end_ns=store.now_ns + NS)
    with closing(connect(store.address)) as client:
        reader = CallReader(client)
        for window in reader.windows(calls):
            old = reader.calls(window, calls, CHARGE_KEYS)
            assert not changed(old, PRICE(old)).any()


def test_what_if(run: Run) -> None:
    said = run("what-if", "--from", "gpt-4o", "--to", "gpt-4o-mini", "--since", "30d")
    assert "$0.025000" in said
    assert "$0.001500" in said
    assert "2 calls, 4,000 tokens: -$0.023500 (-94.0%)" in said
    dearer = run("what-if", "--from", "gpt-4o", "--to", "claude-opus-4-1", "--since", "30d")
    assert "+$0.155000 (+620.0%)" in dearer
    assert "No calls of gpt-3" in run("what-if", "--from", "gpt-3", "--to", "o3", "--since", "1d")


@pytest.mark.parametrize("since", ["soon", "5y", "", "-3d"])
def test_a_time_that_cannot_be_read(run: Run, since: str) -> None:
    with pytest.raises(ConfigurationError, match="30d"):
        run("check", f"--since={since}")


def test_show(run: Run) -> None:
    said = run("show", "azure/gpt-4o", "--at", "2026-11-20")
    assert "azure/gpt-4o at 2026-11-20 00:00 UTC is azure:gpt-4o" in said
    assert "│ cache_read     │ 1.25 " in said
    assert "from: genai-prices" in said
    assert "published: https://azure.microsoft.com/" in said
    assert "price changes: 2025-06-10" in run("show", "o3")
    assert "│ 0.625 " in run("show", "gpt-5", "--provider", "openai", "--tier", "flex")
    mine = run("show", "prod-chat", prices_file="models: [{model: prod-chat, gpu_hour_usd: 2.5}]")
    assert "for each hour of a call: 2.5 US dollars" in mine
    assert "from: your price file (override " in mine
    with pytest.raises(ConfigurationError, match="no list has gpt-99"):
        run("show", "gpt-99")


# The embedded engine ------------------------------------------------------------------------------

HOLD = """
import sys
from clickhouse.client import claim, connect, parse_address
from clickhouse.migrate import Retention, migrate
address = parse_address(sys.argv[1])
migrate(address, Retention(spans_days=30, content_days=7, minutes_days=14, hours_days=400))
client = connect(address)
client.command(
    "INSERT INTO otel_traces (Timestamp, TraceId, SpanId, SpanClass, UsageRole, UsageSource, "
    "Provider, RequestModel, Model, TokensInput, TokensOutput, UnpricedReason) SELECT "
    "now64(9) - 60, '1', toString(number), 'call', 'own', 'reported', 'openai', 'prod-chat', "
    "'prod-chat', 1000, 1000, 'unknown_model' FROM numbers(3)"
)
print("ready", flush=True)
sys.stdin.readline()
client.close()
claimed = claim(address)
print("claimed", flush=True)
sys.stdin.readline()
"""


def test_the_embedded_engine(tmp_path: Path) -> None:
    """It belongs to a running service; once that is stopped, prices are corrected there too."""
    url = f"chdb:{tmp_path / 'engine'}"
    file = tmp_path / "prices.yaml"
    file.write_text(ALIASED)

    def prices(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "exporter", "prices", *arguments],
            env={
                "LLM_OBSERVATORY_CLICKHOUSE_URL": url,
                "LLM_OBSERVATORY_PRICES_FILE": str(file),
                "PYTHONPATH": str(Path(__file__).parents[2]),
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    nothing = prices("check")
    assert (nothing.returncode, "there is nothing at" in nothing.stderr) == (2, True)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, url],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
    ) as service:  # fmt: skip
        assert service.stdin is not None
        assert service.stdout is not None
        assert service.stdout.readline() == "ready\n"
        taken = prices("reprice", "--since", "1d")
        assert (taken.returncode, "stop the service first" in taken.stderr) == (2, True)
        # The service claims the folder before it opens it.
        service.stdin.write("\n")
        service.stdin.flush()
        assert service.stdout.readline() == "claimed\n"
        taken = prices("reprice", "--since", "1d")
        assert (taken.returncode, "is used by another process" in taken.stderr) == (2, True)
        service.communicate("\n")
    done = prices("reprice", "--since", "1d")
    assert "3 of 3 calls have another price: $0.000000 before, $0.037500 now" in done.stdout, done
    assert "0 of 3 calls" in prices("reprice", "--since", "1d").stdout
