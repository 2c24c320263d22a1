"""Give a Prometheus the past that a service showed, step by step, and weeks like it before."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.prometheus import binary
from tests.support.service import Metrics

_SCRAPE_S = 30
_WEEK_S = 7 * 86400
# How busy the last weeks were, against today.
_WEEKS = (1.03, 0.94, 1.08, 0.97)
# Of those weeks only the hours are asked that today's last hours are compared with.
_COMPARED_S = 3 * 3600
_COMPARED = ("llm_requests_total", "llm_request_duration_seconds_bucket", "llm_cost_usd_total")


@dataclass(frozen=True, slots=True)
class Seen:
    """What was shown at a time, in unix seconds."""

    at: float
    metrics: Metrics


def write_seen(seen: Sequence[Seen], data: Path, *, labels: Mapping[str, str]) -> None:
    """Write blocks into a Prometheus' data folder, before it starts.

    Between two steps everything changes evenly. `labels` are those that a scrape adds.
    """
    text = data.with_suffix(".openmetrics")
    with text.open("w") as file:
        file.writelines(_lines(seen, labels))
        file.write("# EOF\n")
    data.mkdir(parents=True, exist_ok=True)
    command = [binary("promtool"), "tsdb", "create-blocks-from", "openmetrics"]
    done = subprocess.run([*command, text, data], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text.unlink()


def _lines(seen: Sequence[Seen], labels: Mapping[str, str]) -> Iterator[str]:
    last = seen[-1]
    for (name, own), _ in sorted(last.metrics.samples.items(), key=lambda item: item[0][0]):
        key = (name, own)
        all_labels = sorted({**dict(own), **labels}.items())
        shown = ",".join(f"{label}={_quoted(value)}" for label, value in all_labels)
        steps = [(one.at, one.metrics.samples[key]) for one in seen if key in one.metrics.samples]
        for at, value in _evenly(steps):
            yield f"{name}{{{shown}}} {value:.12g} {at:.3f}\n"
            if name in _COMPARED and at > last.at - _COMPARED_S:
                for week, factor in enumerate(_WEEKS, start=1):
                    yield f"{name}{{{shown}}} {value * factor:.12g} {at - week * _WEEK_S:.3f}\n"
    # What Prometheus itself notes of a scrape.
    shown = ",".join(f"{label}={_quoted(value)}" for label, value in sorted(labels.items()))
    for at, _ in _evenly([(one.at, 0.0) for one in seen]):
        yield f"up{{{shown}}} 1 {at:.3f}\n"


def _evenly(steps: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    for (start, before), (end, after) in zip(steps, steps[1:], strict=False):
        count = max(round((end - start) / _SCRAPE_S), 1)
        for step in range(count):
            yield start + (end - start) * step / count, before + (after - before) * step / count
    yield steps[-1]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
