"""The pack as Grafana-managed alerting: file provisioning of rules, contact points and policies.

A dollar sign is written twice, because Grafana replaces `$NAME` by the environment's value; the
secrets are such names.
"""

from __future__ import annotations

import re
from typing import Any

from dashboards_py import pack
from dashboards_py.alert import Alert
from dashboards_py.datasources import PROMETHEUS
from dashboards_py.expressions import duration
from dashboards_py.formats import routes as r
from dashboards_py.formats.alertmanager import templates
from dashboards_py.formats.prometheus import labels, texts
from dashboards_py.formats.text import document
from dashboards_py.thresholds import Configuration, Site

FOLDER = "LLM Observatory"
SLACK_VARIABLE = "SLACK_API_URL"
PAGERDUTY_VARIABLE = "PAGERDUTY_ROUTING_KEY"
_UID_CHARS_MAX = 40
_NOTE = (
    f"Needs Grafana 12 or newer, and in its environment {SLACK_VARIABLE}\nand {PAGERDUTY_VARIABLE}."
)
# An organisation has one list of mute timings, so ours has a name that nobody else takes.
_OFF_HOURS = f"llm-observatory-{r.OFF_HOURS}"


def files(configuration: Configuration) -> dict[str, str]:
    """Return the provisioning files by name."""
    site = configuration.site
    return {
        "rules.yml": document({"apiVersion": 1, "groups": _groups(configuration)}),
        "contact-points.yml": document(
            {"apiVersion": 1, "contactPoints": _contact_points(site)}, _NOTE
        ),
        "policies.yml": document(
            {"apiVersion": 1, "policies": [_policy(site)], "muteTimes": [_off_hours(site)]},
            "Replaces the whole notification policy tree of the organisation.",
        ),
        "templates.yml": document(
            {
                "apiVersion": 1,
                "templates": [
                    {"orgId": 1, "name": "llm-observatory", "template": _escaped(templates())}
                ],
            }
        ),
    }


def uid(alert: Alert) -> str:
    """Return the rule's identifier, the same in every Grafana."""
    words = re.findall(r"LLM|[A-Z]+(?=[A-Z][a-z])|[A-Z][a-z]+\d*|[A-Z]+\d*|\d+", alert.name)
    return "llmobs-" + "-".join(word.lower() for word in words if word != "LLM")


def _groups(configuration: Configuration) -> list[dict[str, Any]]:
    return [
        {
            "orgId": 1,
            "name": f"llm-{topic}",
            "folder": FOLDER,
            "interval": duration(configuration.thresholds.record_interval_s),
            "rules": [_rule(alert, topic, configuration.site) for alert in alerts],
        }
        for topic, alerts in pack.topics(configuration).items()
    ]


def _rule(alert: Alert, topic: str, site: Site) -> dict[str, Any]:
    # The expression is empty unless it fires, whatever its value: any number is a reason.
    fires = "is_number($A) || is_inf($A)"
    keep = {"keepFiringFor": duration(alert.keep_firing_s)} if alert.keep_firing_s else {}
    return {
        "uid": uid(alert),
        "title": alert.name,
        "condition": "C",
        "data": [
            _query("A", PROMETHEUS, {"expr": _escaped(alert.expr), "instant": True}),
            _query("C", "__expr__", {"type": "math", "expression": _escaped(fires)}),
        ],
        "noDataState": "OK",
        "execErrState": "Error",
        "for": duration(alert.hold_s) if alert.hold_s else "0s",
        **keep,
        "labels": labels(alert, topic),
        "annotations": {
            name: _escaped(text.replace("$value", "$values.A.Value"))
            for name, text in texts(alert, site).items()
        },
    }


def _query(ref: str, source: str, model: dict[str, Any]) -> dict[str, Any]:
    return {
        "refId": ref,
        "datasourceUid": source,
        "relativeTimeRange": {"from": 600, "to": 0},
        "model": {"refId": ref, **model},
    }


def _contact_points(site: Site) -> list[dict[str, Any]]:
    points = [
        _point(r.PAGERDUTY, "pagerduty", _pagerduty()),
        _point(r.SLACK, "slack", _slack(site.slack_channel)),
        _point(r.QUIET, "slack", _slack(site.slack_quiet_channel)),
    ]
    hooks = ((r.WEBHOOK, site.webhook_url), (r.DEAD_MANS_SWITCH, site.dead_mans_switch_url))
    points += [
        _point(name, "webhook", {"url": _escaped(url), "httpMethod": "POST"})
        for name, url in hooks
        if url
    ]
    return points


def _point(name: str, kind: str, settings: dict[str, Any]) -> dict[str, Any]:
    receiver = {
        "uid": f"llmobs-{name}",
        "type": kind,
        "settings": settings,
        "disableResolveMessage": name == r.DEAD_MANS_SWITCH,
    }
    return {"orgId": 1, "name": _name(name), "receivers": [receiver]}


def _name(receiver: str) -> str:
    return f"LLM Observatory {receiver}"


def _slack(channel: str) -> dict[str, str]:
    return {
        "url": f"${{{SLACK_VARIABLE}}}",
        "recipient": channel,
        "title": '{{ template "llmobs.title" . }}',
        "text": '{{ template "llmobs.slack.text" . }}',
    }


def _pagerduty() -> dict[str, str]:
    return {
        "integrationKey": f"${{{PAGERDUTY_VARIABLE}}}",
        "severity": "{{ with .CommonLabels.severity }}{{ . }}{{ else }}error{{ end }}",
        "class": "{{ .CommonLabels.topic }}",
        "component": "{{ .CommonLabels.service_name }}",
        "group": "{{ .CommonLabels.provider }}",
        "summary": '{{ template "llmobs.title" . }}',
    }


def _policy(site: Site) -> dict[str, Any]:
    # Without a receiver of its own a branch that tells nobody cannot be written: it is muted.
    children = [_branch(route) for route in r.routes(site) if route.receiver != r.NOBODY]
    if not site.dead_mans_switch_url:
        children.insert(0, _never())
    return {
        "orgId": 1,
        "receiver": _name(r.SLACK),
        "group_by": ["grafana_folder", *r.GROUP_BY],
        "group_wait": "30s",
        "group_interval": "5m",
        "repeat_interval": "4h",
        "routes": children,
    }


def _branch(route: r.Route) -> dict[str, Any]:
    return {
        "receiver": _name(route.receiver),
        "object_matchers": [list(matcher) for matcher in route.matchers],
        "group_by": list(route.group_by),
        "group_wait": route.group_wait,
        "group_interval": route.group_interval,
        "repeat_interval": route.repeat_interval,
        **({"mute_time_intervals": [_OFF_HOURS]} if route.work_hours_only else {}),
        **({"continue": True} if route.goes_on else {}),
    }


def _never() -> dict[str, Any]:
    return {
        "receiver": _name(r.QUIET),
        "object_matchers": [["alertname", "=", "Watchdog"]],
        "repeat_interval": "120h",
    }


def _off_hours(site: Site) -> dict[str, Any]:
    start, _, end = site.work_hours.partition("-")
    place = {"location": site.time_zone}
    return {
        "orgId": 1,
        "name": _OFF_HOURS,
        "time_intervals": [
            {"weekdays": ["saturday", "sunday"], **place},
            {
                "weekdays": ["monday:friday"],
                "times": [
                    {"start_time": "00:00", "end_time": start},
                    {"start_time": end, "end_time": "24:00"},
                ],
                **place,
            },
        ],
    }


def _escaped(text: str) -> str:
    return text.replace("$", "$$")
