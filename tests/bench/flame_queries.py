"""Ask a service about a million spans, and print how long flame graphs and series take.

    python -m tests.bench.flame_queries [--spans 1000000] [--seconds 20]

The spans are those of one hour, ten to a trace, in the embedded engine. Each question goes over
HTTP in protobuf, as Grafana sends it; beside it stands a bare scan of the columns that it reads.
At the end spans are sent as fast as they are taken, without questions and beside flame graphs of
all spans, and the rates are compared. The best of several runs is shown: compare ratios within a
run.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from clickhouse.client import connect, parse_address
from clickhouse.migrate import Retention, migrate
from exporter.api.pyroscope.messages import new
from tests.bench.write_path import SPANS_PER_REQUEST, shop_request
from tests.support.pyroscope import PROTO, PyroscopeApi, profile
from tests.support.service import PROTOBUF, Answer, http, running_service

HOUR_NS = 3600 * 10**9
RUNS = 5
_BLOCK = 50_000
_MODELS = "['gpt-4o', 'gpt-4o-mini', 'claude-sonnet-4-5', 'gemini-2.5-flash', 'o3']"
_PROVIDERS = "['openai', 'openai', 'anthropic', 'gcp.gemini', 'openai']"

# Ten spans a trace: a request, a chain, two agents, a tool, a retriever and four calls.
_FILL = f"""
INSERT INTO otel_traces (
    Timestamp, TraceId, SpanId, ParentSpanId, SpanName, SpanKind, ServiceName, ResourceAttributes,
    SpanAttributes, Duration, StatusCode, SpanClass, Operation, Provider, RequestModel,
    ResponseModel, Model, Status, Outcome, UsageRole, UsageSource, TokensInput, TokensOutput,
    CostUsd, CostSource, Feature, Environment, Release, Agent, Tool)
WITH
    intDiv(number, 10) AS t,
    number % 10 AS k,
    {{start_ns:Int64}} + intDiv(t * {HOUR_NS}, {{traces:Int64}}) AS t0,
    [0, 0, 1, 2, 2, 2, 2, 6, 1, 2][k + 1] AS p,
    ['', 'chain', 'agent', 'call', 'tool', 'call', 'agent', 'call', 'retriever', 'call'][k + 1]
        AS class,
    class = 'call' AS call,
    sipHash64(number, 3) % 5 + 1 AS which,
    if(call, {_MODELS}[which], '') AS model,
    (a, b) -> leftPad(lower(hex(sipHash64(a, b))), 16, '0') AS id
SELECT
    fromUnixTimestamp64Nano(t0 + k * 10000000),
    lower(hex(sipHash128(t))), id(t, k), if(k = 0, '', id(t, p)),
    multiIf(k = 0, 'POST /chat', call, concat('chat ', model), class),
    if(k = 0, 'Server', 'Client'),
    concat('shop-', toString(t % 8)) AS service,
    map('service.name', service, 'service.version', '1.4'),
    map('number', toString(number), 'session.id', toString(t)),
    1000000000 - k * 50000000 + sipHash64(number) % 40000000,
    if(number % 97 = 0, 'Error', 'Unset'), class, if(call, 'chat', class),
    if(call, {_PROVIDERS}[which], ''), model, model, model,
    if(number % 97 = 0, 'error', 'ok'), if(class = '', '', 'ok'),
    if(call, 'own', ''), if(call, 'reported', ''),
    if(call, 100 + sipHash64(number) % 10000, NULL),
    if(call, 10 + sipHash64(number, 1) % 1000, NULL),
    if(call, toDecimal64(1 + sipHash64(number) % 100000, 9) / 1000000, NULL),
    if(call, 'computed', ''),
    ['chat', 'search', 'summary'][t % 3 + 1], 'production', ['1.4', '1.5'][t % 2 + 1],
    if(class = 'agent', ['planner', 'worker', 'critic'][k % 3 + 1], ''),
    if(class = 'tool', 'search', '')
