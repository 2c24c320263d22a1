"""Give a Prometheus the past that a service showed, step by step, and weeks like it before."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.prometheus import binary

_SCRAPE_S = 30
_HOUR_S = 3600
# How far back each series is asked for, the first that its name begins with: the whole day of
# everything would be eight million samples.
_KEPT_S = {
    "llm_observatory": 1.1 * _HOUR_S,
    "llm_cost_usd_total": 50 * _HOUR_S,
    "llm_tokens_total": 30 * _HOUR_S,
    "llm_requests_total": 30 * _HOUR_S,
    "llm_estimated_cost_usd_total": 30 * _HOUR_S,
    "llm_unpriced": 30 * _HOUR_S,
    "llm_": 6.1 * _HOUR_S,
    "": 1.1 * _HOUR_S,
}
_WEEK_S = 7 * 86400
# How busy the last weeks were, against today.
_WEEKS = (1.03, 0.94, 1.08, 0.97)
# Of those weeks only the hours are asked that today's last hours are compared with.
_COMPARED_S = 3 * _HOUR_S
_COMPARED = ("llm_requests_total", "llm_request_duration_seconds_bucket", "llm_cost_usd_total")


@dataclass(frozen=True, slots=True)
class Seen:
    """What was shown at a time, in unix seconds: values by series, as `name{labels}`."""

    at: float
    values: Mapping[str, float]

    @classmethod
    def read(cls, at: float, text: str) -> Seen:
        """Read a page in the text format."""
        lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return cls(at, {series: float(value) for series, _, value in lines})


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
    scraped = ",".join(f'{label}="{value}"' for label, value in labels.items())
    for series in sorted(last.values):
        name, _, own = series.removesuffix("}").partition("{")
        shown = f"{name}{{{own}{',' if own else ''}{scraped}}}"
        since = last.at - next(kept for start, kept in _KEPT_S.items() if name.startswith(start))
        steps = [
            (one.at, one.values[series]) for one in seen if one.at > since and series in one.values
        ]
        for turn, (at, value) in enumerate(_evenly(steps)):
            # In full: a digit less, and what is scraped next looks like a counter that began anew.
            yield f"{shown} {value:.17g} {at:.3f}\n"
            if turn % 4 == 0 and name in _COMPARED and at > last.at - _COMPARED_S:
                for week, factor in enumerate(_WEEKS, start=1):
                    yield f"{shown} {value * factor:.17g} {at - week * _WEEK_S:.3f}\n"
    # What Prometheus itself notes of a scrape.
    for at, _ in _evenly([(one.at, 0.0) for one in seen]):
        yield f"up{{{scraped}}} 1 {at:.3f}\n"


def _evenly(steps: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    for (start, before), (end, after) in itertools.pairwise(steps):
        count = max(round((end - start) / _SCRAPE_S), 1)
        for step in range(count):
            yield start + (end - start) * step / count, before + (after - before) * step / count
    yield steps[-1]
