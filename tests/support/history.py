"""Give a Prometheus a past: what a service showed once, as if it had counted up to it before."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.prometheus import binary
from tests.support.service import Metrics

STEP_S = 300


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of the past, in unix seconds, and how busy it was."""

    start: float
    end: float
    factor: float = 1.0


def write_past(
    metrics: Metrics,
    data: Path,
    *,
    windows: Sequence[Window],
    labels: Mapping[str, str],
    prefixes: Sequence[str],
) -> None:
    """Write blocks into a Prometheus' data folder, before it starts.

    In each window every counter and bucket whose name has one of the prefixes rises evenly from 0
    to a multiple of the value that it has in `metrics`. `labels` are those a scrape adds.
    """
    text = data.with_suffix(".openmetrics")
    text.write_text("".join(_lines(metrics, windows, labels, prefixes)) + "# EOF\n")
    data.mkdir(parents=True, exist_ok=True)
    command = [
        binary("promtool"),
        "tsdb",
        "create-blocks-from",
        "openmetrics",
        str(text),
        str(data),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _lines(
    metrics: Metrics,
    windows: Sequence[Window],
    labels: Mapping[str, str],
    prefixes: Sequence[str],
) -> Iterable[str]:
    for (name, own), value in sorted(metrics.samples.items(), key=lambda item: item[0][0]):
        if not any(name.startswith(prefix) for prefix in prefixes):
            continue
        shown = ",".join(f'{key}="{text}"' for key, text in sorted({**dict(own), **labels}.items()))
        for window in windows:
            steps = int((window.end - window.start) // STEP_S)
            for step in range(steps + 1):
                at = window.start + step * STEP_S
                yield f"{name}{{{shown}}} {value * window.factor * step / steps:.9g} {at:.3f}\n"
