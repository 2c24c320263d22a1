"""What a batch adds to the metrics, exactly, and what a scrape says of it."""

import gzip
import re
import shutil
import subprocess
import threading
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.samples import Exemplar, Sample

from exporter.genai.estimate import Estimator
from exporter.genai.find import TOKENS_MAX
from exporter.genai.prices.book import PriceBook
from exporter.genai.prices.price_file import Override
from exporter.genai.prices.pricer import Pricer
from exporter.genai.tokenizers import Tokenizers
from exporter.metrics import catalog
from exporter.metrics.cardinality import OVERFLOW, VALUE_MAX_CHARS, LabelLimiter, SeriesTable
from exporter.metrics.catalog import METRICS, MetricType
from exporter.metrics.exposition import WorkloadCollector, render
from exporter.metrics.observe import Observer
from exporter.metrics.service_graph import ServiceGraph
from exporter.spans.batch import SpanBatch
from exporter.spans.schema import COST_COLUMNS, TOKEN_KINDS
from tests.support.otlp import ERROR, NOON_NS, NS, span
from tests.unit.pipeline import PRICE, chat, normalise

MS = NS // 1000
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
CALL = {"service_name": "shop", "provider": "openai", "model": "gpt-4o", "operation": "chat"}
OK = CALL | {"status": "ok"}
NAME = re.compile(r"^[a-z_][a-z0-9_]*$")


ESTIMATE = Estimator(Tokenizers({}), span_max_chars=1000, batch_max_chars=0)


def price(*spans: Span, pricer: Pricer = PRICE, **of_request: Any) -> SpanBatch:
    """Return a priced batch in which missing usage was estimated by the rule of characters."""
    return pricer(ESTIMATE(normalise(*spans, **of_request)))


def observer(**limits: Any) -> Observer:
    limits = {"label_values_max": 1000, "series_max": 5000, **limits}
    graph = ServiceGraph(
        nodes_max=limits["label_values_max"], max_spans=1000, wait_s=1e-9, max_age_s=1e9
    )
    return Observer(**{"graph": graph, **limits})


def registry_of(observe: Observer) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(WorkloadCollector(observe))
    return registry


def observed(*spans: Span, **of_request: Any) -> CollectorRegistry:
    """Return a registry that has seen one batch of these spans."""
    observe = observer()
    observe(price(*spans, **of_request))
    return registry_of(observe)


def samples(registry: CollectorRegistry) -> Iterator[Sample]:
    return (sample for family in registry.collect() for sample in family.samples)


def values(registry: CollectorRegistry, name: str, *by: str) -> dict[Any, float]:
    """Return the values of a metric's samples, added up by some of its labels."""
    found: dict[Any, float] = {}
    for sample in samples(registry):
        if sample.name == name:
            key = tuple(sample.labels[label] for label in by)
            key = key[0] if len(by) == 1 else key
            found[key] = found.get(key, 0) + sample.value
    return found


def tokens(count_in: int, count_out: int = 0, **more: int) -> dict[str, Any]:
    usage = {"gen_ai.usage.input_tokens": count_in, "gen_ai.usage.output_tokens": count_out}
    return usage | {f"gen_ai.usage.{name}": count for name, count in more.items()}


CACHED = {
    "gen_ai.usage.cache_read.input_tokens": 600,
    "gen_ai.usage.reasoning.output_tokens": 40,
}


# 400 + 3 + 3 tokens of input and 40 of output.
TEXT = {"gen_ai.input.messages": "word " * 320, "gen_ai.output.messages": "word " * 32}


def every_kind_of_span() -> list[Span]:
    """Return spans that between them touch every metric."""
    first = {"gen_ai.response.time_to_first_chunk": 0.2}
    return [
        chat(tokens(1000, 100) | CACHED | first, number=1, duration_ns=1280 * MS),
        chat(tokens(500, 50), number=2, duration_ns=1280 * MS + 1),
        chat({"error.type": "429"}, number=3, status=ERROR, duration_ns=5 * MS),
        chat(number=4),
        chat(tokens(7) | {"gen_ai.request.model": "mine"}, number=5),
        chat({"gen_ai.request.model": "mine", "gen_ai.usage.cost": 0.125}, number=6),
        span({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}, number=7),
        span({"gen_ai.operation.name": "execute_tool"}, number=8, status=ERROR),
        span({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "a"}, number=9),
        span({"gen_ai.operation.name": "retrieval"}, number=10),
        span({"gen_ai.operation.name": "invoke_workflow"}, number=11),
        span({"http.route": "/"}, number=12),
        chat(TEXT | {"gen_ai.request.model": "gpt-4o-mini"}, number=13),
    ]