FROM numbers({{first:UInt64}}, {{count:UInt64}})
"""

_IDS = "max(cityHash64(TraceId)), max(unhex(SpanId)), max(unhex(ParentSpanId))"
_TEXTS = "max(SpanClass), max(Model), max(Agent), max(Tool), max(SpanName), max(SpanKind)"
_PATHS = f"{_IDS}, max(Timestamp), max(Duration), max(UsageRole), {_TEXTS}"
_TRACES = "TraceId IN (SELECT TraceId FROM otel_traces WHERE Model = 'gpt-4o')"

# Name, procedure, profile type, selector, other fields; the bare scan.
QUESTIONS: tuple[tuple[str, str, str, str, dict[str, object], str], ...] = (
    ("cost, every span", "SelectMergeStacktraces", "cost", "{}", {}, f"{_PATHS}, sum(CostUsd)"),
    ("cost, one model", "SelectMergeStacktraces", "cost", '{model="gpt-4o"}', {},
     f"{_PATHS}, sum(CostUsd) FROM otel_traces WHERE {_TRACES}"),
    ("wall time, every span", "SelectMergeStacktraces", "wall", "{}", {}, _PATHS),
    ("work, every span", "SelectMergeStacktraces", "work", "{}", {}, _PATHS),
    ("tokens by feature, model, type", "SelectMergeStacktraces", "tokens",
     '{__group_by__="feature,model,token_type"}', {},
     "max(Feature), max(Model), sum(TokensInput), sum(TokensOutput)"),
    ("series of cost by model", "SelectSeries", "cost", "{}", {"step": 60.0, "group_by": ["model"]},
     "max(Timestamp), max(Model), sum(CostUsd)"),
    ("series of errors", "SelectSeries", "errors", "{}", {"step": 15.0},
     "max(Timestamp), countIf(Status = 'error'), max(SpanClass)"),
    ("heat map of cost", "SelectHeatmap", "cost", "{}", {"step": 60.0}, f"{_PATHS}, sum(CostUsd)"),
    ("label names", "LabelNames", "", "", {}, f"{_TEXTS}, max(TraceId), max(SpanId)"),
    ("values of model", "LabelValues", "", "", {"name": "model"}, "max(Model)"),
)  # fmt: skip


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--fill", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    start_ns = time.time_ns() // HOUR_NS * HOUR_NS - HOUR_NS
    if options.fill is not None:
        _fill(options.fill, options.spans, start_ns)
        return
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        # In a process of its own: an engine's folder belongs to one process at a time.
        command = [sys.executable, "-m", "tests.bench.flame_queries"]
        filled = subprocess.run(
            [*command, "--fill", directory / "engine", "--spans", str(options.spans)],
            check=True,
            capture_output=True,
            text=True,
        )
        scans = [float(line) for line in filled.stdout.split()]
        with running_service(directory, clickhouse_url=f"chdb:{directory / 'engine'}") as service:
            api = PyroscopeApi(f"{service.endpoints.api}/pyroscope")
            print(f"{options.spans:,} spans of one hour; milliseconds, the best of {RUNS}")
            print(f"{'question':34}{'answer':>9}{'scan':>9}{'bytes':>10}")
            for question, scan in zip(QUESTIONS, scans, strict=True):
                body = _body(question, start_ns)
                ms, size = _best(lambda: api.post(question[1], body, PROTO).body)  # noqa: B023
                print(f"{question[0]:34}{ms:9,.0f}{scan:9,.0f}{size:10,}")
            _beside_ingest(api, service.traces_url, options.seconds, start_ns)


def _fill(path: Path, spans: int, start_ns: int) -> None:
    """Store the spans, then print how long each bare scan takes."""
    address = parse_address(f"chdb:{path}")
    migrate(address, Retention(spans_days=30, content_days=7, minutes_days=14, hours_days=400))
    with closing(connect(address)) as client:
        for first in range(0, spans, _BLOCK):
            count = min(_BLOCK, spans - first)
            values = {"start_ns": start_ns, "traces": spans // 10, "first": first, "count": count}
            client.command(_FILL, parameters=values)
        for question in QUESTIONS:
            columns = question[-1]
            source = "" if " FROM " in columns else " FROM otel_traces"
            sql = f"SELECT {columns}{source}"
            print(_best(lambda: bytes(client.query(sql).row_count))[0])  # noqa: B023


def _body(question: Sequence[object], start_ns: int) -> bytes:
    _, method, name, selector, fields, _ = question
    package = "types" if str(method).startswith("Label") else "querier"
    asked = new(f"{package}.v1.{method}Request", **fields)  # type: ignore[arg-type]
    asked.start, asked.end = start_ns // 10**6, (start_ns + HOUR_NS) // 10**6
    if name:
        asked.profile_typeID, asked.label_selector = profile(str(name)), selector
    return asked.SerializeToString()


def _best(ask: Callable[[], bytes]) -> tuple[float, int]:
    """Return the shortest time in milliseconds and the size of the answer."""
    best, size = float("inf"), 0
    for _ in range(RUNS):
        begin = time.perf_counter()
        size = len(ask())
        best = min(best, (time.perf_counter() - begin) * 1000)
    return best, size


def _beside_ingest(api: PyroscopeApi, traces_url: str, seconds: float, start_ns: int) -> None:
    """Print how many spans are taken a second, without questions and with flame graphs of all."""
    requests = _fresh_requests()
    _ingest(traces_url, requests, seconds / 4)
    alone = _ingest(traces_url, requests, seconds)
    print(f"ingest alone {alone:,.0f} spans/s")
    body = _body(QUESTIONS[0], start_ns)
    for pause_s in (10.0, 0.0):
        with _asking(lambda: api.post("SelectMergeStacktraces", body, PROTO), pause_s) as answers:
            beside = _ingest(traces_url, requests, seconds)
        slower = 100 * (1 - beside / alone)
        how_often = f"every {pause_s:.0f} s" if pause_s else "one after another"
        print(f"ingest beside flame graphs {how_often}: {beside:,.0f} spans/s", end="")
        print(f", {slower:.0f} % slower ({len(answers)} answered)")


@contextmanager
def _asking(ask: Callable[[], Answer], pause_s: float) -> Generator[list[Answer]]:
    """Ask again and again until the block ends."""
    stop = threading.Event()
    answers: list[Answer] = []

    def keep_asking() -> None:
        while not stop.wait(pause_s):
            answers.append(ask())
            assert answers[-1].status == 200, answers[-1]

    asking = threading.Thread(target=keep_asking)
    asking.start()
    try:
        yield answers
    finally:
        stop.set()
        asking.join()


def _fresh_requests() -> Iterator[bytes]:
    """Give export requests without end, no span twice."""
    seeds = [shop_request(seed, time.time_ns()) for seed in range(8)]
    number = 0
    while True:
        for request in seeds:
            mark = b"\xfe" + number.to_bytes(4, "big")
            yield request.replace(b"\xfeSTEP", mark).replace(b"@STEP", f"{number:05d}".encode())
            number += 1


def _ingest(url: str, requests: Iterator[bytes], seconds: float) -> float:
    """Send for a time from two threads; return the spans a second that were taken."""
    assert urlsplit(url).hostname
    lock = threading.Lock()
    end = time.perf_counter() + seconds
    taken = [0, 0]

    def send(sender: int) -> None:
        while time.perf_counter() < end:
            with lock:
                body = next(requests)
            answer = http(url, body, {"Content-Type": PROTOBUF})
            taken[sender] += SPANS_PER_REQUEST if answer.status == 200 else 0

    begin = time.perf_counter()
    senders = [threading.Thread(target=send, args=(number,)) for number in range(len(taken))]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    return sum(taken) / (time.perf_counter() - begin)


if __name__ == "__main__":
    main()
