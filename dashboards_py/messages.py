"""Notifications as Alertmanager words them, without Alertmanager.

It renders `formats/messages.tmpl`; this says the same, so that a channel can be tried before
anything fires, and for Slack threads. A test holds both against each other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dashboards_py.alert import Alert, Priority
from dashboards_py.formats.prometheus import in_address, labels, links
from dashboards_py.thresholds import Site

_COLOURS: Mapping[str, str] = {
    Priority.P0: "danger",
    Priority.P1: "danger",
    Priority.P2: "warning",
}
_QUIET = "#439FE0"
_SHOWN = ("service_name", "provider", "model", "budget")


def fields(
    alert: Alert, topic: str, values: Mapping[str, str], description: str, site: Site
) -> tuple[dict[str, str], dict[str, str]]:
    """Return labels and annotations of a firing alert."""
    shown = in_address({name: values[name] for name in alert.keep})
    found = {"alertname": alert.name, **values, **labels(alert, topic)}
    texts = {"summary": alert.summary, "description": description, **links(alert, site, shown)}
    return found, texts


def title(notification: Mapping[str, Any]) -> str:
    """Return the headline of a notification, in the form of Alertmanager's webhook."""
    common: Mapping[str, str] = notification["commonLabels"]
    alerts: Sequence[Mapping[str, Any]] = notification["alerts"]
    who = "".join(f" · {common[name]}" for name in _SHOWN if name in common)
    priority = f"{common['priority']} " if "priority" in common else ""
    firing = sum(alert["status"] == "firing" for alert in alerts)
    state = f"FIRING {firing}" if notification["status"] == "firing" else "RESOLVED"
    return f"[{priority}{state}] {common.get('alertname', f'{len(alerts)} alerts')}{who}"


def attachment(notification: Mapping[str, Any]) -> dict[str, Any]:
    """Return what Slack shows of a notification."""
    alerts: Sequence[Mapping[str, Any]] = notification["alerts"]
    priority = alerts[0]["labels"].get("priority", "")
    firing = notification["status"] == "firing"
    return {
        "title": title(notification),
        "title_link": alerts[0]["annotations"].get("dashboard_url", ""),
        "text": "\n\n".join(_slack_text(alert) for alert in alerts),
        "fallback": title(notification),
        "footer": "LLM Observatory",
        "color": _COLOURS.get(priority, _QUIET) if firing else "good",
        "mrkdwn_in": ["fallback", "pretext", "text"],
    }


def slack(found: Mapping[str, str], texts: Mapping[str, str], channel: str) -> dict[str, Any]:
    """Return the body for a Slack webhook."""
    return {"channel": channel, "attachments": [attachment(webhook(found, texts, "", ()))]}


def _slack_text(alert: Mapping[str, Any]) -> str:
    found, texts = alert["labels"], alert["annotations"]
    wanted = (("dashboard_url", "Dashboard"), ("trace_url", "Traces"), ("runbook_url", "Runbook"))
    shown = " · ".join(f"<{texts[name]}|{word}>" for name, word in wanted if name in texts)
    sign = ":red_circle:" if alert["status"] == "firing" else ":white_check_mark:"
    priority = f" ({found['priority']})" if "priority" in found else ""
    return (
        f"{sign} *{found['alertname']}*{priority}: {texts.get('summary', '')}\n"
        f"{texts.get('description', '')}\n{shown}"
    )


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
            {"href": texts[name], "text": word}
            for name, word in (("dashboard_url", "Dashboard"), ("runbook_url", "Runbook"))
            if name in texts
        ],
        "payload": {
            "summary": title(webhook(found, texts, "", ())),
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
