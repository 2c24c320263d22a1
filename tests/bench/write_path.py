"""Send a million spans through the whole write path and print what each stage costs.

    python -m tests.bench.write_path [--spans 1000000] [--requests-per-step 32] [--without-store]
        [--agents-report] [--told-twice]

`observe` counts the service graph, too; `the same, no graph` is beside the path and not in the
total of processor time. One thread does everything up to the rows, as in the service; the store
inserts from its own. Stages are in processor time, so that other load on the machine does not
count. The spans are those of a small shop: per trace an HTTP request, a retrieval, an agent, a tool
and three calls, in three conventions. Figures are of one run on one machine: compare ratios within
a run.
"""

from __future__ import annotations

import argparse
import random
import resource
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from clickhouse.client import Writer, connect, parse_address
from clickhouse.migrate import Retention, migrate
from clickhouse.store import Insert, Store, StoreLimits
from exporter.garbage import collect_seldom
from exporter.genai.attribution.memory import TraceMemory
from exporter.genai.convention import load
from exporter.genai.messages.content import ContentLimits, content_columns
from exporter.genai.normalise import Normaliser
from exporter.genai.prices.book import PriceBook
from exporter.genai.prices.pricer import Pricer
from exporter.metrics.observe import Observer
from exporter.metrics.service_graph import ServiceGraph
from exporter.spans.decode import Decoder
from exporter.spans.rejection import SpanLimits
from exporter.spans.rows import rows
from tests.support.otlp import NS, key_values

SPANS_PER_REQUEST = 511
# Each trace id begins with the one and each response id has the other in it; every step puts its
# own number there, because spans that come again are duplicates.
_MARK = b"\xfeSTEP"
_TEXT_MARK = b"@STEP"
_BESIDE = "the same, no graph"
_MODELS = ("gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5", "gemini-2.5-flash")
_PROVIDERS = ("openai", "openai", "anthropic", "gcp.gemini")


