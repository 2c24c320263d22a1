"""Every number of the alert pack, with a reason each, and the site that the links lead to.

Durations are seconds and shares are fractions of 1. A YAML file with the sections `thresholds` and
`site` changes them; docs/alerts.md shows one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml

Burn = tuple[int, int, float]
"""Short window, long window, how many times faster than allowed."""

RUNBOOK_VARIABLE = "RUNBOOK_BASE_URL"
_HOUR, _DAY, _WEEK = 3600, 86_400, 604_800


class ThresholdError(Exception):
    """An overrides file is wrong; the message says what to change."""


def _because(default: Any, reason: str) -> Any:
    return field(default=default, metadata={"reason": reason})


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """The numbers. The unit is the last word of a name."""

    rate_window_s: int = _because(300, "Twenty scrapes of 15 s: smooth, and five minutes late.")
    record_interval_s: int = _because(60, "How often recording rules run; windows are multiples.")

    availability_objective: float = _because(0.99, "One failed call in a hundred is the budget.")
    burn_fast: tuple[Burn, ...] = _because(
        ((300, _HOUR, 14.4), (1800, 6 * _HOUR, 6.0)),
        "2 % of a 30-day budget in an hour, or 5 % in six: somebody must get up.",
    )
    burn_slow: tuple[Burn, ...] = _because(
        ((2 * _HOUR, _DAY, 3.0), (6 * _HOUR, 3 * _DAY, 1.0)),
        "10 % of a 30-day budget in a day, or in three: somebody must look today.",
    )
    burn_requests_min: int = _because(
        50, "In the long window; below it one failure is a storm on paper."
    )
    error_rate_high: float = _because(0.10, "One call in ten fails: users notice, P0.")
    error_rate_high_requests_min: int = _because(20, "In the rate window: two failures at least.")
    error_rate_elevated: float = _because(0.01, "The whole error budget, P1.")
    error_rate_elevated_window_s: int = _because(1800, "One in a hundred needs hundreds of calls.")
    error_rate_elevated_requests_min: int = _because(
        200, "In that window: three failures at least."
    )
    provider_down_ratio: float = _because(0.99, "Everything fails, but for rounding.")
    provider_down_requests_min: int = _because(5, "In the rate window: fewer is chance.")
    rate_limited_ratio: float = _because(0.05, "More than retries hide.")
    rate_limited_requests_min: int = _because(20, "In the rate window: one 429 is normal.")
    retry_storm_failures_per_success: float = _because(
        3.0, "Three tries lost for each that succeeds is what default retry settings look like."
    )
    retry_storm_growth: float = _because(2.0, "Retries multiply the calls of the hour before.")
    retry_storm_requests_min: int = _because(60, "In the rate window: a call each five seconds.")

    latency_p95_s: float = _because(2.0, "What people wait for without leaving, P1.")
    latency_requests_min: int = _because(20, "In the rate window: p95 of fewer is their slowest.")
    latency_slo_s: float = _because(5.12, "A bound of the histogram: the share below it is exact.")
    latency_objective: float = _because(0.95, "One slow call in twenty is the budget.")
    ttft_slo_s: float = _because(2.56, "A bound of the histogram; streams feel dead after it.")
    ttft_objective: float = _because(0.95, "One late start in twenty is the budget.")
    time_per_output_token_s: float = _because(0.1, "Ten tokens a second is slower than reading.")

    budget_warn_ratio: float = _because(0.80, "Time to look.")
    budget_critical_ratio: float = _because(0.95, "Time to decide.")
    budget_forecast_elapsed_min: float = _because(
        0.10, "A tenth of the period: a run rate of less says nothing."
    )
    cost_window_s: int = _because(_HOUR, "Cost of an hour, as people think of it.")
    cost_anomaly_ratio: float = _because(1.5, "50 % above the usual, P2.")
    cost_anomaly_deviations: float = _because(
        3.0, "And outside the spread of past weeks (median absolute deviations, as sigmas)."
    )
    cost_anomaly_floor_usd_per_hour: float = _because(1.0, "Below it nobody cares.")
    season_s: int = _because(_WEEK, "The same hour of past weeks: traffic follows the week.")
    seasons: int = _because(4, "A month: one odd week does not move the median.")
    seasons_min: int = _because(2, "With one week there is no spread.")
    baseline_s: int = _because(_DAY, "A whole day, nights included, for what has no season.")
    cost_per_request_ratio: float = _because(1.5, "A prompt or a model changed.")
    cost_per_request_floor_usd: float = _because(0.001, "Below a tenth of a cent it is noise.")
    cost_requests_min: int = _because(50, "In the cost window: a mean of fewer jumps by itself.")
    token_surge_ratio: float = _because(3.0, "Loops and floods multiply; growth does not.")
    token_surge_floor_per_hour: float = _because(100_000.0, "Below it the surge is a person.")
    cache_hit_drop_ratio: float = _because(0.5, "Half of the hits are gone.")
    cache_hit_share_min: float = _because(0.10, "Of the day before: below it nobody relied on it.")
    cache_tokens_min: int = _because(100_000, "Input tokens in the cost window.")

    quality_window_s: int = _because(1800, "Rare endings need half an hour to be a share.")
    quality_requests_min: int = _because(50, "In that window.")
    content_filter_ratio: float = _because(0.05, "One blocked answer in twenty is no accident.")
    truncated_ratio: float = _because(0.10, "One answer in ten stops in the middle.")
    usage_missing_ratio: float = _because(0.20, "A fifth of the calls is estimated or unknown.")
    new_model_window_s: int = _because(_WEEK, "A model not seen for a week is new.")
    new_model_shown_s: int = _because(_HOUR, "Long enough to be told, short enough to forget.")
    price_age_max_s: int = _because(90 * _DAY, "Some provider changes a price each month.")

    ingest_lag_s: float = _because(60.0, "Dashboards that are a minute behind mislead.")
    rejected_ratio: float = _because(0.01, "A sender is broken, not a span.")
    rejected_spans_min: int = _because(20, "In the cost window: single spans are accidents.")
    clock_skew_spans_min: int = _because(10, "In the cost window: a clock, not a step of it.")
    no_traffic_s: int = _because(900, "Longer than a rollout, shorter than an outage unnoticed.")
    no_traffic_spans_min: int = _because(60, "In the hour before: one a minute is traffic.")
    queue_full_in_s: int = _because(1800, "Time to act before senders are refused.")
    queue_share_min: float = _because(0.10, "An almost empty queue fills in no time on paper.")
    buffer_share: float = _because(0.50, "Half of the room that an outage of ClickHouse has.")
    clickhouse_parts_max: int = _because(300, "At 1000 (older: 300) inserts are slowed or refused.")

    hold_short_s: int = _because(120, "What pages waits two minutes: one missed scrape is none.")
    hold_s: int = _because(300, "What can wait five minutes does.")
    hold_long_s: int = _because(900, "Slow trends: a quarter of an hour.")
    keep_firing_s: int = _because(300, "An alert that flaps stays one alert.")

    def sped_up(self, factor: float, **changes: Any) -> Thresholds:
        """Return a copy in which time runs faster, for demonstrations and tests."""
        times = {
            f.name: max(round(getattr(self, f.name) / factor), 1)
            for f in fields(self)
            if f.name in _WINDOWS
        }
        burns = {
            name: tuple(
                (max(round(a / factor), 2), max(round(b / factor), 4), times_)
                for a, b, times_ in getattr(self, name)
            )
            for name in ("burn_fast", "burn_slow")
        }
        return replace(self, **(times | burns | changes))


# Lengths of time on the monitoring's own clock, as opposed to durations of what is measured.
_WINDOWS = frozenset(
    {
        "rate_window_s", "record_interval_s", "error_rate_elevated_window_s", "cost_window_s",
        "season_s", "baseline_s", "quality_window_s", "new_model_window_s", "new_model_shown_s",
        "no_traffic_s", "hold_short_s", "hold_s", "hold_long_s", "keep_firing_s",
    }
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where links lead and where messages go. No secret stands here: those are files."""

    grafana_url: str = _because("http://localhost:3000", "Links to dashboards.")
    runbook_base_url: str = _because(
        "",
        "Where you keep docs/runbooks: base, slash, the alert's name in lower case, `.md`; empty: "
        "alerts have no such link.",
    )
    job: str = _because("llm-observatory", "The scrape job of the service in Prometheus.")
    slack_channel: str = _because("#llm-alerts", "Where P0 to P2 are told.")
    slack_quiet_channel: str = _because("#llm-alerts-quiet", "Where P3 is told.")
    secrets_dir: str = _because(
        "/etc/alertmanager/secrets", "Holds `slack_api_url` and `pagerduty_routing_key`."
    )
    slack_update_message: bool = _because(
        False, "Alertmanager 0.32 with a bot token: one message that changes, not two."
    )
    slack_threads_url: str = _because(
        "", "Of `llm-observatory alerts threads`, which answers in threads; empty: no threads."
    )
    webhook_url: str = _because("", "Gets every alert of P0 to P3 as JSON; empty: nobody does.")
    dead_mans_switch_url: str = _because(
        "", "Is called while alerting works; its owner alarms when the calls stop."
    )
    work_hours: str = _because("08:00-18:00", "When a P1 pages, Monday to Friday.")
    time_zone: str = _because("UTC", "The time zone of the work hours.")

    def runbook(self, alert: str) -> str:
        """Return the address of an alert's runbook, empty: it is not known."""
        return self.runbook_base_url and f"{self.runbook_base_url}/{alert.lower()}.md"


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """What everything in the alert pack is made from."""

    thresholds: Thresholds = field(default_factory=Thresholds)
    site: Site = field(default_factory=Site)