# One batch, by hand ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def registry() -> CollectorRegistry:
    return observed(*every_kind_of_span())


MINE = CALL | {"model": "mine"}
MINI = CALL | {"model": "gpt-4o-mini"}


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("llm_requests_total", OK | {"error_type": "", "outcome": "ok"}, 3),
        (
            "llm_requests_total",
            CALL | {"status": "error", "error_type": "429", "outcome": "rate_limited"},
            1,
        ),
        ("llm_requests_total", MINE | {"status": "ok", "error_type": "", "outcome": "ok"}, 2),
        ("llm_tokens_total", CALL | {"token_type": "input"}, 900),
        ("llm_tokens_total", CALL | {"token_type": "cache_read"}, 600),
        ("llm_tokens_total", CALL | {"token_type": "output"}, 110),
        ("llm_tokens_total", CALL | {"token_type": "reasoning"}, 40),
        ("llm_tokens_total", CALL | {"token_type": "cache_write"}, None),
        ("llm_tokens_total", MINE | {"token_type": "input"}, 7),
        ("llm_tokens_total", MINE | {"token_type": "output"}, 0),
        ("llm_cost_usd_total", CALL | {"cost_type": "input"}, 0.00225),
        ("llm_cost_usd_total", CALL | {"cost_type": "cache_read"}, 0.00075),
        ("llm_cost_usd_total", CALL | {"cost_type": "output"}, 0.0011),
        ("llm_cost_usd_total", CALL | {"cost_type": "reasoning"}, 0.0004),
        ("llm_cost_usd_total", CALL | {"cost_type": "unsplit"}, None),
        ("llm_cost_usd_total", CALL | {"cost_type": "request"}, None),
        ("llm_cost_usd_total", MINE | {"cost_type": "unsplit"}, 0.125),
        ("llm_cost_usd_total", MINE | {"cost_type": "input"}, None),
        ("llm_unpriced_requests_total", CALL | {"reason": "no_usage"}, 1),
        ("llm_unpriced_requests_total", MINE | {"reason": "unknown_model"}, 1),
        ("llm_unpriced_requests_total", CALL | {"reason": ""}, None),
        ("llm_requests_without_usage_total", CALL, 1),
        ("llm_requests_without_usage_total", MINE, 1),
        ("llm_requests_without_usage_total", MINI, 1),
        ("llm_requests_total", MINI | {"status": "ok", "error_type": "", "outcome": "ok"}, 1),
        ("llm_unpriced_requests_total", MINI | {"reason": "no_usage"}, None),
        ("llm_tokens_total", MINI | {"token_type": "input"}, None),
        ("llm_tokens_total", MINI | {"token_type": "output"}, None),
        ("llm_cost_usd_total", MINI | {"cost_type": "input"}, None),
        ("llm_cost_usd_total", MINI | {"cost_type": "output"}, None),
        ("llm_estimated_tokens_total", MINI | {"token_type": "input"}, 406),
        ("llm_estimated_tokens_total", MINI | {"token_type": "output"}, 40),
        ("llm_estimated_tokens_total", CALL | {"token_type": "input"}, None),
        ("llm_estimated_cost_usd_total", MINI | {"cost_type": "input"}, 0.0000609),
        ("llm_estimated_cost_usd_total", MINI | {"cost_type": "output"}, 0.000024),
        ("llm_estimated_cost_usd_total", MINI | {"cost_type": "unsplit"}, None),
        ("llm_estimated_cost_usd_total", CALL | {"cost_type": "input"}, None),
        ("llm_request_duration_seconds_count", OK, 3),
        ("llm_request_duration_seconds_bucket", OK | {"le": "0.64"}, 0),
        ("llm_request_duration_seconds_bucket", OK | {"le": "1.28"}, 2),
        ("llm_request_duration_seconds_bucket", OK | {"le": "2.56"}, 3),
        ("llm_request_duration_seconds_bucket", OK | {"le": "+Inf"}, 3),
        ("llm_request_duration_seconds_sum", OK, pytest.approx(3.560000001, abs=1e-12)),
        ("llm_time_to_first_token_seconds_count", CALL, 1),
        ("llm_time_to_first_token_seconds_sum", CALL, 0.2),
        ("llm_time_to_first_token_seconds_bucket", CALL | {"le": "0.16"}, 0),
        ("llm_time_to_first_token_seconds_bucket", CALL | {"le": "0.32"}, 1),
        ("llm_time_per_output_token_seconds_count", CALL, 1),
        ("llm_time_per_output_token_seconds_sum", CALL, pytest.approx(1.08 / 99, abs=1e-9)),
        (
            "llm_tool_calls_total",
            {"service_name": "shop", "tool": "search", "status": "ok"},
            1,
        ),
        (
            "llm_tool_calls_total",
            {"service_name": "shop", "tool": "unknown", "status": "error"},
            1,
        ),
        ("llm_tool_call_duration_seconds_count", {"service_name": "shop", "tool": "search"}, 1),
        ("llm_agent_runs_total", {"service_name": "shop", "agent": "a", "status": "ok"}, 1),
        ("llm_agent_run_duration_seconds_sum", {"service_name": "shop", "agent": "a"}, 1),
        (
            "llm_operations_total",
            {"service_name": "shop", "operation": "retrieval", "status": "ok"},
            1,
        ),
        (
            "llm_operations_total",
            {"service_name": "shop", "operation": "invoke_workflow", "status": "ok"},
            1,
        ),
    ],
)
def test_a_sample(
    registry: CollectorRegistry, name: str, labels: dict[str, str], value: float | None
) -> None:
    assert registry.get_sample_value(name, labels) == value


