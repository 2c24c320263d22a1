"""The house style as data: colours, units, data sources, and what a value means.

Colours are Okabe and Ito's, which people with any colour vision tell apart; every meaning of a
colour is also said in words. A model has the same colour on every chart because Grafana takes the
colour from the series' name, so a chart by model names its series as the model and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dashboards_py import datasources
from dashboards_py.thresholds import Thresholds
from exporter.spans.schema import TOKEN_KINDS

BLUE, SKY, GREEN, YELLOW = "#0072B2", "#56B4E9", "#009E73", "#F0E442"
ORANGE, VERMILION, PURPLE, GREY = "#E69F00", "#D55E00", "#CC79A7", "#8C8C8C"

GOOD, WARNING, BAD, NEUTRAL = GREEN, ORANGE, VERMILION, GREY


class Unit(StrEnum):
    """Grafana's ids of the units that are used."""

    NONE = "none"
    COUNT = "short"
    WHOLE = "locale"
    REQUESTS_PER_SECOND = "reqps"
    SPANS_PER_SECOND = "count:spans/s"
    ROWS_PER_SECOND = "count:rows/s"
    RUNS_PER_SECOND = "count:runs/s"
    TOKENS_PER_SECOND = "count:tokens/s"
    TOKENS = "count:tokens"
    SECONDS = "s"
    NANOSECONDS = "ns"
    MILLISECONDS = "ms"
    SHARE = "percentunit"
    DOLLARS = "currencyUSD"
    NANO_DOLLARS = "si:nUSD"
    BYTES = "bytes"
    BYTES_PER_SECOND = "Bps"
    TIME = "dateTimeAsIso"


@dataclass(frozen=True, slots=True)
class Source:
    """A data source: the variable that picks it, its type, and the one that we provision."""

    variable: str
    type: str
    uid: str
    label: str

    @property
    def reference(self) -> dict[str, str]:
        """What a panel or query names its data source with."""
        return {"type": self.type, "uid": f"${{{self.variable}}}"}


PROMETHEUS = Source("prometheus", "prometheus", datasources.PROMETHEUS, "LLM metrics")
TEMPO = Source("tempo", "tempo", datasources.TEMPO, "LLM traces")
PYROSCOPE = Source(
    "pyroscope", "grafana-pyroscope-datasource", datasources.PYROSCOPE, "LLM flame graphs"
)
CLICKHOUSE = Source(
    "clickhouse", "grafana-clickhouse-datasource", datasources.CLICKHOUSE, "LLM spans"
)
SOURCES: tuple[Source, ...] = (PROMETHEUS, TEMPO, PYROSCOPE, CLICKHOUSE)

# Kinds of tokens: what goes in is blue, what comes out is orange, what a cache did is green.
_TOKEN_COLOURS = {"input": BLUE, "output": ORANGE, "reasoning": VERMILION, "request": GREY}
TOKEN_COLOURS: dict[str, str] = {
    kind.name: GREEN
    if kind.name == "cache_read"
    else YELLOW
    if kind.cost == "cache_write"
    else _TOKEN_COLOURS.get(kind.name, SKY if not kind.is_output else PURPLE)
    for kind in TOKEN_KINDS
}
STATUS_COLOURS = {"ok": GOOD, "error": BAD}
PERCENTILE_COLOURS = {"p50": SKY, "p90": BLUE, "p95": ORANGE, "p99": VERMILION}

Steps = tuple[tuple[float, str], ...]
"""From which value on a colour holds; what is below the first is neutral or good."""

# The alert pack's limits at their defaults: a panel turns when an alert would.
_LIMITS = Thresholds()
ERROR_STEPS: Steps = ((_LIMITS.error_rate_elevated, WARNING), (_LIMITS.error_rate_high, BAD))
LATENCY_STEPS: Steps = ((_LIMITS.latency_p95_s, WARNING), (5 * _LIMITS.latency_p95_s, BAD))
ANY_IS_BAD: Steps = ((1, BAD),)
ANY_WARNS: Steps = ((1, WARNING),)
