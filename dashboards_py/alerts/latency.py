"""Do answers come in time?"""

from __future__ import annotations

from dashboards_py.alert import Alert, Dashboard, Priority
from dashboards_py.expressions import duration, increase, quantile
from dashboards_py.rules.slo import Slo, latency, ttft
from dashboards_py.thresholds import Site, Thresholds
from exporter.metrics.catalog import REQUEST_DURATION, TIME_PER_OUTPUT_TOKEN

_KEEP = ("service_name", "provider", "model")
_WHO = "{{ $labels.model }} of {{ $labels.provider }} for {{ $labels.service_name }}"


def alerts(t: Thresholds, site: Site) -> tuple[Alert, ...]:
    """Return the alerts of this topic."""
    del site
    slow = f"took longer than {t.latency_slo_s:g} s"
    late = f"sent their first token after more than {t.ttft_slo_s:g} s"
    return (
        _p95(t),
        *_burns("LLMLatencySLOBurn", "answers are too slow", slow, latency(t), t),
        *_burns("LLMTTFTSLOBurn", "streams begin too late", late, ttft(t), t),
        _slow_tokens(t),
    )


def _p95(t: Thresholds) -> Alert:
    window_s = t.rate_window_s
    return Alert(
        name="LLMLatencyP95High",
        expr=f"{quantile(0.95, REQUEST_DURATION, window_s, _KEEP)} > {t.latency_p95_s:g}"
        f"\nand {increase(REQUEST_DURATION, window_s, _KEEP, '_count')}"
        f" >= {t.latency_requests_min}",
        priority=Priority.P1,
        summary="The slowest calls of a model are slower than people wait",
        description=f"The p95 of {_WHO} is {{{{ $value | humanizeDuration }}}}, "
        f"the limit is {t.latency_p95_s:g} s.",
        dashboard=Dashboard.LATENCY,
        keep=_KEEP,
        hold_s=t.hold_s,
        keep_firing_s=t.keep_firing_s,
        traces=True,
    )


def _burns(name: str, wrong: str, how: str, slo: Slo, t: Thresholds) -> tuple[Alert, ...]:
    text = f"{{{{ $value | humanizePercentage }}}} of the calls of {_WHO} {how}; "
    text += f"{1 - slo.objective:.0%} may over 30 days."
    return tuple(
        Alert(
            name=f"{name}{speed}",
            expr=slo.burning(burns, t.burn_requests_min),
            priority=priority,
            summary=f"Too many {wrong}: the budget of 30 days burns {pace}",
            description=text,
            dashboard=Dashboard.LATENCY,
            keep=slo.keep,
            hold_s=hold_s,
            keep_firing_s=t.keep_firing_s,
            traces=True,
        )
        for speed, burns, priority, hold_s, pace in (
            ("Fast", t.burn_fast, Priority.P1, t.hold_short_s, "within days"),
            ("Slow", t.burn_slow, Priority.P2, t.hold_long_s, "before they are over"),
        )
    )


def _slow_tokens(t: Thresholds) -> Alert:
    window_s = t.rate_window_s
    return Alert(
        name="LLMTimePerOutputTokenHigh",
        expr=f"{quantile(0.5, TIME_PER_OUTPUT_TOKEN, window_s, _KEEP)}"
        f" > {t.time_per_output_token_s:g}"
        f"\nand {increase(TIME_PER_OUTPUT_TOKEN, window_s, _KEEP, '_count')}"
        f" >= {t.latency_requests_min}",
        priority=Priority.P2,
        summary="A model writes slower than people read",
        description=f"Half of the calls to {_WHO} take more than "
        "{{ $value | humanizeDuration }} a token over the last "
        f"{duration(window_s)}, the limit is {t.time_per_output_token_s * 1000:g} ms.",
        dashboard=Dashboard.LATENCY,
        keep=_KEEP,
        hold_s=t.hold_s,
        keep_firing_s=t.keep_firing_s,
        traces=True,
    )