def load(path: Path | None, environ: Mapping[str, str] | None = None) -> Configuration:
    """Return the defaults with a file's changes; raise ThresholdError that names what is wrong.

    RUNBOOK_BASE_URL in the environment stands for the one of the file.
    """
    chosen = Configuration() if path is None else _read(path)
    base = runbook_base(environ or {}) or chosen.site.runbook_base_url
    return replace(chosen, site=replace(chosen.site, runbook_base_url=_address(base)))


def runbook_base(environ: Mapping[str, str]) -> str:
    """Return RUNBOOK_BASE_URL, empty: not set. Raise ThresholdError when it is no address."""
    return _address(environ.get(RUNBOOK_VARIABLE, "").strip())


def _address(base: str) -> str:
    if base and not base.startswith(("http://", "https://")):
        raise ThresholdError(f"runbook_base_url or {RUNBOOK_VARIABLE}: write http(s)://...")
    return base.rstrip("/")


def _read(path: Path) -> Configuration:
    try:
        raw: Any = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ThresholdError(f"{path.name}: cannot be read: {error}") from error
    sections: dict[str, Any] = {"thresholds": Thresholds(), "site": Site()}
    if not isinstance(raw, dict):
        raise ThresholdError(f"{path.name}: write the sections thresholds and site")
    if unknown := sorted(map(str, set(raw) - set(sections))):
        raise ThresholdError(
            f"{path.name}: no such section: {', '.join(unknown)}; known are thresholds and site"
        )
    made = {
        name: _changed(path.name, name, default, raw.get(name) or {})
        for name, default in sections.items()
    }
    return Configuration(**made)


