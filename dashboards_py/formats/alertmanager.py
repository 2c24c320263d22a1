"""Routes and receivers as Alertmanager's configuration, and its templates. Secrets are files."""

from __future__ import annotations

from importlib import resources
from typing import Any
from urllib.parse import quote

from dashboards_py.formats import routes as r
from dashboards_py.formats.text import HEADER, document
from dashboards_py.thresholds import Configuration, Site

TEMPLATES = "llm-observatory.tmpl"
_NOTE = """\
Needs Alertmanager 0.25 or newer. Put the secrets into files, one line each, readable by
Alertmanager alone: {dir}/slack_api_url, {dir}/pagerduty_routing_key."""


def files(configuration: Configuration) -> dict[str, str]:
    """Return the configuration and the templates by name of their file."""
    site = configuration.site
    note = _NOTE.format(dir=site.secrets_dir)
    comment = HEADER.removeprefix("# ").strip()
    return {
        "alertmanager.yml": document(config(site), note),
        TEMPLATES: f"{{{{/* {comment} */}}}}\n{templates()}",
    }


def templates() -> str:
    """Return the texts of notifications."""
    return (resources.files("dashboards_py") / "formats" / "messages.tmpl").read_text("utf-8")


def config(site: Site) -> dict[str, Any]:
    """Return Alertmanager's configuration."""
    return {
        "global": {"resolve_timeout": "5m"},
        "templates": [TEMPLATES],
        "route": {
            "receiver": r.SLACK,
            "group_by": list(r.GROUP_BY),
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "4h",
            "routes": [_route(route) for route in r.routes(site)],
        },
        "inhibit_rules": [
            {
                "source_matchers": _matchers(rule.source),
                "target_matchers": _matchers(rule.target),
                **({"equal": list(rule.equal)} if rule.equal else {}),
            }
            for rule in r.INHIBITIONS
        ],
        "time_intervals": [{"name": r.WORK_HOURS, "time_intervals": [work_hours(site)]}],
        "receivers": _receivers(site),
    }


def work_hours(site: Site) -> dict[str, Any]:
    """Return when a P1 pages."""
    start, _, end = site.work_hours.partition("-")
    return {
        "weekdays": ["monday:friday"],
        "times": [{"start_time": start, "end_time": end}],
        "location": site.time_zone,
    }


def _route(route: r.Route) -> dict[str, Any]:
    return {
        "receiver": route.receiver,
        "matchers": _matchers(route.matchers),
        "group_by": list(route.group_by),
        "group_wait": route.group_wait,
        "group_interval": route.group_interval,
        "repeat_interval": route.repeat_interval,
        **({"active_time_intervals": [r.WORK_HOURS]} if route.work_hours_only else {}),
        **({"continue": True} if route.goes_on else {}),
    }


def _matchers(matchers: tuple[tuple[str, str, str], ...]) -> list[str]:
    return [f'{name}{operator}"{value}"' for name, operator, value in matchers]


def _receivers(site: Site) -> list[dict[str, Any]]:
    receivers: list[dict[str, Any]] = [
        {"name": r.NOBODY},
        {"name": r.PAGERDUTY, "pagerduty_configs": [_pagerduty(site)]},
        {"name": r.SLACK, **_chat(site, site.slack_channel)},
        {"name": r.QUIET, **_chat(site, site.slack_quiet_channel)},
    ]
    hooks = ((r.WEBHOOK, site.webhook_url), (r.DEAD_MANS_SWITCH, site.dead_mans_switch_url))
    receivers += [
        {"name": name, "webhook_configs": [{"url": url, "send_resolved": name == r.WEBHOOK}]}
        for name, url in hooks
        if url
    ]
    return receivers


def _chat(site: Site, channel: str) -> dict[str, Any]:
    """Return Slack by its webhook, or by the relay that knows threads."""
    if site.slack_threads_url:
        url = f"{site.slack_threads_url}?channel={quote(channel)}"
        return {"webhook_configs": [{"url": url, "send_resolved": True}]}
    return {"slack_configs": [_slack(site, channel)]}


def _slack(site: Site, channel: str) -> dict[str, Any]:
    return {
        "api_url_file": f"{site.secrets_dir}/slack_api_url",
        "channel": channel,
        "send_resolved": True,
        **({"update_message": True} if site.slack_update_message else {}),
        "color": '{{ template "llmobs.slack.color" . }}',
        "title": '{{ template "llmobs.title" . }}',
        "title_link": '{{ template "llmobs.link" . }}',
        "text": '{{ template "llmobs.slack.text" . }}',
        "fallback": '{{ template "llmobs.title" . }}',
        "footer": "LLM Observatory",
    }


def _pagerduty(site: Site) -> dict[str, Any]:
    def common(label: str, otherwise: str = "") -> str:
        rest = f"{{{{ else }}}}{otherwise}" if otherwise else ""
        return f"{{{{ with .CommonLabels.{label} }}}}{{{{ . }}}}{rest}{{{{ end }}}}"

    links = [{"href": '{{ template "llmobs.link" . }}', "text": "Dashboard"}]
    if site.runbook_base_url:
        runbook = "{{ (index .Alerts 0).Annotations.runbook_url }}"
        links.append({"href": runbook, "text": "Runbook"})
    return {
        "routing_key_file": f"{site.secrets_dir}/pagerduty_routing_key",
        "send_resolved": True,
        "severity": common("severity", "error"),
        "description": '{{ template "llmobs.title" . }}',
        "class": common("topic"),
        "component": common("service_name"),
        "group": common("provider"),
        "client": "LLM Observatory",
        "client_url": '{{ template "llmobs.link" . }}',
        "details": {"alerts": '{{ template "llmobs.pagerduty.details" . }}'},
        "links": links,
    }