def test_the_parts_of_cost_add_up_to_the_nano_dollar() -> None:
    batch = price(*every_kind_of_span())
    observe = observer()
    observe(batch)
    counters = [observe.counters[m.name] for m in (catalog.COST, catalog.ESTIMATED_COST)]
    total = sum(int(counter.snapshot()[1].sum()) for counter in counters)
    cost = sum(amount for amount in batch["CostUsd"].to_pylist() if amount is not None)
    assert Decimal(total).scaleb(-9) == cost


def test_exact_and_estimated_are_kept_apart_under_the_same_labels() -> None:
    registry = observed(chat(tokens(1000, 10)), chat(TEXT, number=2))
    assert values(registry, "llm_requests_total", "model") == {"gpt-4o": 2}
    assert values(registry, "llm_tokens_total", "token_type") == {"input": 1000, "output": 10}
    assert values(registry, "llm_cost_usd_total", "cost_type") == {
        "input": 0.0025,
        "output": 0.0001,
    }
    assert values(registry, "llm_estimated_tokens_total", "token_type") == {
        "input": 406,
        "output": 40,
    }
    assert values(registry, "llm_estimated_cost_usd_total", "cost_type") == {
        "input": 0.001015,
        "output": 0.0004,
    }


def test_a_reported_cost_is_exact_whatever_is_known_of_the_tokens() -> None:
    batch = price(chat(tokens(9, 9) | {"gen_ai.request.model": "mine", "gen_ai.usage.cost": 0.125}))
    observe = observer()
    observe(batch.with_columns({"UsageSource": pa.array(["estimated"]).dictionary_encode()}))
    registry = registry_of(observe)
    assert values(registry, "llm_cost_usd_total", "cost_type") == {"unsplit": 0.125}
    assert values(registry, "llm_estimated_cost_usd_total") == {}
    assert values(registry, "llm_estimated_tokens_total", "token_type") == {"input": 9, "output": 9}


def test_calls_whose_usage_another_span_owns_are_not_counted() -> None:
    batch = price(chat(tokens(5)), chat(tokens(5), number=2))
    roles = pa.array(["own", "rollup"]).dictionary_encode()
    observe = observer()
    observe(batch.with_columns({"UsageRole": roles}))
    assert sum(values(registry_of(observe), "llm_requests_total").values()) == 1
    assert sum(values(registry_of(observe), "llm_tokens_total").values()) == 5


@pytest.mark.parametrize("spans", [[], [span(parent=9)]], ids=["no span", "a plain span"])
def test_a_batch_with_nothing_to_count_counts_nothing(spans: list[Span]) -> None:
    assert list(samples(observed(*spans))) == []


