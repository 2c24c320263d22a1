"""Whatever is stored, a flame graph and a series add up to what the rows say."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clickhouse.client import Writer, connect, parse_address
from clickhouse.migrate import Retention, migrate
from clickhouse.reads.session import ReadLimits, ReadPool
from exporter.cancellation import Cancellation
from exporter.genai.attribution.memory import TraceMemory
from exporter.query.flame.profile_types import BY_NAME
from exporter.query.profiles.request import ProfileQuery, SeriesQuery, selection_of, time_of
from exporter.questions.profiles import ProfileLimits, ProfileQuestions
from exporter.spans.rows import rows
from exporter.spans.schema import TOKEN_KINDS
from tests.support.clickhouse_http import ClickHouseServer
from tests.support.otlp import ERROR, NS, request, span
from tests.support.service import store_url
from tests.unit.pipeline import DECODER, NORMALISE, PRICE

MODELS = ("gpt-4o", "gpt-4o-mini", "no-such-model")
NOW_NS = time.time_ns()
# Every example has traces of its own in a table that all examples fill.
NUMBERS = itertools.count(1)


class Sent(NamedTuple):
    """A span: a call of a model, or else a tool."""

    parent: int
    model: str
    tokens: int
    start_s: int
    failed: bool


SPANS = st.lists(
    st.builds(
        Sent,
        # A parent may be missing, come later or be the span itself.
        parent=st.integers(0, 9),
        model=st.sampled_from([*MODELS, ""]),
        tokens=st.integers(0, 5000),
        start_s=st.integers(-200, 0),
        failed=st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


class Store(NamedTuple):
    """A store, and questions about it."""

    client: Any
    questions: ProfileQuestions


@pytest.fixture(scope="module")
def store(clickhouse: ClickHouseServer) -> Iterator[Store]:
    address = parse_address(store_url(clickhouse))
    migrate(address, Retention(spans_days=30, content_days=7, minutes_days=14, hours_days=400))
    pool = ReadPool(lambda: connect(address), size=1, wait_max_s=60, limits=ReadLimits())
    limits = ProfileLimits(spans_max=10_000, minutes_days=14)
    with closing(connect(address)) as client:
        yield Store(client, ProfileQuestions(pool, limits))


def insert(client: Any, sent: list[Sent], trace: int, copies: int) -> None:
    """Store a trace as the service does, the copies as a sender's repetition."""
    memory = TraceMemory(max_spans=1000, max_age_s=60)
    spans = [_span(each, number, trace) for number, each in enumerate(sent, start=1)]
    for _ in range(copies):
        batch, _ = DECODER.decode([request(*spans)], NOW_NS)
        batch = NORMALISE(batch)
        memory.remember(batch, 0.0)
        tables = rows(PRICE(memory.attribute(batch))).tables
        Writer(client).insert_arrow("otel_traces", tables["otel_traces"], {})


def _span(sent: Sent, number: int, trace: int) -> Any:
    call = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": sent.model,
        "gen_ai.provider.name": "openai",
        "gen_ai.response.id": f"{trace}-{number}",
        "gen_ai.usage.input_tokens": sent.tokens,
        "gen_ai.usage.output_tokens": sent.tokens // 3,
    }
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
    return span(
        call if sent.model else tool,
        number=number,
        trace=trace,
        parent=sent.parent,
        start_ns=NOW_NS + sent.start_s * NS,
        duration_ns=(number % 3) * NS,
        status=ERROR if sent.failed else 0,
    )


TOKENS = " + ".join(f"ifNull({kind.column}, 0)" for kind in TOKEN_KINDS)
# What each profile type adds up, as a person would ask the table.
BY_HAND = {
    "cost": "ifNull(toInt64(sumIf(CostUsd, UsageRole = 'own') * 1000000000), 0)",
    "tokens": f"toInt64(sumIf({TOKENS}, UsageRole = 'own'))",
    "calls": "toInt64(countIf(UsageRole = 'own'))",
    "errors": (
        "toInt64(uniqExactIf(SpanId, Status = 'error' "
        "AND (UsageRole = 'own' OR SpanClass = 'tool')))"
    ),
}


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sent=SPANS, copies=st.integers(1, 2), model=st.sampled_from(["", *MODELS]))
def test_flame_graphs_and_series_add_up_to_the_rows(
    store: Store, sent: list[Sent], copies: int, model: str
) -> None:
    trace = next(NUMBERS)
    insert(store.client, sent, trace, copies)
    condition = f"TraceId = '{trace:032x}'" + (f" AND Model = '{model}'" if model else "")
    selector = f'{{trace_id="{trace:032x}"' + (f',model="{model}"}}' if model else "}")
    columns = ", ".join(BY_HAND.values())
    expected = store.client.query(f"SELECT {columns} FROM otel_traces WHERE {condition}")
    now_ms = NOW_NS // 10**6
    for name, want in zip(BY_HAND, expected.result_rows[0], strict=True):
        query = ProfileQuery(
            kind=BY_NAME[name],
            time=time_of(now_ms - 300_000, now_ms + 10_000),
            selection=selection_of(selector),
        )
        tree = store.questions.flame_graph(query, Cancellation())
        assert tree.total[0] == want, name
        levels = selection_of(selector.replace("{", '{__group_by__="tool,model",'))
        grouped = ProfileQuery(kind=query.kind, time=query.time, selection=levels)
        assert store.questions.flame_graph(grouped, Cancellation()).total[0] == want, name
        series = store.questions.series(
            SeriesQuery(profile=query, step_ns=60 * NS, group_by=("model",)), Cancellation()
        )
        assert sum(sum(each.values) for each in series) == want, name


def test_usage_by_minute_says_the_same_as_the_spans(store: Store) -> None:
    """The table of minutes is read for whole minutes; here it would show if it were not."""
    now_ms = NOW_NS // 10**6
    insert(store.client, [Sent(0, "gpt-4o", 900, -150, False)], next(NUMBERS), 1)
    query = SeriesQuery(
        profile=ProfileQuery(
            kind=BY_NAME["cost"],
            time=time_of(now_ms - 300_000, now_ms + 10_000),
            selection=selection_of('{model="gpt-4o"}'),
        ),
        step_ns=60 * NS,
    )
    before = store.questions.series(query, Cancellation())
    store.client.command("ALTER TABLE llm_usage_1m DELETE WHERE 1 SETTINGS mutations_sync = 2")
    after = store.questions.series(query, Cancellation())
    from_spans = store.questions.series(
        SeriesQuery(profile=query.profile, step_ns=query.step_ns, group_by=("span_name",)),
        Cancellation(),
    )
    whole = sum(before[0].values)
    assert whole == sum(sum(each.values) for each in from_spans)
    assert sum(sum(each.values) for each in after) < whole