def shop_request(
    seed: int, now_ns: int, *, agents_report: bool = False, told_twice: bool = False
) -> bytes:
    """Return one export request of 73 traces with 7 spans each.

    `agents_report`: the agent repeats the usage of its calls; `told_twice`: the last call is the
    second one's, told by another instrumentation.
    """
    rng = random.Random(seed)
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.extend(
        key_values(
            {
                "service.name": f"shop-{seed % 8}",
                "service.version": "1.4.2",
                "deployment.environment.name": "production",
                "telemetry.sdk.language": "python",
            }
        )
    )
    scope = resource_spans.scope_spans.add()
    scope.scope.name = "bench"
    other = resource_spans.scope_spans.add()
    other.scope.name = "bench.other"
    for _ in range(SPANS_PER_REQUEST // 7):
        trace_id, root = _MARK + rng.randbytes(11), rng.randbytes(8)
        session = f"s-{rng.randrange(10_000)}"
        spans = _trace(rng)
        if agents_report:
            spans[2][1].update({"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 7})
        start, duration = 0, 0
        if told_twice:
            spans[6] = spans[5]
        for number, (name, attributes) in enumerate(spans):
            if not (told_twice and number == 6):
                start, duration = now_ns - rng.randrange(60 * NS), rng.randrange(1, 5 * NS)
            of = other if told_twice and number == 6 else scope
            span = of.spans.add(
                trace_id=trace_id,
                span_id=root if number == 0 else rng.randbytes(8),
                parent_span_id=b"" if number == 0 else root,
                name=name,
                kind=2 if number == 0 else 3,
                start_time_unix_nano=start,
                end_time_unix_nano=start + duration,
            )
            span.attributes.extend(key_values({"session.id": session} | attributes))
    return request.SerializeToString()


def _trace(rng: random.Random) -> list[tuple[str, dict[str, Any]]]:
    return [
        ("POST /chat", {"http.route": "/chat", "http.response.status_code": 200}),
        ("retrieval docs", {"gen_ai.operation.name": "retrieval", "gen_ai.data_source.id": "docs"}),
        (
            "invoke_agent shop",
            {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "shop"},
        ),
        (
            "execute_tool find",
            {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "find"},
        ),
        *(_call(rng) for _ in range(3)),
    ]


def _call(rng: random.Random) -> tuple[str, dict[str, Any]]:
    which = rng.randrange(len(_MODELS))
    model, provider = _MODELS[which], _PROVIDERS[which]
    asked, answered = rng.randrange(1, 20_000), rng.randrange(1, 2_000)
    if rng.random() < 0.3:
        return "ChatCompletion", {
            "openinference.span.kind": "LLM",
            "llm.provider": provider,
            "llm.model_name": model,
            "llm.token_count.prompt": asked,
            "llm.token_count.completion": answered,
            "llm.token_count.total": asked + answered,
            "input.value": "what is the answer to this question " * 4,
            "output.value": "the answer is to be found in the manual " * 4,
        }
    return f"chat {model}", {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
        "gen_ai.response.model": model,
        "gen_ai.response.id": f"chatcmpl-@STEP{rng.randrange(10**12)}",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": asked,
        "gen_ai.usage.cache_read.input_tokens": asked // 3,
        "gen_ai.usage.output_tokens": answered,
        "gen_ai.response.time_to_first_chunk": rng.random() / 4,
    }


class Stages:
    """Processor time of each stage: what waits for the store's thread is not the stage's own."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def run(self, stage: str, work: Callable[..., Any], *arguments: Any) -> Any:
        """Run one stage and add its time."""
        start = time.thread_time()
        result = work(*arguments)
        self.seconds[stage] += time.thread_time() - start
        return result


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--requests-per-step", type=int, default=32)
    parser.add_argument(
        "--without-store", action="store_true", help="one core: nothing is inserted meanwhile"
    )
    parser.add_argument("--agents-report", action="store_true", help="agents repeat the usage")
    parser.add_argument("--told-twice", action="store_true", help="one call in three is told twice")
    options = parser.parse_args()
    collect_seldom()
    now_ns = time.time_ns()
    requests = [
        shop_request(
            seed, now_ns, agents_report=options.agents_report, told_twice=options.told_twice
        )
        for seed in range(options.requests_per_step)
    ]
    size = sum(map(len, requests))
    steps = max(1, round(options.spans / (SPANS_PER_REQUEST * len(requests))))
    with tempfile.TemporaryDirectory() as directory:
        seconds = _run(Path(directory), requests, steps, stored=not options.without_store)
        _report(seconds, steps * len(requests), steps * size)


def _run(directory: Path, requests: list[bytes], steps: int, *, stored: bool) -> dict[str, float]:
    address = parse_address(f"chdb:{directory / 'engine'}")
    migrate(address, Retention(spans_days=30, content_days=7, minutes_days=14, hours_days=400))
    inserts: list[Insert] = []
    store = Store(
        lambda: Writer(connect(address)),
        StoreLimits(max_rows=50_000, max_age_s=1.0, buffer_max_bytes=2**28, retry_max_s=1.0),
        inserts.append,
    )
    decoder = Decoder(
        SpanLimits(end_before_start_max_ns=NS, age_max_ns=10**17, future_max_ns=10**15)
    )
    normalise, price = Normaliser(load()), Pricer(PriceBook())
    memory = TraceMemory(max_spans=500_000, max_age_s=120)
    limits = ContentLimits()
    without_graph = Observer(label_values_max=200, series_max=10_000)
    observe = Observer(
        label_values_max=200,
        series_max=10_000,
        graph=ServiceGraph(nodes_max=200, max_spans=200_000, wait_s=10, max_age_s=120),
    )
    stages = Stages()
    store.start()
    begin, cpu = time.perf_counter(), time.process_time()
    for step in range(steps):
        # Other ids in each step: spans that come again are duplicates, and take another path.
        stamp = _MARK[:1] + step.to_bytes(4, "big")
        stamped = [
            request.replace(_MARK, stamp).replace(_TEXT_MARK, f"{step:05d}".encode())
            for request in requests
        ]
        batch, _ = stages.run("decode", decoder.decode, stamped, time.time_ns())
        batch = stages.run("normalise", normalise, batch)
        stages.run("remember", memory.remember, batch, time.monotonic())
        batch = stages.run("attribute", memory.attribute, batch)
        content = stages.run("content", content_columns, batch, limits)
        batch = stages.run("price", price, batch.with_columns(content))
        stages.run("observe", observe, batch)
        stages.run(_BESIDE, without_graph, batch)
        table = stages.run("rows", rows, batch)
        if stored:
            stages.run("hand to store", store.write, table)
    store.close(600)
    stages.seconds["insert (own thread)"] = sum(insert.seconds for insert in inserts)
    beside = stages.seconds[_BESIDE]
    stages.seconds["total, wall"] = time.perf_counter() - begin
    stages.seconds["total, processor"] = time.process_time() - cpu - beside
    assert all(insert.outcome == "ok" for insert in inserts)
    return stages.seconds


def _report(seconds: dict[str, float], requests: int, size: int) -> None:
    spans = requests * SPANS_PER_REQUEST
    counting = seconds["remember"] + seconds["attribute"]
    to_metrics = counting + sum(
        seconds[stage] for stage in ("decode", "normalise", "price", "observe")
    )
    seconds = {**seconds, "counting once": counting, "decode to metrics": to_metrics}
    print(f"{spans:,} spans, {size / 1e6:,.0f} MB of OTLP, {size / spans:,.0f} bytes a span")
    print(f"{'stage':22}{'spans/s':>14}{'MB/s':>10}{'us/span':>10}")
    for stage, spent in seconds.items():
        rate = spans / spent if spent else float("inf")
        print(f"{stage:22}{rate:14,.0f}{rate * size / spans / 1e6:10,.1f}{1e6 / rate:10.2f}")
    whole = seconds["total, processor"]
    print(
        f"counting once adds {counting / (whole - counting):.0%} to the processor time of the rest"
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:,.0f} MiB")


if __name__ == "__main__":
    main()
