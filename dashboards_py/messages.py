"""Notifications of one alert as Alertmanager sends them, for a test of the last mile.

Alertmanager renders `formats/messages.tmpl`; this renders the same words without it, so that a
channel can be tried before anything fires. A test holds both against each other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dashboards_py.alert import Alert, Priority
from dashboards_py.formats.prometheus import in_address, labels, links
from dashboards_py.thresholds import Site

_COLOURS = {Priority.P0: "danger", Priority.P1: "danger", Priority.P2: "warning"}
_SHOWN = ("service_name", "provider", "model", "budget")


def fields(
    alert: Alert, topic: str, values: Mapping[str, str], description: str, site: Site
) -> tuple[dict[str, str], dict[str, str]]:
    """Return labels and annotations of a firing alert."""
    shown = in_address({name: values[name] for name in alert.keep})
    found = {"alertname": alert.name, **values, **labels(alert, topic)}
    texts = {"summary": alert.summary, "description": description, **links(alert, site, shown)}
    return found, texts


def title(found: Mapping[str, str]) -> str:
    """Return the headline."""
    who = "".join(f" · {found[name]}" for name in _SHOWN if name in found)
    return f"[{found['priority']} FIRING 1] {found['alertname']}{who}"


def slack(found: Mapping[str, str], texts: Mapping[str, str], channel: str) -> dict[str, Any]:
    """Return the body for a Slack webhook."""
    wanted = (("dashboard_url", "Dashboard"), ("trace_url", "Traces"), ("runbook_url", "Runbook"))
    shown = " · ".join(f"<{texts[name]}|{word}>" for name, word in wanted if name in texts)
    text = (
        f":red_circle: *{found['alertname']}* ({found['priority']}): {texts['summary']}\n"
        f"{texts['description']}\n{shown}"
    )
    attachment = {
        "title": title(found),
        "title_link": texts["dashboard_url"],
        "text": text,
        "fallback": title(found),
        "footer": "LLM Observatory",
        "color": _COLOURS.get(Priority(found["priority"]), "#439FE0"),
        "mrkdwn_in": ["fallback", "pretext", "text"],
    }
    return {"channel": channel, "attachments": [attachment]}


def pagerduty(
    found: Mapping[str, str], texts: Mapping[str, str], routing_key: str, dedup_key: str
) -> dict[str, Any]:
    """Return the body for PagerDuty's events API, version 2."""
    return {
        "routing_key": routing_key,
        "dedup_key": dedup_key,
        "event_action": "trigger",
        "client": "LLM Observatory",
        "client_url": texts["dashboard_url"],
        "links": [
            {"href": texts["dashboard_url"], "text": "Dashboard"},
            {"href": texts["runbook_url"], "text": "Runbook"},
        ],
        "payload": {
            "summary": title(found),
            "source": "LLM Observatory",
            "severity": found["severity"],
            "class": found["topic"],
            "component": found.get("service_name", ""),
            "group": found.get("provider", ""),
            "custom_details": {"alerts": f"{found['alertname']}: {texts['description']}"},
        },
    }


def webhook(
    found: Mapping[str, str], texts: Mapping[str, str], starts_at: str, group_by: tuple[str, ...]
) -> dict[str, Any]:
    """Return the body that Alertmanager's webhook has, version 4."""
    group = {name: found[name] for name in group_by if name in found}
    alert = {
        "status": "firing",
        "labels": dict(found),
        "annotations": dict(texts),
        "startsAt": starts_at,
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "",
        "fingerprint": "0000000000000000",
    }
    return {
        "receiver": "webhook",
        "status": "firing",
        "alerts": [alert],
        "groupLabels": group,
        "commonLabels": dict(found),
        "commonAnnotations": dict(texts),
        "externalURL": "",
        "version": "4",
        "groupKey": f"test:{json.dumps(group, sort_keys=True)}",
        "truncatedAlerts": 0,
    }
