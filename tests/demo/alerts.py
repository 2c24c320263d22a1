"""Break the demo application on purpose, and print the alerts that arrive: `make alerts-demo`.

Everything is real but the ends: the demo's services on real SDKs, the observatory, Prometheus and
Alertmanager with the generated rules and routes. Stand-ins play the model providers, Slack and
PagerDuty. Time runs thirty times as fast, and a week is twenty seconds.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from dashboards_py.thresholds import Thresholds
from exporter.demo.faults import Fault
from exporter.demo.processes import working
from exporter.demo.providers import ProviderServer
from exporter.demo.shop import SERVICES, Protocol
from exporter.demo.stand_in import Mischief
from tests.support.alerting import Scene, alerting
from tests.support.notified import Note
from tests.support.prometheus import ServerError, wait_until
from tests.support.service import running_service

SHOP = ("storefront-chat", "support-agent")
# Enough for a slow machine; it ends as soon as what is expected has arrived.
STEP_MAX_S = 120.0

# What a demonstration has: a few calls a second, and no weeks of history.
THRESHOLDS = Thresholds().sped_up(
    30,
    error_rate_high_requests_min=5,
    rate_limited_requests_min=5,
    latency_requests_min=2,
    cost_window_s=10,
    baseline_s=60,
    season_s=20,
    seasons=3,
    cost_anomaly_floor_usd_per_hour=0.1,
    cost_requests_min=5,
    new_model_window_s=600,
    new_model_shown_s=30,
)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that goes wrong, and which alerts must arrive where."""

    title: str
    change: Callable[[Mischief], None]
    expected: dict[str, str]
    """Receiver by alert: pagerduty, slack or slack-quiet."""


def _storm(mischief: Mischief) -> None:
    mischief.fault = Fault.RATE_LIMIT


def _slow(mischief: Mischief) -> None:
    mischief.slowness = 40.0


def _dear(mischief: Mischief) -> None:
    mischief.verbosity = 100


def _new(mischief: Mischief) -> None:
    mischief.renamed = "gpt-6-preview"


STEPS = (
    Step(
        "a storm of 429s: the providers turn every call away",
        _storm,
        {"LLMErrorRateHigh": "pagerduty", "LLMRateLimited": "slack"},
    ),
    Step("models that take forty times as long", _slow, {"LLMLatencyP95High": "slack"}),
    Step("answers a hundred times as dear", _dear, {"LLMCostAnomaly": "slack"}),
    Step(
        "a model that nobody has seen before",
        _new,
        {"LLMNewModel": "slack-quiet", "LLMUnpricedModel": "slack-quiet"},
    ),
)


def main() -> int:
    """Run all steps; return 0 when every expected alert arrived."""
    with tempfile.TemporaryDirectory(prefix="llm-observatory-alerts-") as folder:
        return run(Path(folder))


def run(directory: Path) -> int:
    """Run all steps with files below a directory."""
    missing: list[str] = []
    with stage(directory) as (mischief, scene):
        scene.inbox.on_note = _printer()
        print("Two demo services are open; waiting for a minute of normal traffic.", flush=True)
        scene.prometheus.wait_for("llm:cost_usd:per_hour:past_count >= 2", timeout_s=STEP_MAX_S)
        for number, step in enumerate(STEPS, 1):
            print(f"\n{number}. {step.title}", flush=True)
            missing += _play(step, mischief, scene)
    if missing:
        print(f"\nDid not arrive: {', '.join(missing)}", file=sys.stderr)
        return 1
    print("\nEvery expected alert arrived where it belongs.")
    return 0


@contextmanager
def stage(directory: Path) -> Iterator[tuple[Mischief, Scene]]:
    """Open the shop, the observatory and the alerting."""
    options = ["--seed", "7", "--pause-s", "0.2", "--calm"]
    budgets = directory / "budgets.yml"
    budgets.write_text("budgets: [{name: shop, period: month, amount_usd: 1000}]\n")
    with (
        running_service(
            directory / "service", budgets_file=budgets, budgets_refresh_s=1
        ) as service,
        ProviderServer(seed=7, latency_scale=0.05) as provider,
        working(
            [SERVICES[name] for name in SHOP],
            {
                Protocol.GRPC: service.endpoints.otlp_grpc,
                Protocol.HTTP: service.endpoints.otlp_http,
            },
            provider.url,
            options,
        ),
        alerting(directory, urlsplit(service.endpoints.metrics).netloc, THRESHOLDS) as scene,
    ):
        yield provider.mischief, scene


def _play(step: Step, mischief: Mischief, scene: Scene) -> list[str]:
    """Break something, wait for its alerts, mend it; return what did not arrive."""
    seen = len(scene.inbox.notes)
    step.change(mischief)

    def missing() -> list[str]:
        arrived = {pair for note in scene.inbox.notes[seen:] for pair in _firing(note)}
        return [
            f"{alert} at {to}" for alert, to in step.expected.items() if (alert, to) not in arrived
        ]

    try:
        wait_until(lambda: not missing(), STEP_MAX_S, lambda: str(missing()))
    except ServerError:
        return missing()
    finally:
        mischief.fault, mischief.slowness, mischief.verbosity = None, 1.0, 1
        mischief.renamed = None
    return []


def _firing(note: Note) -> Iterator[tuple[str, str]]:
    """Yield the alerts that a notification says fire, and to whom."""
    if note.to == "slack":
        to = "slack-quiet" if note.body["channel"].endswith("quiet") else "slack"
        for part in note.body["attachments"][0]["text"].split(":red_circle: *")[1:]:
            yield part.partition("*")[0], to
    elif note.to == "pagerduty" and note.body["event_action"] == "trigger":
        for line in note.body["payload"]["custom_details"]["alerts"].splitlines():
            yield line.partition(":")[0], "pagerduty"


def _printer() -> Callable[[Note], None]:
    start = time.monotonic()

    def show(note: Note) -> None:
        at = f"{time.monotonic() - start:5.0f} s"
        if note.to == "slack":
            message = note.body["attachments"][0]
            lines = [f"{at}  Slack {note.body['channel']:<18} {message['title']}"]
            for part in message["text"].split("\n\n"):
                head, description, *_ = part.splitlines()
                state = "fires   " if head.startswith(":red_circle:") else "resolved"
                name = head.split("*")[1]
                lines.append(f"{'':>16}{state} {name}: {description}")
        elif note.to == "pagerduty":
            event = note.body
            lines = [f"{at}  PagerDuty {event['event_action']:<14} {event['payload']['summary']}"]
        else:
            return
        # In one piece: notifications come from several threads.
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()

    return show


if __name__ == "__main__":
    sys.exit(main())
