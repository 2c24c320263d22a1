"""What should be in a Grafana, read from what is generated."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable

import yaml

from dashboards_py import datasources as sources
from dashboards_py.push.grafana import Json
from dashboards_py.push.kinds import OUR_ALERTS
from dashboards_py.thresholds import Site, ThresholdError, runbook_base
from exporter.errors import ConfigurationError

FOLDER_UID = "llm-observatory"
FOLDER_TITLE = "LLM Observatory"

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
# In Prometheus' and Go's templates these stand for something else.
_ESCAPED = "$$"


@dataclass(frozen=True, slots=True)
class Alerting:
    """Rules and their routes, in the form of Grafana's provisioning files."""

    groups: list[Json] = field(default_factory=list[Json])
    contact_points: list[Json] = field(default_factory=list[Json])
    templates: list[Json] = field(default_factory=list[Json])
    mute_timings: list[Json] = field(default_factory=list[Json])
    policy: Json | None = None


def generated() -> Traversable:
    """Return the folder of what is generated."""
    return resources.files("dashboards_py") / "generated"


def dashboards(root: Traversable, *, core: bool) -> dict[str, Json]:
    """Return the dashboards by uid; `core`: those that do without the ClickHouse plugin."""
    folder = root / ("dashboards-core" if core else "dashboards")
    models = [
        json.loads(file.read_text(encoding="utf-8"))
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".json")
    ]
    return {model["uid"]: model for model in models}


def alerting(root: Traversable, environ: Mapping[str, str]) -> Alerting:
    """Return rules, contact points, templates, mute timings and the policy.

    Grafana puts the environment's values into a file itself, but not into what comes over its API,
    so it is done here. A contact point whose secrets are not set is left out; rules go out anyway.
    With RUNBOOK_BASE_URL each rule links to its runbook.
    """
    found = Alerting()
    folder = root / "grafana-alerting"
    if not folder.is_dir():
        return found
    policies: list[Json] = []
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if not file.name.endswith((".yml", ".yaml")):
            continue
        content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        found.groups.extend(content.get("groups", ()))
        found.templates.extend(content.get("templates", ()))
        found.mute_timings.extend(content.get("muteTimes", ()))
        found.contact_points.extend(
            point
            for each in content.get("contactPoints", ())
            if (point := _with_secrets(each, environ))["receivers"]
        )
        policies += content.get("policies", ())
    return Alerting(
        [_with_runbooks(_unescaped(group), _site(environ)) for group in found.groups],
        found.contact_points,
        [_unescaped(template) for template in found.templates],
        found.mute_timings,
        _branch(policies, {point["name"] for point in found.contact_points}),
    )


def _site(environ: Mapping[str, str]) -> Site:
    try:
        return Site(runbook_base_url=runbook_base(environ))
    except ThresholdError as error:
        raise ConfigurationError(str(error)) from error


def _with_runbooks(group: Json, site: Site) -> Json:
    if not site.runbook_base_url:
        return group
    rules = [
        rule | {"annotations": rule["annotations"] | {"runbook_url": site.runbook(rule["title"])}}
        for rule in group["rules"]
    ]
    return group | {"rules": rules}


def _branch(policies: list[Json], receivers: set[str]) -> Json | None:
    """Return the tree of the file as one branch, None when its contact points are not there.

    A file replaces the whole tree of an organisation, so its root takes everything; as a branch it
    takes only alerts that carry our label.
    """
    if not policies or policies[0]["receiver"] not in receivers:
        return None
    root = {key: value for key, value in policies[0].items() if key != "orgId"}
    routes = [_unescaped(r) for r in root.get("routes", ()) if r.get("receiver") in receivers]
    return root | {"object_matchers": [OUR_ALERTS], "routes": routes}


def _with_secrets(point: Json, environ: Mapping[str, str]) -> Json:
    receivers: list[Json] = []
    for receiver in point["receivers"]:
        text = json.dumps(receiver["settings"]).replace(_ESCAPED, "")
        names = {a or b for a, b in _VARIABLE.findall(text)}
        if all(environ.get(name) for name in names):
            settings = _expanded(receiver["settings"], environ)
            receivers.append(receiver | {"settings": settings})
    return {"name": point["name"], "receivers": receivers}


def _expanded(value: Json, environ: Mapping[str, str]) -> Json:
    def filled(text: str) -> str:
        parts = text.split(_ESCAPED)
        return "$".join(_VARIABLE.sub(lambda m: environ[m[1] or m[2]], part) for part in parts)

    return _with_texts(value, filled)


def _unescaped(value: Json) -> Json:
    return _with_texts(value, lambda text: text.replace(_ESCAPED, "$"))


def with_sources(value: Json, uids: Mapping[str, str]) -> Json:
    """Return a model in which the data sources of `uids` stand in for ours.

    `uids` are by the short names prometheus, tempo, pyroscope, clickhouse and alertmanager.
    """
    theirs = {_uid_of(name): uid for name, uid in uids.items()}
    return _with_texts(value, lambda text: theirs.get(text, text))


def _with_texts(value: Json, change: Callable[[str], str]) -> Json:
    """Return it with every text in it changed, but for the names of fields."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _with_texts(each, change) for key, each in value.items()}
    return [_with_texts(each, change) for each in value] if isinstance(value, list) else value


def _uid_of(name: str) -> str:
    known = {
        "prometheus": sources.PROMETHEUS,
        "tempo": sources.TEMPO,
        "pyroscope": sources.PYROSCOPE,
        "clickhouse": sources.CLICKHOUSE,
        "alertmanager": sources.ALERTMANAGER,
    }
    if name not in known:
        raise ConfigurationError(f"--use {name}=...: known are {', '.join(known)}")
    return known[name]
