"""The real Prometheus and Alertmanager, from a metrics page to what Slack and PagerDuty receive.

Time runs sixty times as fast: five minutes are five seconds. One scene, told in order.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dashboards_py import pack
from dashboards_py.alert import Alert
from dashboards_py.expressions import select
from dashboards_py.messages import fields, pagerduty, slack
from dashboards_py.thresholds import Configuration, Site, Thresholds
from exporter.metrics.catalog import BUDGET, BUDGET_SPENT, REQUEST_DURATION, REQUESTS, UNPRICED
from tests.support.alerting import ROUTING_KEY, Scene, alerting, alertmanager_config
from tests.support.notified import Note, receivers
from tests.support.prometheus import alertmanager_server, wait_until
from tests.support.scraped import Page, scraped_page

_OPENAI = {"service_name": "checkout", "provider": "openai", "model": "gpt-4o"}
_SLOW = {"service_name": "search", "provider": "anthropic"}
_OK = select(REQUESTS, **_OPENAI, status="ok", outcome="ok")
_LIMITED = select(REQUESTS, **_OPENAI, status="error", outcome="rate_limited")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Page, Scene]]:
    directory = tmp_path_factory.mktemp("alerts")
    with scraped_page() as page:
        page.grow({_OK: 50, _LIMITED: 0})
        page.set({select(BUDGET, budget="all", period="month"): 100})
        page.set({select(BUDGET_SPENT, budget="all", period="month"): 10})
        with alerting(directory, page.address, Thresholds().sped_up(60)) as running:
            running.prometheus.wait_for("llm:availability_valid:rate > 0")
            yield page, running


def _slack(notes: list[Note], channel: str = "#llm-alerts") -> list[dict[str, Any]]:
    return [
        note.body["attachments"][0]
        for note in notes
        if note.to == "slack" and note.body["channel"] == channel
    ]


def _told(notes: list[Note], *words: str, channel: str = "#llm-alerts") -> bool:
    """Whether one Slack message has all of these words."""
    return any(all(w in f"{m['title']} {m['text']}" for w in words) for m in _slack(notes, channel))


def _events(notes: list[Note], action: str) -> list[dict[str, Any]]:
    return [n.body for n in notes if n.to == "pagerduty" and n.body["event_action"] == action]


def test_the_watchdog_calls_its_owner_and_nobody_else(scene: tuple[Page, Scene]) -> None:
    _, running = scene
    running.inbox.wait_for(lambda notes: any(n.to == "switch" for n in notes))

    assert [n for n in running.inbox.notes if n.to != "switch"] == []


def test_an_outage_pages_and_hides_what_follows_from_it_and_ends(
    scene: tuple[Page, Scene],
) -> None:
    """Firing, inhibited, resolved."""
    page, running = scene
    page.grow({_OK: 0, _LIMITED: 50})

    running.inbox.wait_for(lambda notes: _told(notes, "FIRING", "LLMProviderDown"))
    running.inbox.wait_for(
        lambda notes: any("LLMProviderDown" in str(e) for e in _events(notes, "trigger"))
    )
    event = next(e for e in _events(running.inbox.notes, "trigger") if "LLMProviderDown" in str(e))
    assert event["routing_key"] == ROUTING_KEY
    assert event["payload"]["severity"] == "critical"
    assert (event["payload"]["component"], event["payload"]["group"]) == ("checkout", "openai")
    assert event["payload"]["class"] == "availability"
    assert {link["text"] for link in event["links"]} == {"Dashboard", "Runbook"}
    message = next(m for m in _slack(running.inbox.notes) if "LLMProviderDown" in m["text"])
    assert message["color"] == "danger"
    assert "of the calls of checkout to openai failed" in message["text"]
    assert (
        "/d/llmobs-errors-and-limits?var-service=checkout&var-provider=openai|Dashboard>"
        in (message["text"])
    )

    def suppressed() -> bool:
        return any(
            a["status"]["state"] == "suppressed" and a["status"]["inhibitedBy"]
            for a in running.alerts("LLMErrorRateElevated")
        )

    wait_until(suppressed, 60, lambda: str(running.alerts("LLMErrorRateElevated")))
    assert not _told(list(running.inbox.notes), "LLMErrorRateElevated")
    # The cause is told in the same message.
    running.inbox.wait_for(lambda notes: _told(notes, "LLMProviderDown", "LLMRateLimited"))
    keys = {e["dedup_key"] for e in _events(running.inbox.notes, "trigger")}

    page.grow({_OK: 50, _LIMITED: 0})
    running.inbox.wait_for(lambda notes: _told(notes, ":white_check_mark: *LLMProviderDown*"))
    running.inbox.wait_for(
        lambda notes: keys <= {e["dedup_key"] for e in _events(notes, "resolve")}
    )


def test_two_slow_models_of_a_provider_are_one_message(scene: tuple[Page, Scene]) -> None:
    """Grouped by service and provider; P1 is told in Slack."""
    page, running = scene
    rates: dict[str, float] = {}
    for model in ("claude-a", "claude-b"):
        labels = {**_SLOW, "model": model, "operation": "chat", "status": "ok"}
        for bound in ("1.28", "2.56", "5.12", "+Inf"):
            slow = bound in {"5.12", "+Inf"}
            rates[select(REQUEST_DURATION, "_bucket", **labels, le=bound)] = 20.0 if slow else 0.0
        rates[select(REQUEST_DURATION, "_count", **labels)] = 20.0
    page.grow(rates)

    running.inbox.wait_for(
        lambda notes: _told(notes, "LLMLatencyP95High", "claude-a", "claude-b", "FIRING 2")
    )


def test_a_model_without_a_price_is_told_in_the_quiet_channel_only(
    scene: tuple[Page, Scene],
) -> None:
    page, running = scene
    page.grow({select(UNPRICED, **_OPENAI, reason="unknown_model"): 1})

    running.inbox.wait_for(
        lambda notes: _told(notes, "LLMUnpricedModel", channel="#llm-alerts-quiet")
    )
    assert not _told(list(running.inbox.notes), "LLMUnpricedModel")
    assert not any("LLMUnpricedModel" in str(n.body) for n in running.inbox.notes
                   if n.to == "pagerduty")  # fmt: skip


def test_a_spent_budget_hides_the_steps_before_it(scene: tuple[Page, Scene]) -> None:
    page, running = scene
    page.set({select(BUDGET_SPENT, budget="all", period="month"): 101})

    running.inbox.wait_for(lambda notes: _told(notes, "LLMBudget100", "101%"))
    assert not _told(list(running.inbox.notes), "LLMBudget80")
    assert not _told(list(running.inbox.notes), "LLMBudget95")
    assert {a["status"]["state"] for a in running.alerts("LLMBudget80")} == {"suppressed"}

    page.set({select(BUDGET_SPENT, budget="all", period="month"): 10})
    running.inbox.wait_for(lambda notes: _told(notes, "RESOLVED", "LLMBudget100"))
    done = next(m for m in _slack(running.inbox.notes) if "RESOLVED" in m["title"])
    assert done["color"] == "good"


def test_every_priority_reaches_the_webhook(scene: tuple[Page, Scene]) -> None:
    _, running = scene

    def priorities(notes: list[Note]) -> set[str]:
        return {
            alert["labels"]["priority"]
            for note in notes
            if note.to == "webhook"
            for alert in note.body["alerts"]
        }

    running.inbox.wait_for(lambda notes: priorities(notes) >= {"P0", "P1", "P3"})
    assert "none" not in priorities(list(running.inbox.notes))


def test_while_the_observatory_is_down_what_it_said_last_is_hidden(
    scene: tuple[Page, Scene],
) -> None:
    page, running = scene
    assert {a["status"]["state"] for a in running.alerts("LLMUnpricedModel")} == {"active"}
    page.down = True

    running.inbox.wait_for(lambda notes: _told(notes, "LLMObsDown"))

    def hidden() -> bool:
        found = running.alerts("LLMUnpricedModel")
        return bool(found) and all(a["status"]["state"] == "suppressed" for a in found)

    wait_until(hidden, 60, lambda: str(running.alerts("LLMUnpricedModel")))


def _alert(name: str) -> tuple[str, Alert]:
    return next(
        (topic, alert)
        for topic, alerts in pack.topics(Configuration()).items()
        for alert in alerts
        if alert.name == name
    )


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("LLMProviderDown", {"service_name": "checkout", "provider": "openai"}),
        ("LLMRateLimited", _OPENAI),
        ("LLMBudget80", {"budget": "all & any", "period": "month"}),
        ("LLMUnpricedModel", _OPENAI),
    ],
)
def test_a_test_message_is_what_alertmanager_sends(
    tmp_path: Path, name: str, values: dict[str, str]
) -> None:
    """`alerts test` renders without Alertmanager; both must say the same."""
    topic, alert = _alert(name)
    found, texts = fields(alert, topic, values, "Something is 20% of something.", Site())
    with (
        receivers() as inbox,
        alertmanager_server(alertmanager_config(tmp_path, inbox), tmp_path) as alertmanager,
    ):
        now = datetime.now(UTC)
        body = [
            {
                "labels": found,
                "annotations": texts,
                "startsAt": now.isoformat(),
                "endsAt": (now + timedelta(hours=1)).isoformat(),
            }
        ]
        alertmanager.post("/api/v2/alerts", body)
        quiet = found["priority"] == "P3"
        channel = "#llm-alerts-quiet" if quiet else "#llm-alerts"
        inbox.wait_for(lambda notes: any(n.to == "slack" for n in notes))
        (sent,) = inbox.to("slack")
        sent.pop("username")
        sent["attachments"][0].pop("callback_id", None)
        sent["attachments"][0].pop("actions", None)
        assert sent == slack(found, texts, channel)
        if found["priority"] == "P0":
            inbox.wait_for(lambda notes: any(n.to == "pagerduty" for n in notes))
            (event,) = inbox.to("pagerduty")
            expected = pagerduty(found, texts, ROUTING_KEY, event["dedup_key"])
            # Alertmanager lists the labels as well, unasked.
            for extra in ("firing", "resolved", "num_firing", "num_resolved"):
                event["payload"]["custom_details"].pop(extra)
            assert event == expected
