"""The usage that is answered: the tables by minute, the spans and the metrics say the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from clickhouse.client import Writer, connect, parse_address
from clickhouse.migrate import Retention, migrate
from clickhouse.reads.session import ReadLimits, ReadPool
from exporter.cancellation import Cancellation
from exporter.errors import WrongQueryError
from exporter.metrics.exposition import WorkloadCollector
from exporter.query.asked import About, Grouping, Page, Tables, TimeRange
from exporter.query.dimensions import DIMENSIONS, selected
from exporter.query.usage import Summary, Usage
from exporter.questions.kept import Kept
from exporter.questions.usage import UsageQuestions
from exporter.spans.batch import SpanBatch
from exporter.spans.rows import rows
from exporter.spans.schema import COST_COLUMNS, TOKEN_KINDS
from tests.support.clickhouse_http import ClickHouseServer
from tests.support.otlp import ERROR, NOON_NS, NS, OK
from tests.support.service import store_url
from tests.unit.pipeline import chat
from tests.unit.test_metrics import observer, price

HOUR_NS = 3600 * NS
MINUTE_NS = 60 * NS
RETENTION = Retention(spans_days=3650, content_days=3650, minutes_days=3650, hours_days=3650)
TABLES = ("otel_traces", "llm_content", "llm_usage_1m", "llm_usage_1h", "otel_traces_trace_id_ts")
HOURS = TimeRange(NOON_NS, NOON_NS + 3 * HOUR_NS)
MINUTES = TimeRange(NOON_NS, NOON_NS + 185 * MINUTE_NS)
# What the two sources must agree on to the last digit; percentiles are approximate in both.
EXACT = [
    name
    for name in Usage.model_fields
    if not name.startswith(("duration_p", "ttft_")) and name != "requests_per_second"
]
MODELS = ["gpt-4o", "gpt-4o-mini", "mystery-9", "=cmd|' /C calc'!A0"]


class Scene:
    """A store that each test fills anew, and who answers from it."""

    def __init__(self, client: Client, server: ClickHouseServer) -> None:
        self._client = client
        address = parse_address(store_url(server))
        self.pool = ReadPool(
            lambda: connect(address), size=2, wait_max_s=30, limits=ReadLimits(time_max_s=60)
        )
        self.kept = Kept.of(spans=3650, content=3650, minutes=3650, hours=3650)
        self.usage = UsageQuestions(self.pool, self.kept)

    def fill(self, batch: SpanBatch | None) -> None:
        for table in TABLES:
            self._client.command(f"TRUNCATE TABLE {table}")
        if batch is not None:
            for table, content in rows(batch).tables.items():
                Writer(self._client).insert_arrow(table, content, {})


@pytest.fixture(scope="module")
def scene(clickhouse: ClickHouseServer) -> Iterator[Scene]:
    address = parse_address(store_url(clickhouse))
    migrate(address, RETENTION)
    with closing(connect(address)) as client:
        yield Scene(client, clickhouse)


def call(number: int, made: dict[str, Any]) -> Span:
    attributes: dict[str, Any] = {
        "gen_ai.request.model": made["model"],
        "gen_ai.provider.name": made["provider"],
        "user.id": made["user"],
        "llm_observatory.feature": made["feature"],
        "feature": made["feature"],
    }
    if made["tokens"] is not None:
        attributes["gen_ai.usage.input_tokens"] = made["tokens"][0] + made["tokens"][1]
        attributes["gen_ai.usage.cache_read.input_tokens"] = made["tokens"][1]
        attributes["gen_ai.usage.output_tokens"] = made["tokens"][2]
    else:
        attributes["gen_ai.input.messages"] = (
            '[{"role":"user","parts":[{"type":"text","content":"some words to count"}]}]'
        )
    if made["first"] is not None:
        attributes["gen_ai.response.time_to_first_chunk"] = made["first"]
    if made["failed"]:
        attributes["error.type"] = "RateLimitError"
    return chat(
        attributes,
        number=number,
        trace=number % 5 + 1,
        start_ns=NOON_NS + made["at_ns"],
        duration_ns=made["duration_ns"],
        status=ERROR if made["failed"] else OK,
    )


CALLS = st.lists(
    st.fixed_dictionaries(
        {
            "model": st.sampled_from(MODELS),
            "provider": st.sampled_from(["openai", "azure.ai.openai"]),
            "user": st.sampled_from(["", "u1", "u2"]),
            "feature": st.sampled_from(["", "search"]),
            "tokens": st.none()
            | st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**5)),
            "first": st.none() | st.floats(0.001, 30),
            "failed": st.booleans(),
            # At the edges of minutes and hours, and anywhere between.
            "at_ns": st.sampled_from([0, MINUTE_NS - 1, MINUTE_NS, HOUR_NS - 1, HOUR_NS])
            | st.integers(0, 3 * HOUR_NS - 1),
            "duration_ns": st.integers(0, 400 * NS),
        }
    ),
    min_size=1,
    max_size=25,
)
SLOWLY = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def priced(made: list[dict[str, Any]]) -> SpanBatch:
    return price(*(call(number, each) for number, each in enumerate(made, 1)))


def exact(row: Usage) -> dict[str, Any]:
    return {name: getattr(row, name) for name in EXACT}


def summary(scene: Scene, about: About, tables: Tables) -> tuple[str, Summary]:
    found = scene.usage.summary(about, tables, Cancellation())
    return found.source, found.rows[0]


@SLOWLY
@given(CALLS)
def test_hours_minutes_spans_and_metrics_add_up_to_the_same(
    scene: Scene, made: list[dict[str, Any]]
) -> None:
    batch = priced(made)
    scene.fill(batch)
    answers = [
        summary(scene, About(HOURS), Tables.AUTO),
        summary(scene, About(MINUTES), Tables.AUTO),
        summary(scene, About(HOURS), Tables.SPANS),
        # A minute's start and end are not to the nanosecond: widened, they are.
        summary(scene, About(TimeRange(NOON_NS + 1, HOURS.end_ns - 1)), Tables.ROLLUP),
    ]
    assert [source for source, _ in answers] == [
        "llm_usage_1h",
        "llm_usage_1m",
        "otel_traces",
        "llm_usage_1h",
    ]
    first = answers[0][1]
    assert all(exact(row) == exact(first) for _, row in answers)
    assert_metrics_agree(batch, first)


def assert_metrics_agree(batch: SpanBatch, row: Summary) -> None:
    observe = observer()
    observe(batch)
    samples = [s for family in WorkloadCollector(observe).collect() for s in family.samples]

    def total(name: str, **labels: str) -> float:
        return sum(
            s.value for s in samples if s.name == name and labels.items() <= s.labels.items()
        )

    assert row.requests == total("llm_requests_total")
    assert row.errors == total("llm_requests_total", status="error")
    assert row.unpriced_requests == total("llm_unpriced_requests_total")
    assert row.requests_without_usage == total("llm_requests_without_usage_total")
    assert row.tokens_total == total("llm_tokens_total")
    for kind in TOKEN_KINDS:
        assert getattr(row, f"tokens_{kind.name}") == total(
            "llm_tokens_total", token_type=kind.name
        )
    nano = round(total("llm_cost_usd_total") * 1e9)
    assert int((row.cost_usd or Decimal(0)).scaleb(9)) == nano
    for part in COST_COLUMNS:
        found = getattr(row, f"cost_{part}_usd")
        assert int(found.scaleb(9)) == round(total("llm_cost_usd_total", cost_type=part) * 1e9)
    estimated = round(total("llm_estimated_cost_usd_total") * 1e9)
    assert int(row.estimated_cost_usd.scaleb(9)) == estimated


SUMS = ("requests", "errors", "tokens_total", "unpriced_requests", "estimated_cost_usd")


@SLOWLY
@given(
    CALLS,
    st.lists(st.sampled_from(sorted(DIMENSIONS)), max_size=3, unique=True),
    st.sampled_from(["", "{model=~'gpt.*'}", '{status!="error"}', '{user_id="u1"}']),
    st.tuples(
        st.sampled_from([0, 60, 3600]),
        st.sampled_from(["cost", "requests", "errors", "tokens", "duration"]),
    ),
    st.integers(1, 4),
)
def test_groups_page_by_page_add_up_to_the_summary(  # noqa: PLR0917
    scene: Scene,
    made: list[dict[str, Any]],
    by: list[str],
    query: str,
    steps_and_order: tuple[int, str],
    limit: int,
) -> None:
    scene.fill(priced(made))
    about = About(HOURS, selected(query.replace("'", '"')))
    grouping = Grouping(tuple(by), *steps_and_order)
    whole = scene.usage.groups(about, Page(1000), grouping, Tables.AUTO, Cancellation())
    paged: list[Any] = []
    after = None
    while True:
        page = Page(limit, after)
        found = scene.usage.groups(about, page, grouping, Tables.AUTO, Cancellation())
        paged += found.rows
        assert len(found.rows) <= limit
        assert found.source == whole.source
        after = found.next
        if after is None:
            break
    assert paged == whole.rows
    keys = [tuple(getattr(row, name) for name in (*by, "time")) for row in paged]
    assert len(set(keys)) == len(keys)
    _, one = summary(scene, about, Tables.SPANS)
    for name in SUMS:
        assert sum(getattr(row, name) for row in paged) == getattr(one, name)
    assert sum(row.cost_usd or 0 for row in paged) == (one.cost_usd or 0)


def test_a_summary_is_compared_with_the_time_of_the_same_length_before(scene: Scene) -> None:
    made = {
        "model": "gpt-4o",
        "provider": "openai",
        "user": "",
        "feature": "",
        "first": 0.5,
        "failed": False,
        "duration_ns": NS,
    }
    small = made | {"tokens": (100, 0, 0), "at_ns": 0}
    large = made | {"tokens": (300, 100, 0), "at_ns": HOUR_NS}
    scene.fill(priced([small, large, large]))
    range_ = TimeRange(NOON_NS + HOUR_NS, NOON_NS + 2 * HOUR_NS)
    for tables in (Tables.AUTO, Tables.SPANS):
        _, row = summary(scene, About(range_), tables)
        shown = row.model_dump()
        assert (row.requests, shown["previous_requests"], shown["change_requests"]) == (2, 1, 1.0)
        # 300 at $2.50 and 100 at $1.25 a million, twice.
        assert row.cost_usd == Decimal("0.00175")
        assert shown["previous_cost_usd"] == Decimal("0.00025")
        assert shown["change_cost_usd"] == 6.0
        assert row.cache_savings_usd == Decimal("0.00025")
        assert row.duration_p50_s == 1
    assert row.ttft_p50_s == Decimal("0.5")


@pytest.mark.parametrize("tables", [Tables.SPANS, Tables.ROLLUP])
def test_more_models_than_are_held_leave_out_only_what_caches_saved(
    scene: Scene, tables: Tables
) -> None:
    made = {
        "provider": "openai",
        "user": "",
        "feature": "",
        "first": 0.5,
        "failed": False,
        "tokens": (100, 50, 10),
        "at_ns": 0,
        "duration_ns": NS,
    }
    scene.fill(priced([made | {"model": model} for model in ("gpt-4o", "gpt-4o-mini")]))
    asked = (About(HOURS), tables, Cancellation())
    (whole,) = scene.usage.summary(*asked).rows
    (cut,) = UsageQuestions(scene.pool, scene.kept, models_max=2).summary(*asked).rows
    assert whole.cache_savings_usd is not None
    assert cut.cache_savings_usd is None
    assert cut.requests == 2
    assert cut == whole.model_copy(update={"cache_savings_usd": None})


def test_first_tokens_by_bucket_are_in_the_bucket_that_they_are_in(scene: Scene) -> None:
    made = {
        "model": "gpt-4o",
        "provider": "openai",
        "user": "",
        "feature": "",
        "failed": False,
        "tokens": (1, 0, 1),
        "at_ns": 0,
        "duration_ns": NS,
    }
    scene.fill(priced([made | {"first": 0.5}] * 3))
    source, row = summary(scene, About(HOURS), Tables.AUTO)
    assert source == "llm_usage_1h"
    # The bucket from 0.32 to 0.64 seconds.
    assert row.ttft_p50_s is not None
    assert Decimal("0.32") < row.ttft_p50_s <= Decimal("0.64")


def test_no_calls_are_zero_requests_and_nothing_known_of_their_time(scene: Scene) -> None:
    scene.fill(None)
    _, row = summary(scene, About(HOURS), Tables.AUTO)
    assert (row.requests, row.cost_usd, row.duration_p50_s, row.error_ratio) == (0, 0, None, None)


def test_a_model_without_a_price_has_no_cost_instead_of_0(scene: Scene) -> None:
    made = {
        "model": "mystery-9",
        "provider": "openai",
        "user": "",
        "feature": "",
        "failed": False,
        "tokens": (1, 0, 1),
        "first": None,
        "at_ns": 0,
        "duration_ns": NS,
    }
    scene.fill(priced([made]))
    found = scene.usage.models(About(HOURS), Page(10), "cost", Tables.AUTO, Cancellation())
    assert [(row.model, row.cost_usd, row.unpriced_ratio) for row in found.rows] == [
        ("mystery-9", None, 1.0)
    ]


@pytest.mark.parametrize(
    ("by", "query"), [(("user_id",), ""), (("model",), '{session_id="s"}'), (("outcome",), "")]
)
def test_what_the_usage_by_minute_does_not_have_is_not_guessed(
    scene: Scene, by: tuple[str, ...], query: str
) -> None:
    about = About(HOURS, selected(query))
    with pytest.raises(WrongQueryError, match="leave out source=rollup"):
        scene.usage.groups(about, Page(1), Grouping(by), Tables.ROLLUP, Cancellation())
    found = scene.usage.groups(about, Page(1), Grouping(by), Tables.AUTO, Cancellation())
    assert found.source == "otel_traces"


DAY_NS = 24 * HOUR_NS


@pytest.mark.parametrize(
    ("days_ago", "within", "source", "is_missing"),
    [
        pytest.param(1, MINUTES, "llm_usage_1m", False, id="kept by minute"),
        pytest.param(20, MINUTES, "otel_traces", False, id="spans are kept for longer"),
        pytest.param(40, MINUTES, "otel_traces", True, id="neither is kept"),
        pytest.param(40, HOURS, "llm_usage_1h", False, id="whole hours are"),
        pytest.param(500, HOURS, "llm_usage_1h", True, id="nothing is"),
    ],
)
def test_what_is_deleted_is_said_to_be_missing(
    scene: Scene, days_ago: int, within: TimeRange, source: str, is_missing: bool
) -> None:
    days = Kept.of(spans=30, content=7, minutes=14, hours=400).days
    kept = Kept(days=days, clock=lambda: NOON_NS + days_ago * DAY_NS)
    usage = UsageQuestions(scene.pool, kept)
    found = usage.groups(About(within), Page(1), Grouping(("model",)), Tables.AUTO, Cancellation())
    assert (found.source, found.missing_before_ns is not None) == (source, is_missing)
    if is_missing:
        assert found.missing_before_ns == kept.clock() - days[source] * DAY_NS
