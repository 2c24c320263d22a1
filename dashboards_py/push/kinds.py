"""Data sources and alerting: the kinds that Grafana keeps behind /api in every version.

For data sources there is no other API; the newer one for contact points, policies and templates is
still a beta in Grafana 13, and the one used here goes on working there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from dashboards_py.push.grafana import Grafana, Json, segment
from dashboards_py.push.plan import Present

UID_PREFIX = "llmobs-"
NAME_PREFIX = "llm-observatory"
# On every alert of ours, so our branch of the policies asks for it.
OUR_ALERTS = ["product", "=", "llm-observatory"]
_ALERTING = "/api/v1/provisioning"
_NONE: frozenset[str] = frozenset()
# Fields of a rule that are annotations over the API, and those that have another name there.
_LINKS = frozenset({"dashboardUid", "panelId"})
_FIELDS = {"keepFiringFor": "keep_firing_for"}


@dataclass(frozen=True, slots=True)
class DataSources:
    """Data sources by uid; ours are known by its prefix."""

    grafana: Grafana
    wanted: Mapping[str, Json]
    title: ClassVar[str] = "data source"
    secrets: ClassVar[frozenset[str]] = frozenset({"secureJsonData"})

    def desired(self) -> Mapping[str, Json]:
        """Return what should be there."""
        return {uid: {**body, "uid": uid} for uid, body in self.wanted.items()}

    def present(self, name: str) -> Present | None:
        """Return what is there."""
        body = self.grafana.get(f"/api/datasources/uid/{segment(name)}")
        if body is None:
            return None
        if not body.get("secureJsonFields"):
            return Present(body, ours=True)
        # Grafana never shows a secret, only that there is one.
        secret = {"secureJsonData": dict.fromkeys(body["secureJsonFields"], "[REDACTED]")}
        return Present(body | secret, ours=True)

    def ours(self) -> Iterable[str]:
        """Return the uids with our prefix."""
        found = self.grafana.get("/api/datasources") or []
        return [each["uid"] for each in found if each["uid"].startswith(UID_PREFIX)]

    def create(self, name: str, body: Json) -> None:
        """Make it."""
        del name
        self.grafana.post("/api/datasources", body)

    def update(self, name: str, body: Json, present: Present) -> None:
        """Change it, what somebody added to its settings stays."""
        # Grafana replaces the settings as a whole.
        merged = body | {"jsonData": present.body.get("jsonData", {}) | body["jsonData"]}
        self.grafana.put(f"/api/datasources/uid/{segment(name)}", merged)

    def delete(self, name: str, present: Present) -> None:
        """Delete it."""
        del present
        self.grafana.delete(f"/api/datasources/uid/{segment(name)}")


@dataclass(frozen=True, slots=True)
class RuleGroups:
    """Groups of alert rules by name, all of them in our folder: so what is in it is ours."""

    grafana: Grafana
    folder: str
    groups: Sequence[Json]
    title: ClassVar[str] = "rule group"
    secrets: ClassVar[frozenset[str]] = _NONE

    def desired(self) -> Mapping[str, Json]:
        """Return the groups of the provisioning file as the API takes them."""
        return {group["name"]: self._group(group) for group in self.groups}

    def present(self, name: str) -> Present | None:
        """Return the group."""
        body = self.grafana.get(self._path(name))
        return None if body is None else Present(body, ours=True)

    def ours(self) -> Iterable[str]:
        """Return the groups in our folder."""
        rules = self.grafana.get(f"{_ALERTING}/alert-rules") or []
        return {rule["ruleGroup"] for rule in rules if rule["folderUID"] == self.folder}

    def create(self, name: str, body: Json) -> None:
        """Make it."""
        self.grafana.put(self._path(name), body)

    def update(self, name: str, body: Json, present: Present) -> None:
        """Put it in the place of what is there: rules that it no longer has are deleted."""
        del present
        self.grafana.put(self._path(name), body)

    def delete(self, name: str, present: Present) -> None:
        """Delete it with its rules."""
        del present
        self.grafana.delete(self._path(name))

    def _path(self, name: str) -> str:
        return f"{_ALERTING}/folder/{segment(self.folder)}/rule-groups/{segment(name)}"

    def _group(self, group: Json) -> Json:
        return {
            "title": group["name"],
            "folderUid": self.folder,
            "interval": seconds(group["interval"]),
            "rules": [self._rule(rule, group["name"]) for rule in group["rules"]],
        }

    def _rule(self, rule: Json, group: str) -> Json:
        # In a file these two are fields, over the API annotations.
        links = {
            "__dashboardUid__": rule.get("dashboardUid"),
            "__panelId__": str(rule["panelId"]) if rule.get("panelId") else None,
        }
        annotations = rule.get("annotations", {}) | {k: v for k, v in links.items() if v}
        fields = {_FIELDS.get(k, k): v for k, v in rule.items() if k not in _LINKS}
        return fields | {
            "annotations": annotations,
            "folderUID": self.folder,
            "ruleGroup": group,
            "orgID": 1,
        }


@dataclass(frozen=True, slots=True)
class ContactPoints:
    """Receivers of contact points by uid; ours are known by its prefix."""

    grafana: Grafana
    points: Sequence[Json]
    title: ClassVar[str] = "contact point"
    secrets: ClassVar[frozenset[str]] = frozenset(
        {"integrationKey", "token", "password", "authorization_credentials", "url"}
    )

    def desired(self) -> Mapping[str, Json]:
        """Return the receivers of the provisioning file, each with the name of its point."""
        return {
            receiver["uid"]: {**receiver, "name": point["name"]}
            for point in self.points
            for receiver in point["receivers"]
        }

    def present(self, name: str) -> Present | None:
        """Return the receiver."""
        return next((Present(b, ours=True) for b in self._all() if b["uid"] == name), None)

    def ours(self) -> Iterable[str]:
        """Return the uids with our prefix."""
        return [b["uid"] for b in self._all() if b["uid"].startswith(UID_PREFIX)]

    def create(self, name: str, body: Json) -> None:
        """Make it."""
        del name
        self.grafana.post(f"{_ALERTING}/contact-points", body)

    def update(self, name: str, body: Json, present: Present) -> None:
        """Change it."""
        del present
        self.grafana.put(f"{_ALERTING}/contact-points/{segment(name)}", body)

    def delete(self, name: str, present: Present) -> None:
        """Delete it."""
        del present
        self.grafana.delete(f"{_ALERTING}/contact-points/{segment(name)}")

    def _all(self) -> Sequence[Json]:
        return self.grafana.get(f"{_ALERTING}/contact-points") or []


@dataclass(frozen=True, slots=True)
class Templates:
    """Groups of message templates by name; ours are known by its prefix."""

    grafana: Grafana
    templates: Sequence[Json]
    title: ClassVar[str] = "template"
    secrets: ClassVar[frozenset[str]] = _NONE

    def desired(self) -> Mapping[str, Json]:
        """Return the templates of the provisioning file."""
        return {each["name"]: {"template": each["template"]} for each in self.templates}

    def present(self, name: str) -> Present | None:
        """Return the template."""
        body = self.grafana.get(f"{_ALERTING}/templates/{segment(name)}")
        return None if body is None else Present(body, ours=True, version=body.get("version"))

    def ours(self) -> Iterable[str]:
        """Return the names with our prefix."""
        found = self.grafana.get(f"{_ALERTING}/templates") or []
        return [each["name"] for each in found if each["name"].startswith(NAME_PREFIX)]

    def create(self, name: str, body: Json) -> None:
        """Make it."""
        self.grafana.put(f"{_ALERTING}/templates/{segment(name)}", body)

    def update(self, name: str, body: Json, present: Present) -> None:
        """Change it, if nobody was faster."""
        version = {"version": present.version} if present.version else {}
        self.grafana.put(f"{_ALERTING}/templates/{segment(name)}", body | version)

    def delete(self, name: str, present: Present) -> None:
        """Delete it."""
        del present
        self.grafana.delete(f"{_ALERTING}/templates/{segment(name)}")


@dataclass(frozen=True, slots=True)
class MuteTimings:
    """Times in which routes are quiet, by name; ours are known by its prefix."""

    grafana: Grafana
    timings: Sequence[Json]
    title: ClassVar[str] = "mute timing"
    secrets: ClassVar[frozenset[str]] = _NONE

    def desired(self) -> Mapping[str, Json]:
        """Return the timings of the provisioning file."""
        return {
            each["name"]: {"name": each["name"], "time_intervals": each["time_intervals"]}
            for each in self.timings
        }

    def present(self, name: str) -> Present | None:
        """Return the timing."""
        body = self.grafana.get(f"{_ALERTING}/mute-timings/{segment(name)}")
        return None if body is None else Present(body, ours=True, version=body.get("version"))

    def ours(self) -> Iterable[str]:
        """Return the names with our prefix."""
        found = self.grafana.get(f"{_ALERTING}/mute-timings") or []
        return [each["name"] for each in found if each["name"].startswith(NAME_PREFIX)]

    def create(self, name: str, body: Json) -> None:
        """Make it."""
        del name
        self.grafana.post(f"{_ALERTING}/mute-timings", body)

    def update(self, name: str, body: Json, present: Present) -> None:
        """Change it, if nobody was faster."""
        version = {"version": present.version} if present.version else {}
        self.grafana.put(f"{_ALERTING}/mute-timings/{segment(name)}", body | version)

    def delete(self, name: str, present: Present) -> None:
        """Delete it."""
        del present
        self.grafana.delete(f"{_ALERTING}/mute-timings/{segment(name)}")


@dataclass(frozen=True, slots=True)
class Policy:
    """Our branch of the one tree of policies. What others put into the tree stays as it is.

    Our branch is the route at the top that asks for the label of our alerts.
    """

    grafana: Grafana
    route: Json | None
    """The branch, None: there should be none."""
    title: ClassVar[str] = "policy"
    secrets: ClassVar[frozenset[str]] = _NONE

    def desired(self) -> Mapping[str, Json]:
        """Return the branch."""
        return {} if self.route is None else {NAME_PREFIX: self.route}

    def present(self, name: str) -> Present | None:
        """Return our branch of the tree."""
        del name
        tree = self._tree()
        branch = next((route for route in tree.get("routes") or [] if _is_ours(route)), None)
        return None if branch is None else Present(branch, ours=True)

    def ours(self) -> Iterable[str]:
        """Return our branch's name when it is there."""
        return [NAME_PREFIX] if self.present(NAME_PREFIX) else []

    def create(self, name: str, body: Json) -> None:
        """Put our branch first: it asks for our label, so it takes nobody else's alerts."""
        del name
        self._put([body])

    def update(self, name: str, body: Json, present: Present) -> None:
        """Change our branch."""
        del name, present
        self._put([body])

    def delete(self, name: str, present: Present) -> None:
        """Take our branch out of the tree."""
        del name, present
        self._put([])

    def _put(self, branches: list[Json]) -> None:
        tree = self._tree()
        others = [route for route in tree.get("routes") or [] if not _is_ours(route)]
        self.grafana.put(f"{_ALERTING}/policies", tree | {"routes": [*branches, *others]})

    def _tree(self) -> Json:
        return self.grafana.get(f"{_ALERTING}/policies") or {}


def _is_ours(route: Json) -> bool:
    return OUR_ALERTS in (route.get("object_matchers") or ())


def seconds(duration: str) -> int:
    """Return a duration as files have it (30s, 1m, 2h) in seconds."""
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600}[duration[-1]]
