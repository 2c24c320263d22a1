"""Read the observatory's metrics page, and sum it up by service, provider and model."""

import math
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

SCRAPE_TIMEOUT_S = 5.0
PAGE_BYTES_MAX = 64 * 1024 * 1024

_TEXT_FORMAT = "text/plain;version=0.0.4"
_ERROR_STATUS = "error"
_OUTPUT_TYPES = frozenset({"output", "reasoning"})
_OUTPUT_SUFFIX = "_output"  # As in `audio_output`; everything else is input.


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What the table has one row for."""

    service: str
    provider: str
    model: str


@dataclass(slots=True)
class Tally:
    """What a row counts. Durations are the counts of cumulative histogram buckets, by bound."""

    requests: float = 0.0
    errors: float = 0.0
    input_tokens: float = 0.0
    output_tokens: float = 0.0
    cost_usd: float = 0.0
    durations: dict[float, float] = field(default_factory=dict[float, float])


class MetricsUnreachableError(Exception):
    """The metrics page cannot be read."""


def scrape(metrics_url: str) -> dict[Key, Tally]:
    """Fetch the metrics page and tally it."""
    # The address is the choice of whoever runs the demo, and only numbers are shown of it.
    request = urllib.request.Request(metrics_url, headers={"Accept": _TEXT_FORMAT})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=SCRAPE_TIMEOUT_S) as answer:  # noqa: S310
            page: bytes = answer.read(PAGE_BYTES_MAX)
    except (urllib.error.URLError, OSError) as error:
        raise MetricsUnreachableError(metrics_url) from error
    return tally(page.decode())


def tally(page: str) -> dict[Key, Tally]:
    """Sum a metrics page in the Prometheus text format."""
    rows: defaultdict[Key, Tally] = defaultdict(Tally)
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name in _ADD:
                labels: Mapping[str, str] = sample.labels
                key = Key(*(labels.get(name, "") for name in ("service_name", "provider", "model")))
                _ADD[sample.name](rows[key], sample)
    return dict(rows)


def since(start: Mapping[Key, Tally], now: Mapping[Key, Tally]) -> dict[Key, Tally]:
    """Return what was added since an earlier scrape, without rows where nothing happened."""
    grown = {key: _minus(after, start.get(key, Tally())) for key, after in now.items()}
    return {key: row for key, row in grown.items() if row.requests > 0}


def quantile(durations: Mapping[float, float], share: float) -> float | None:
    """Return a quantile as PromQL's `histogram_quantile` does. None: nothing was observed."""
    bounds = sorted(durations.items())
    if not bounds or bounds[-1][1] <= 0:
        return None
    wanted = share * bounds[-1][1]
    lower, below = 0.0, 0.0
    for bound, count in bounds:
        if count >= wanted:
            if math.isinf(bound):
                return lower
            return lower + (bound - lower) * (wanted - below) / (count - below)
        lower, below = bound, count
    return lower


def _add_request(row: Tally, sample: Sample) -> None:
    row.requests += sample.value
    if sample.labels.get("status") == _ERROR_STATUS:
        row.errors += sample.value


def _add_tokens(row: Tally, sample: Sample) -> None:
    kind = sample.labels.get("token_type", "")
    if kind in _OUTPUT_TYPES or kind.endswith(_OUTPUT_SUFFIX):
        row.output_tokens += sample.value
    else:
        row.input_tokens += sample.value


def _add_cost(row: Tally, sample: Sample) -> None:
    row.cost_usd += sample.value


def _add_duration(row: Tally, sample: Sample) -> None:
    bound = float(sample.labels["le"])
    row.durations[bound] = row.durations.get(bound, 0.0) + sample.value


_ADD = {
    "llm_requests_total": _add_request,
    "llm_tokens_total": _add_tokens,
    "llm_cost_usd_total": _add_cost,
    "llm_request_duration_seconds_bucket": _add_duration,
}


def _minus(after: Tally, before: Tally) -> Tally:
    return Tally(
        requests=after.requests - before.requests,
        errors=after.errors - before.errors,
        input_tokens=after.input_tokens - before.input_tokens,
        output_tokens=after.output_tokens - before.output_tokens,
        cost_usd=after.cost_usd - before.cost_usd,
        durations={b: n - before.durations.get(b, 0.0) for b, n in after.durations.items()},
    )


def total(rows: Iterable[Tally]) -> Tally:
    """Add rows up."""
    result = Tally()
    for row in rows:
        result.requests += row.requests
        result.errors += row.errors
        result.input_tokens += row.input_tokens
        result.output_tokens += row.output_tokens
        result.cost_usd += row.cost_usd
        for bound, count in row.durations.items():
            result.durations[bound] = result.durations.get(bound, 0.0) + count
    return result