def _changed(file: str, section: str, default: Any, changes: Any) -> Any:
    if not isinstance(changes, dict):
        raise ThresholdError(f"{file}: {section} must be a list of `name: value` lines")
    known = {f.name for f in fields(default)}
    if unknown := sorted(map(str, set(changes) - known)):
        raise ThresholdError(f"{file}: {section}: no such name: {', '.join(unknown)}")
    return replace(
        default,
        **{
            name: _checked(f"{file}: {section}.{name}", getattr(default, name), value)
            for name, value in changes.items()
        },
    )


def _checked(where: str, default: Any, value: Any) -> Any:
    """Return a value in the type of its default."""
    if isinstance(default, tuple):
        return _burns(where, value)
    if isinstance(default, (bool, str)):
        if type(value) is not type(default):
            raise ThresholdError(f"{where}: must be {type(default).__name__}, not {value!r}")
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e12:
        raise ThresholdError(f"{where}: must be a number above 0, not {value!r}")
    if isinstance(default, int) and value != int(value):
        raise ThresholdError(f"{where}: must be a whole number, not {value!r}")
    return type(default)(value)


def _burns(where: str, value: Any) -> tuple[Burn, ...]:
    try:
        burns = tuple((int(short), int(long), float(factor)) for short, long, factor in value)
    except (TypeError, ValueError):
        burns = ()
    if not burns or any(not 0 < short < long or factor <= 0 for short, long, factor in burns):
        raise ThresholdError(
            f"{where}: must be a list of [short window in s, long window in s, factor]"
        )
    return burns
