"""Write series for cases: promtool's notation from stretches of time."""

from __future__ import annotations

from collections.abc import Mapping

from dashboards_py.expressions import AnyMetric, select
from exporter.metrics.catalog import REQUESTS, Metric

CALLER = {"service_name": "checkout", "provider": "openai"}
MODEL = {**CALLER, "model": "gpt-4o"}


def counter(*stretches: tuple[float, int]) -> str:
    """Return a counter that grows by so much a step, for so many steps, stretch after stretch."""
    parts: list[str] = []
    value = 0.0
    for number, (growth, steps) in enumerate(stretches):
        # The first stretch includes its start; a later one begins a step after the one before.
        first, more = (value, steps) if number == 0 else (value + growth, steps - 1)
        parts.append(f"{first:.12g}+{growth:.12g}x{more}")
        value = first + growth * more
    return " ".join(parts)


def gauge(*stretches: tuple[float, int]) -> str:
    """Return a gauge that stays at a value for so many samples, stretch after stretch."""
    return " ".join(f"{value:.12g}+0x{samples - 1}" for value, samples in stretches)


def calls(outcome: str = "ok", *, status: str = "", **labels: str) -> str:
    """Return the series of calls with an outcome; what is not ok failed, unless said otherwise."""
    ended = {"status": status or ("ok" if outcome == "ok" else "error"), "outcome": outcome}
    return select(REQUESTS, **MODEL, **ended, **labels)


def histogram(
    metric: Metric, bounds: tuple[str, ...], *stretches: tuple[tuple[float, ...], int]
) -> dict[str, str]:
    """Return a histogram's series; each stretch says how many a step are in each bucket alone.

    One number more than there are bounds: the last is for what exceeds them all.
    """
    labels = {**MODEL, "operation": "chat"}
    if any(label.name == "status" for label in metric.labels):
        labels["status"] = "ok"
    found: dict[str, str] = {}
    for i, bound in enumerate((*bounds, "+Inf")):
        growth = [(sum(each[: i + 1]), steps) for each, steps in stretches]
        found[select(metric, "_bucket", **labels, le=bound)] = counter(*growth)
    total = [(sum(each), steps) for each, steps in stretches]
    found[select(metric, "_count", **labels)] = counter(*total)
    return found


def on_target(metric: AnyMetric, target: Mapping[str, str]) -> str:
    """Return a gauge's series as it is scraped from a target: `job` and `instance`."""
    return f'{metric.sample_name}{{job="{target["job"]}",instance="{target["instance"]}"}}'
