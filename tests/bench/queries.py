"""Ask a million stored spans what Grafana and the data API ask; each beside a bare scan.

    python -m tests.bench.queries [--spans 1000000] [--keep DIRECTORY]

The spans are those of million.sql, ten to a trace, within an hour, and one trace of 10,000 spans.
A question is everything between the API's parameters and its answer; the scan reads the columns
that the question cannot do without. Figures are the best of five runs on one machine: compare
ratios within a run.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from clickhouse.client import Writer, connect, parse_address
from clickhouse.migrate import Retention, migrate
from clickhouse.reads.session import ReadLimits, ReadPool
from exporter.api.tempo import answers, parameters
from exporter.cancellation import Cancellation
from exporter.query.asked import About, Page, Tables, TimeRange
from exporter.questions.kept import Kept
from exporter.questions.lists import ListQuestions
from exporter.questions.search import SearchQuestions
from exporter.questions.series import SeriesQuestions
from exporter.questions.tags import TagQuestions
from exporter.questions.traces import TraceQuestions
from exporter.questions.usage import UsageQuestions
from exporter.spans.rows import rows
from tests.support.otlp import NS, request
from tests.unit.pipeline import DECODER, NORMALISE, PRICE, chat

_RUNS = 5
_RETENTION = Retention(spans_days=3650, content_days=3650, minutes_days=3650, hours_days=3650)
_STEP = 250_000
_BIG_TRACE, _BIG_SPANS = 0xB16, 10_000
_HOUR_NS = 3600 * NS
_MILLION = (Path(__file__).parent / "million.sql").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Line:
    """One line of the table: what is asked, and the least that has to be read for it."""

    name: str
    question: Callable[[], Any]
    bare: str
    target_ms: float | None = None


@dataclass(frozen=True)
class Store:
    """The spans, and who asks."""

    client: Client
    pool: ReadPool
    start_ns: int
    a_trace: str

    @property
    def time(self) -> dict[str, str]:
        return {"start": str(self.start_ns // NS), "end": str((self.start_ns + _HOUR_NS) // NS)}


def lines(store: Store) -> list[Line]:
    """Return the table."""
    return [
        *(*_traces(store), *_searches(store), *_lists(store)),
        *(*_metrics(store), *_tags(store)),
    ]


def _nothing_is_content(_: str) -> bool:
    return False


def _traces(store: Store) -> list[Line]:
    questions = TraceQuestions(store.pool)
    ask = questions.viewed
    by_id = "SELECT * FROM otel_traces WHERE TraceId = '{}'"
    big = f"{_BIG_TRACE:032x}"
    return [
        Line("trace by id", lambda: ask(store.a_trace, Cancellation()),
             by_id.format(store.a_trace), 30),
        Line("trace of 10,000 spans", lambda: ask(big, Cancellation()), by_id.format(big), 200),
        *(
            Line(f"waterfall of {spans} spans",
                 lambda each=each: questions.spans(each, Page(1000), Cancellation()),
                 f"SELECT SpanId, SpanName, Timestamp, Duration FROM otel_traces "
                 f"WHERE TraceId = '{each}'")
            for each, spans in ((store.a_trace, "10"), (big, "10,000"))
        ),
    ]  # fmt: skip


def _searches(store: Store) -> list[Line]:
    ask = SearchQuestions(store.pool, _nothing_is_content).search
    newest = "SELECT TraceId FROM otel_traces {} ORDER BY Timestamp DESC LIMIT 20"

    def line(q: str, scanned: str, name: str = "") -> Line:
        def question() -> Any:
            asked = parameters.search_of({"q": q} | store.time, time.time_ns())
            return answers.search_json(ask(asked, Cancellation()))

        return Line(name or q, question, scanned, 300)

    def attribute(key: str, compared: str) -> str:
        return newest.format(f"WHERE SpanAttributes['{key}'] {compared}")

    return [
        line("{}", newest.format("")),
        line("{status=error}", newest.format("WHERE StatusCode = 'Error'")),
        line('{resource.service.name="shop-3" && duration>2s}',
             newest.format("WHERE ServiceName = 'shop-3' AND Duration > 2000000000")),
        line('{span.gen_ai.request.model="gpt-4o"}',
             attribute("gen_ai.request.model", "= 'gpt-4o'")),
        line("{span.gen_ai.usage.output_tokens>1990}",
             attribute("gen_ai.usage.output_tokens", "> '1990'")),
        line('{span.session.id="s-77"}', attribute("session.id", "= 's-77'")),
        line('{.nobody="x"}', attribute("nobody", "= 'x'")),
        line("{traceDuration>6.9s}",
             "SELECT TraceId FROM otel_traces GROUP BY TraceId "
             "HAVING max(Timestamp) - min(Timestamp) > 6.9 LIMIT 20"),
        line("{span.observatory.cost_usd>0.0695}", newest.format("WHERE CostUsd > 0.0695")),
        line('{name="POST /chat"} >> {status=error}', newest.format("WHERE StatusCode = 'Error'")),
        line("{} with (top=duration)",
             "SELECT TraceId FROM otel_traces ORDER BY Duration DESC LIMIT 20", "top 20 slowest"),
        line("{} with (top=cost)",
             "SELECT TraceId, sum(CostUsd) FROM otel_traces "
             "GROUP BY TraceId ORDER BY 2 DESC LIMIT 20",
             "top 20 most expensive"),
    ]  # fmt: skip


def _lists(store: Store) -> list[Line]:
    kept = Kept.of(spans=3650, content=3650, minutes=3650, hours=3650)
    about = About(TimeRange(store.start_ns, store.start_ns + _HOUR_NS))
    lists, usage = ListQuestions(store.pool, kept), UsageQuestions(store.pool, kept)
    figures = {"cost": "sum(CostUsd)", "duration": "max(Timestamp) - min(Timestamp)",
               "tokens": "sum(TokensInput) + sum(TokensOutput)"}  # fmt: skip
    return [
        *(
            Line(f"/api/traces by {order}",
                 lambda order=order: lists.traces(about, Page(20), order, Cancellation()),
                 f"SELECT TraceId, {figure} FROM otel_traces GROUP BY TraceId "
                 "ORDER BY 2 DESC LIMIT 20")
            for order, figure in figures.items()
        ),
        Line("/api/summary of spans", lambda: usage.summary(about, Tables.SPANS, Cancellation()),
             "SELECT sum(CostUsd), sum(TokensInput), sum(TokensOutput), sum(Duration) "
             "FROM otel_traces WHERE UsageRole = 'own'"),
    ]  # fmt: skip


def _metrics(store: Store) -> list[Line]:
    ask = SeriesQuestions(store.pool, _nothing_is_content).series

    def line(q: str, value: str, by: str) -> Line:
        def question() -> Any:
            asked = parameters.series_of({"q": q, "step": "60s"} | store.time, 0, instant=False)
            return answers.range_json(ask(asked, Cancellation()))

        scanned = f"SELECT toStartOfMinute(Timestamp), {by}, {value} FROM otel_traces GROUP BY ALL"
        return Line(q, question, scanned)

    def compared() -> Any:
        asked = {"q": "{} | compare({status=error})", "step": "3600s"} | store.time
        found = ask(parameters.series_of(asked, 0, instant=False), Cancellation())
        return answers.range_json(found)

    return [
        line("{} | rate() by(resource.service.name)", "count()", "ServiceName"),
        line("{} | quantile_over_time(duration, .5, .95) by(name)",
             "quantilesExactInclusive(.5, .95)(Duration)", "SpanName"),
        line("{} | sum_over_time(span.observatory.cost_usd) by(span.observatory.model)",
             "sum(CostUsd)", "Model"),
        line("{nestedSetParent<0} | rate()", "count()", "ParentSpanId = ''"),
        Line("{} | compare({status=error})", compared,
             "SELECT StatusCode = 'Error', Key, Text, count() FROM otel_traces "
             "ARRAY JOIN mapKeys(SpanAttributes) AS Key, mapValues(SpanAttributes) AS Text "
             "GROUP BY ALL ORDER BY 4 DESC LIMIT 10 BY 1, 2 LIMIT 1000"),
    ]  # fmt: skip


def _tags(store: Store) -> list[Line]:
    ask = TagQuestions(store.pool, _nothing_is_content)

    def values() -> Any:
        asked = parameters.values_of("resource.service.name", store.time, 0)
        return answers.values_json(ask.values(asked, Cancellation()))

    end_ns = store.start_ns + _HOUR_NS
    return [
        Line("tags", lambda: ask.keys(store.start_ns, end_ns, Cancellation()),
             "SELECT groupUniqArrayArray(mapKeys(SpanAttributes)) FROM otel_traces"),
        Line("values of service.name", values, "SELECT DISTINCT ServiceName FROM otel_traces"),
    ]  # fmt: skip


# The spans ------------------------------------------------------------------------------------


def build(directory: Path, spans: int) -> Store:
    """Return a store of so many spans; one that is in the directory already is taken."""
    address = parse_address(f"chdb:{directory / 'engine'}")
    migrate(
        address, Retention(spans_days=3650, content_days=3650, minutes_days=3650, hours_days=3650)
    )
    client = connect(address)
    pool = ReadPool(lambda: connect(address), size=2, wait_max_s=10.0, limits=ReadLimits())
    if not client.query("SELECT count() FROM otel_traces").result_rows[0][0]:
        _fill(client, spans)
    ((first, a_trace),) = client.query(
        "SELECT toUnixTimestamp64Nano(min(Timestamp)), any(TraceId) FROM otel_traces "
        "WHERE ScopeName = 'bench'"
    ).result_rows
    return Store(client, pool, first - first % _HOUR_NS, a_trace)


def _fill(client: Client, spans: int) -> None:
    start_ns = (time.time_ns() // _HOUR_NS - 1) * _HOUR_NS
    for first in range(0, spans, _STEP):
        part = {"start_ns": start_ns, "first": first, "spans": min(_STEP, spans - first)}
        client.command(_MILLION, parameters=part)
    batch, _ = DECODER.decode([_big_trace(start_ns)], time.time_ns())
    for name, table in rows(PRICE(NORMALISE(batch))).tables.items():
        Writer(client).insert_arrow(name, pa.Table.from_batches([table]), {})
    for table in ("otel_traces", "otel_traces_trace_id_ts"):
        client.command(f"OPTIMIZE TABLE {table} FINAL")


def _big_trace(start_ns: int) -> bytes:
    """Return a trace whose every span is a call, and every fifth has a prompt."""
    prompt = {"gen_ai.input.messages": "what is the answer to this question " * 10}
    return request(
        *(
            chat(
                {
                    "session.id": "s",
                    "gen_ai.response.id": f"r{n}",
                    "gen_ai.response.finish_reasons": ["stop"],
                    "gen_ai.usage.input_tokens": n,
                    "gen_ai.usage.output_tokens": n,
                    **(prompt if n % 5 == 0 else {}),
                },
                trace=_BIG_TRACE,
                number=n,
                parent=n // 2,
                start_ns=start_ns + n * 1000,
            )
            for n in range(1, _BIG_SPANS + 1)
        )
    )


def best_ms(work: Callable[[], Any]) -> float:
    """Return the shortest of some runs."""
    took: list[float] = []
    for _ in range(_RUNS):
        start = time.perf_counter()
        work()
        took.append(time.perf_counter() - start)
    return min(took) * 1000


def main() -> None:
    """Build the spans and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="where the spans are, or are to be")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        begin = time.perf_counter()
        store = build(options.keep or Path(directory), options.spans)
        print(f"{options.spans:,} spans in {time.perf_counter() - begin:.0f} s")
        print(f"{'question':76}{'ms':>8}{'scan ms':>9}{'target':>8}")
        for line in lines(store):
            settings = {"max_threads": 2}
            scan = best_ms(lambda: store.client.query_arrow(line.bare, settings=settings))  # noqa: B023
            target = f"{line.target_ms:.0f}" if line.target_ms else ""
            print(f"{line.name:76}{best_ms(line.question):8.1f}{scan:9.1f}{target:>8}")


if __name__ == "__main__":
    main()