@pytest.mark.parametrize(
    ("duration_ns", "bound"),
    [
        pytest.param(0, "0.01", id="nothing"),
        pytest.param(10 * MS, "0.01", id="a bound belongs to its bucket"),
        pytest.param(10 * MS + 1, "0.02", id="a nanosecond above it does not"),
        pytest.param(327_680 * MS, "327.68", id="the last bound"),
        pytest.param(327_680 * MS + 1, "+Inf", id="above the last bound"),
    ],
)
def test_the_bucket_of_a_duration(duration_ns: int, bound: str) -> None:
    registry = observed(chat(duration_ns=duration_ns))
    counts = values(registry, "llm_request_duration_seconds_bucket", "le")
    assert next(le for le, count in counts.items() if count) == bound


def test_cost_without_provider_or_model_has_labels() -> None:
    registry = observed(span({"gen_ai.operation.name": "chat", "gen_ai.usage.cost": 0.5}))
    assert values(registry, "llm_cost_usd_total", "provider", "model", "cost_type") == {
        ("unknown", "unknown", "unsplit"): 0.5
    }


# Exemplars --------------------------------------------------------------------------------------


def exemplars(
    registry: CollectorRegistry, name: str = "llm_request_duration_seconds"
) -> dict[str, Exemplar]:
    return {
        sample.labels["le"]: sample.exemplar
        for sample in samples(registry)
        if sample.name == f"{name}_bucket" and sample.exemplar is not None
    }


def test_an_exemplar_is_the_last_observation_of_its_bucket() -> None:
    registry = observed(
        chat(trace=1, number=1, duration_ns=15 * MS),
        chat(trace=0xABC, number=2, duration_ns=16 * MS),
        chat(trace=3, number=3, duration_ns=100 * MS),
    )
    found = exemplars(registry)
    assert set(found) == {"0.02", "0.16"}
    assert found["0.02"].labels == {"trace_id": f"{0xABC:032x}", "span_id": f"{2:016x}"}
    assert found["0.02"].value == 0.016
    assert found["0.02"].timestamp == pytest.approx(NOON_NS / NS + 0.016)
    assert found["0.16"].labels["trace_id"] == f"{3:032x}"


def test_a_later_batch_replaces_an_exemplar() -> None:
    observe = observer()
    for trace in (1, 2):
        observe(price(chat(trace=trace)))
    assert exemplars(registry_of(observe))["1.28"].labels["trace_id"] == f"{2:032x}"


def test_an_exemplar_is_the_last_whatever_labels_the_histogram_leaves_out() -> None:
    registry = observed(
        *(
            chat({"error.type": kind}, trace=trace, status=ERROR)
            for trace, kind in enumerate(["timeout", "429", "timeout"], start=1)
        )
    )
    assert exemplars(registry)["1.28"].labels["trace_id"] == f"{3:032x}"


def test_exemplars_belong_to_their_own_labels() -> None:
    names = ["gpt-4o", "o3", "gpt-4o-mini", "o3"]
    registry = observed(
        *(
            chat({"gen_ai.request.model": name}, trace=trace, number=trace)
            for trace, name in enumerate(names, start=1)
        )
    )
    found = {
        sample.labels["model"]: int(sample.exemplar.labels["trace_id"], 16)
        for sample in samples(registry)
        if sample.exemplar is not None and sample.name.startswith("llm_request_duration")
    }
    assert found == {"gpt-4o": 1, "o3": 4, "gpt-4o-mini": 3}


# Any order, any batches ---------------------------------------------------------------------------

VARIED = st.builds(
    lambda model, usage, kind, duration, failed: chat(
        {"gen_ai.request.model": model, "gen_ai.operation.name": kind, **usage},
        duration_ns=duration,
        status=ERROR if failed else 0,
    ),
    st.sampled_from(["gpt-4o", "o3", "claude-sonnet-4-5", "mine", ""]),
    st.sampled_from([
        {},
        TEXT,
        tokens(1000, 10),
        tokens(3, 1) | {"gen_ai.usage.cost": 0.1},
        tokens(1000, 50) | CACHED,
        {"gen_ai.usage.cost": 0.000000007},
    ]),
    st.sampled_from(["chat", "chat", "embeddings", "execute_tool", "invoke_agent", "retrieval"]),
    st.sampled_from([0, 10 * MS, 11 * MS, NS, 400 * NS]),
    st.booleans(),
)  # fmt: skip


