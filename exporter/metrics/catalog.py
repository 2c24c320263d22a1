"""Every metric of the workload, as data: name, type, meaning, labels, buckets.

Dashboards, alert rules and the README take names from here and nowhere else. A metric that is
not listed cannot be counted, and one that is listed is counted (a test holds both).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from exporter.spans.schema import NANOSECONDS


class MetricType(StrEnum):
    """Prometheus' metric types that are used here."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


# The GenAI conventions' advice for durations (0.01 s doubling to 81.92 s) with two steps more,
# because reasoning and agent calls outlast it.
DURATION_BUCKETS_S: tuple[float, ...] = tuple(round(0.01 * 2**i, 2) for i in range(16))
# The advice for gen_ai.server.time_per_output_token.
TOKEN_TIME_BUCKETS_S: tuple[float, ...] = (
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Label:
    """A label and the column that it is read from."""

    name: str
    column: str
    open: bool = True
    """Whether senders choose its values, so that their number must be limited."""
    default: str = ""
    """What stands for a value that is not known."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric family."""

    name: str
    """Without the `_total` that Prometheus puts behind a counter."""
    type: MetricType
    help: str
    labels: tuple[Label, ...]
    buckets_s: tuple[float, ...] = ()

    @property
    def sample_name(self) -> str:
        """The name that a query uses: counters end in `_total`."""
        return f"{self.name}_total" if self.type is MetricType.COUNTER else self.name

    @property
    def buckets_ns(self) -> tuple[int, ...]:
        """Upper bounds in nanoseconds, inclusive."""
        return tuple(round(bound * NANOSECONDS) for bound in self.buckets_s)


SERVICE = Label("service_name", "ServiceName")
PROVIDER = Label("provider", "Provider", default="unknown")
MODEL = Label("model", "Model", default="unknown")
OPERATION = Label("operation", "Operation", default="unknown")
STATUS = Label("status", "Status", open=False)
ERROR_TYPE = Label("error_type", "ErrorType")
OUTCOME = Label("outcome", "Outcome", open=False)
REASON = Label("reason", "UnpricedReason", open=False)
TOOL = Label("tool", "Tool", default="unknown")
AGENT = Label("agent", "Agent", default="unknown")

# Filled from the kinds of tokens and costs, not from a column of the same name.
TOKEN_TYPE = Label("token_type", "", open=False)
COST_TYPE = Label("cost_type", "", open=False)

CALL_LABELS = (SERVICE, PROVIDER, MODEL, OPERATION)

# Labels that a user can add to every metric of calls (setting `metric_labels`).
EXTRA_LABELS: dict[str, Label] = {
    label.name: label
    for label in (
        Label("feature", "Feature"),
        Label("endpoint", "Endpoint"),
        Label("tenant", "Tenant"),
        Label("environment", "Environment"),
        Label("release", "Release"),
        Label("agent", "Agent"),
        Label("prompt_version", "PromptVersion"),
    )
}

REQUESTS = Metric(
    "llm_requests",
    MetricType.COUNTER,
    "Calls to model providers, by outcome.",
    (*CALL_LABELS, STATUS, ERROR_TYPE, OUTCOME),
)
REQUEST_DURATION = Metric(
    "llm_request_duration_seconds",
    MetricType.HISTOGRAM,
    "Time from the start of a call to its end.",
    (*CALL_LABELS, STATUS),
    DURATION_BUCKETS_S,
)
TIME_TO_FIRST_TOKEN = Metric(
    "llm_time_to_first_token_seconds",
    MetricType.HISTOGRAM,
    "Time from the start of a call to its first token, where the sender reports it.",
    CALL_LABELS,
    DURATION_BUCKETS_S,
)
TIME_PER_OUTPUT_TOKEN = Metric(
    "llm_time_per_output_token_seconds",
    MetricType.HISTOGRAM,
    "Mean time of a call per output token after the first.",
    CALL_LABELS,
    TOKEN_TIME_BUCKETS_S,
)
TOKENS = Metric(
    "llm_tokens",
    MetricType.COUNTER,
    "Tokens by disjoint kind: the sum over token_type is the total.",
    (*CALL_LABELS, TOKEN_TYPE),
)
COST = Metric(
    "llm_cost_usd",
    MetricType.COUNTER,
    "Cost in US dollars by part: the sum over cost_type is the total.",
    (*CALL_LABELS, COST_TYPE),
)
ESTIMATED_TOKENS = Metric(
    "llm_estimated_tokens",
    MetricType.COUNTER,
    "Tokens estimated for calls that report none; they are not in llm_tokens_total.",
    (*CALL_LABELS, TOKEN_TYPE),
)
ESTIMATED_COST = Metric(
    "llm_estimated_cost_usd",
    MetricType.COUNTER,
    "Cost in US dollars of estimated tokens; it is not in llm_cost_usd_total.",
    (*CALL_LABELS, COST_TYPE),
)
UNPRICED = Metric(
    "llm_unpriced_requests",
    MetricType.COUNTER,
    "Calls that have no cost, not even an estimated one, by reason.",
    (*CALL_LABELS, REASON),
)
MISSING_USAGE = Metric(
    "llm_requests_without_usage",
    MetricType.COUNTER,
    "Successful calls that report no token counts, whether they were estimated or not.",
    CALL_LABELS,
)
TOOL_CALLS = Metric(
    "llm_tool_calls",
    MetricType.COUNTER,
    "Executions of tools.",
    (SERVICE, TOOL, STATUS),
)
TOOL_DURATION = Metric(
    "llm_tool_call_duration_seconds",
    MetricType.HISTOGRAM,
    "Time that a tool ran.",
    (SERVICE, TOOL),
    DURATION_BUCKETS_S,
)
AGENT_RUNS = Metric(
    "llm_agent_runs",
    MetricType.COUNTER,
    "Runs of agents.",
    (SERVICE, AGENT, STATUS),
)
AGENT_DURATION = Metric(
    "llm_agent_run_duration_seconds",
    MetricType.HISTOGRAM,
    "Time that an agent ran.",
    (SERVICE, AGENT),
    DURATION_BUCKETS_S,
)
OPERATIONS = Metric(
    "llm_operations",
    MetricType.COUNTER,
    "GenAI spans that are no calls, agents or tools: retrieval, chains, workflows.",
    (SERVICE, OPERATION, STATUS),
)

METRICS: tuple[Metric, ...] = (
    REQUESTS,
    REQUEST_DURATION,
    TIME_TO_FIRST_TOKEN,
    TIME_PER_OUTPUT_TOKEN,
    TOKENS,
    COST,
    ESTIMATED_TOKENS,
    ESTIMATED_COST,
    UNPRICED,
    MISSING_USAGE,
    TOOL_CALLS,
    TOOL_DURATION,
    AGENT_RUNS,
    AGENT_DURATION,
    OPERATIONS,
)
CALL_METRICS: frozenset[str] = frozenset(m.name for m in METRICS if CALL_LABELS[2] in m.labels)
# Cost that a sender reports as one sum has no parts.
COST_UNSPLIT = "unsplit"


def with_extra_labels(metric: Metric, extra: tuple[Label, ...]) -> Metric:
    """Return the metric with the user's labels behind its own, where it counts calls."""
    if metric.name not in CALL_METRICS:
        return metric
    return Metric(metric.name, metric.type, metric.help, (*metric.labels, *extra), metric.buckets_s)