def counted(observe: Observer) -> dict[Any, float]:
    """Return all sample values; a sum of seconds is a float and depends on the order of adding."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): round(sample.value, 6)
        if sample.name.endswith("_seconds_sum")
        else sample.value
        for sample in samples(registry_of(observe))
    }


@settings(max_examples=40, deadline=None)
@given(st.lists(VARIED, max_size=12), st.randoms(use_true_random=False), st.data())
def test_counts_do_not_depend_on_batches_or_order(
    spans: list[Span], random: Any, data: st.DataObject
) -> None:
    # Here spans share their ids; test_service_graph.py shows the same for the graph.
    whole, split = observer(graph=None), observer(graph=None)
    whole(price(*spans))
    shuffled = list(spans)
    random.shuffle(shuffled)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(spans)), max_size=3)))
    for start, end in zip([0, *cuts], [*cuts, len(spans)], strict=True):
        split(price(*shuffled[start:end]))
    assert counted(split) == counted(whole)


def test_reading_while_counting_loses_nothing() -> None:
    observe = observer()
    registry = registry_of(observe)
    batch = price(*every_kind_of_span())
    writers = [
        threading.Thread(target=lambda: [observe(batch) for _ in range(25)]) for _ in range(2)
    ]
    for writer in writers:
        writer.start()
    seen = [sum(values(registry, "llm_requests_total").values()) for _ in range(10)]
    for writer in writers:
        writer.join()
    assert seen == sorted(seen)
    assert sum(values(registry, "llm_requests_total").values()) == 50 * 7


# Large numbers ------------------------------------------------------------------------------------


def test_a_sum_beyond_the_digits_of_a_float_is_exact() -> None:
    """2**53 nano-dollars are 9 million USD."""
    book = PriceBook((Override(model="m", prices={"input": Decimal("8999.999")}),))
    spans = [
        chat({"gen_ai.request.model": "m"} | tokens(TOKENS_MAX - 1), number=number)
        for number in (1, 2, 3)
    ]
    batch = price(*spans, pricer=Pricer(book))
    observe = observer()
    observe(batch)
    _, totals = observe.counters[catalog.COST.name].snapshot()
    assert Decimal(int(totals.sum())).scaleb(-9) == sum(batch["CostUsd"].to_pylist())


def test_an_absurd_reported_cost_does_not_turn_the_total_negative() -> None:
    absurd = {"gen_ai.request.model": "mine", "gen_ai.usage.cost": 999_999_999.0}
    observe = observer()
    for _ in range(3):
        observe(price(*(chat(absurd, number=n + 1) for n in range(10))))
    _, totals = observe.counters[catalog.COST.name].snapshot()
    assert all(total >= 0 for total in totals.tolist())


# Cardinality ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values_max", "arrivals", "expected"),
    [
        pytest.param(2, ["a", "b", "a"], ["a", "b", "a"], id="below the limit"),
        pytest.param(1, ["a", "b", "a"], ["a", OVERFLOW, "a"], id="old values keep their series"),
        pytest.param(0, ["a"], [OVERFLOW], id="no room at all"),
    ],
)
def test_admit(values_max: int, arrivals: list[str], expected: list[str]) -> None:
    limiter = LabelLimiter(values_max)
    assert [limiter.admit(value) for value in arrivals] == expected
    assert limiter.overflowed == expected.count(OVERFLOW)


def test_a_full_table_counts_new_label_sets_in_one_row() -> None:
    table = SeriesTable([True, False], 2)
    arrivals = [("a", "ok"), ("b", "ok"), ("c", "ok"), ("d", "error"), ("e", "ok"), ("a", "ok")]
    assert [table.row(labels) for labels in arrivals] == [0, 1, 2, 3, 2, 0]
    assert table.label_sets[2:] == [(OVERFLOW, "ok"), (OVERFLOW, "error")]
    assert table.overflowed == 3


def models(names: Iterable[str]) -> list[Span]:
    return [
        chat({"gen_ai.request.model": name, **tokens(10, 1)}, number=number)
        for number, name in enumerate(names, start=1)
    ]


def test_label_values_over_the_limit_are_counted_together() -> None:
    observe = observer(label_values_max=2)
    for names in (["a", "b"], ["c", "a", "d"], ["c", "b"]):
        observe(price(*models(names)))
    registry = registry_of(observe)
    expected = {"a": 2, "b": 2, OVERFLOW: 3}
    assert values(registry, "llm_requests_total", "model") == expected
    assert values(registry, "llm_request_duration_seconds_count", "model") == expected
    assert values(registry, "llm_tokens_total", "model") == {
        name: 11 * count for name, count in expected.items()
    }
    assert observe.overflows["model"] > 0


@pytest.mark.parametrize("series_max", [1, 2, 5])
def test_totals_are_exact_over_the_limit_of_series(series_max: int) -> None:
    observe = observer(series_max=series_max)
    for _ in range(2):
        observe(price(*models("abcdefgh"), *every_kind_of_span()))
    unlimited = observer()
    for _ in range(2):
        unlimited(price(*models("abcdefgh"), *every_kind_of_span()))
    limited, full = registry_of(observe), registry_of(unlimited)
    for metric in METRICS:
        name = metric.sample_name
        name = f"{name}_count" if metric.type is MetricType.HISTOGRAM else name
        assert values(limited, name) == pytest.approx(values(full, name), rel=1e-12)
    for table in (*observe.counters.values(), *observe.histograms.values()):
        closed = {
            tuple(v for v, label in zip(labels, table.metric.labels, strict=True) if not label.open)
            for labels in table.table.label_sets
        }
        assert len(table.table) <= series_max + len(closed)
    assert observe.overflows["llm_requests"] > 0


def test_a_long_label_value_is_cut() -> None:
    assert LabelLimiter(1).admit("m" * 100_000) == "m" * VALUE_MAX_CHARS


def test_what_is_not_known_is_never_overflow() -> None:
    observe = observer(label_values_max=2, extra_labels=["feature"])
    observe(price(*(chat({"feature": name}, number=n + 1) for n, name in enumerate("abc"))))
    observe(price(chat(number=9)))
    counts = values(registry_of(observe), "llm_requests_total", "feature")
    assert counts == {"a": 1, "b": 1, OVERFLOW: 1, "": 1}


def test_a_successful_call_has_no_error_type_however_many_there_are() -> None:
    observe = observer(label_values_max=2)
    failed = [chat({"error.type": f"e{n}"}, number=n + 1, status=ERROR) for n in range(3)]
    observe(price(*failed))
    observe(price(chat(number=9)))
    counts = values(registry_of(observe), "llm_requests_total", "status", "error_type")
    assert counts["ok", ""] == 1


# Extra labels -------------------------------------------------------------------------------------

EVERY_EXTRA = {
    "feature": "feature",
    "endpoint": "http.route",
    "tenant": "tenant.id",
    "environment": "deployment.environment.name",
    "release": "service.version",
    "agent": "gen_ai.agent.name",
    "prompt_version": "gen_ai.prompt.version",
}


def test_every_extra_label_is_tested() -> None:
    assert set(EVERY_EXTRA) == set(catalog.EXTRA_LABELS)


@pytest.mark.parametrize("label", EVERY_EXTRA)
def test_an_extra_label_is_on_every_metric_of_calls_and_no_other(label: str) -> None:
    observe = observer(extra_labels=[label])
    observe(price(*every_kind_of_span(), chat({EVERY_EXTRA[label]: "x"} | tokens(5), number=20)))
    registry = registry_of(observe)
    assert values(registry, "llm_requests_total", label) == {"": 7, "x": 1}
    for metric in METRICS:
        own = {each.name for each in metric.labels}
        found = {
            frozenset(sample.labels) - {"le"}
            for sample in samples(registry)
            if sample.name.startswith(metric.name) and label in sample.labels
        }
        assert bool(found) == (metric.name in catalog.CALL_METRICS or label in own)


def test_an_unknown_extra_label_is_refused() -> None:
    with pytest.raises(KeyError):
        observer(extra_labels=["trace_id"])


def test_many_values_of_many_labels_are_not_mixed_up() -> None:
    """512 values in each of 7 labels: more combinations than an integer of 64 bits has."""
    observe = observer(extra_labels=list(EVERY_EXTRA))
    spans = [
        chat(dict.fromkeys(EVERY_EXTRA.values(), f"v{n}") | tokens(5), number=n + 1)
        for n in range(512)
    ]
    first = dict.fromkeys(EVERY_EXTRA.values(), "v0") | tokens(5)
    observe(
        price(
            *spans,
            chat(first, number=600, status=ERROR),
            chat(first | {"gen_ai.request.model": "o3"}, number=601),
        )
    )
    counts = values(registry_of(observe), "llm_requests_total", "model", "status")
    assert counts == {("gpt-4o", "ok"): 512, ("gpt-4o", "error"): 1, ("o3", "ok"): 1}


# The catalogue ------------------------------------------------------------------------------------


def test_every_metric_is_counted_by_some_span(registry: CollectorRegistry) -> None:
    counted_families = {family.name for family in registry.collect() if family.samples}
    assert counted_families == {metric.name for metric in METRICS}


def test_nothing_is_counted_that_the_catalogue_does_not_list(registry: CollectorRegistry) -> None:
    labels_of = {metric.name: [label.name for label in metric.labels] for metric in METRICS}
    for family in registry.collect():
        for sample in family.samples:
            assert sorted(set(sample.labels) - {"le"}) == sorted(labels_of[family.name])


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_and_help_are_what_prometheus_advises(metric: catalog.Metric) -> None:
    labels = [label.name for label in metric.labels]
    assert all(NAME.match(name) for name in [metric.name, *labels])
    # Grafana's service map asks for names of its own.
    assert metric.name.startswith(("llm_", "traces_service_graph_", "traces_spanmetrics_"))
    assert not metric.name.endswith(("_total", "_count", "_sum", "_bucket"))
    assert len(set(labels)) == len(labels)
    assert "le" not in labels
    assert metric.help.endswith(".")
    is_histogram = metric.type is MetricType.HISTOGRAM
    assert metric.name.endswith(("_seconds", "_latency")) == is_histogram
    assert bool(metric.buckets_s) == is_histogram
    assert list(metric.buckets_s) == sorted(set(metric.buckets_s))


def test_names_are_distinct() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_identities_are_never_labels() -> None:
    labels = {label.name for metric in METRICS for label in metric.labels}
    assert not (labels | set(catalog.EXTRA_LABELS)) & {
        *("trace_id", "span_id", "user", "user_id", "session", "session_id"),
    }


def test_every_cost_and_token_type_has_a_label_value() -> None:
    assert {kind.cost for kind in TOKEN_KINDS} <= set(COST_COLUMNS)
    assert catalog.COST_UNSPLIT not in COST_COLUMNS


# A scrape -----------------------------------------------------------------------------------------


def test_a_registry_takes_the_workload_once() -> None:
    registry = registry_of(observer())
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        registry.register(WorkloadCollector(observer()))


ODD = chat({"gen_ai.request.model": 'a"b\\c\nd', "gen_ai.agent.name": "😀"} | tokens(5), number=50)


@pytest.mark.parametrize(
    ("accept", "parse"),
    [(OPENMETRICS, parse_openmetrics), ("text/plain", parse_text)],
    ids=["openmetrics", "text"],
)
def test_a_scrape_says_what_was_counted(accept: str, parse: Any) -> None:
    registry = observed(*every_kind_of_span(), ODD)
    body = render(registry, accept, "").body.decode()
    parsed = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parse(body)
        for sample in family.samples
    }
    assert parsed == {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for sample in samples(registry)
    }


def test_openmetrics_carries_exemplars() -> None:
    registry = observed(chat(trace=7))
    body = render(registry, OPENMETRICS, "").body.decode()
    found = [
        sample.exemplar
        for family in parse_openmetrics(body)
        for sample in family.samples
        if sample.exemplar
    ]
    assert {each.labels["trace_id"] for each in found} == {f"{7:032x}"}


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (OPENMETRICS, "application/openmetrics-text"),
        ("text/plain", "text/plain"),
        ("*/*", "text/plain"),
        ("", "text/plain"),
    ],
)
def test_the_format_is_what_the_scraper_asks_for(accept: str, content_type: str) -> None:
    scrape = render(registry_of(observer()), accept, "")
    assert scrape.headers["Content-Type"].startswith(content_type)
    assert "Content-Encoding" not in scrape.headers


def test_a_scrape_is_compressed_when_the_scraper_can_read_it(registry: CollectorRegistry) -> None:
    scrape = render(registry, "text/plain", "gzip, deflate")
    assert scrape.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(scrape.body) == render(registry, "text/plain", "identity").body


def test_promtool_has_nothing_to_say(registry: CollectorRegistry) -> None:
    promtool = shutil.which("promtool")
    assert promtool is not None, "promtool is missing: install Prometheus"
    text = render(registry, "text/plain", "").body
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
