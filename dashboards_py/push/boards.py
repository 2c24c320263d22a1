"""Folders and dashboards, behind /apis where the Grafana has it and behind /api where not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from dashboards_py.push.grafana import ConflictError, Grafana, Json, segment
from dashboards_py.push.plan import Kind, Present

TAG = "llm-observatory"
"""On every dashboard of ours: what lacks it is not touched."""

_FOLDER_GROUP = "folder.grafana.app"
_DASHBOARD_GROUP = "dashboard.grafana.app"
# Versions in which the spec is the classic model; in v2 it is another one.
_CLASSIC = ("v1", "v1beta1")
_FOLDER = "grafana.app/folder"
_MESSAGE = "grafana.app/message"
_PAGE = 500
_NONE: frozenset[str] = frozenset()


def folders_and_dashboards(
    grafana: Grafana, folder: str, title: str, dashboards: Mapping[str, Json], namespace: str
) -> list[Kind]:
    """Return both kinds for the newest API that this Grafana has."""
    folders, boards = (_version(grafana, group) for group in (_FOLDER_GROUP, _DASHBOARD_GROUP))
    return [
        _Folders(grafana, folder, title, _path(_FOLDER_GROUP, folders, namespace, "folders"))
        if folders
        else _OldFolders(grafana, folder, title),
        _Dashboards(
            grafana, folder, dashboards, _path(_DASHBOARD_GROUP, boards, namespace, "dashboards")
        )
        if boards
        else _OldDashboards(grafana, folder, dashboards),
    ]


def _version(grafana: Grafana, group: str) -> str | None:
    """Return the newest version with the classic model, None where there is no such API."""
    found = grafana.get(f"/apis/{group}") or {}
    served = {each.get("version") for each in found.get("versions", ())}
    return next((version for version in _CLASSIC if version in served), None)


def _path(group: str, version: str | None, namespace: str, resource: str) -> str:
    return f"/apis/{group}/{version}/namespaces/{segment(namespace)}/{resource}"


@dataclass(frozen=True, slots=True)
class _OldFolders:
    """Our folder, behind /api."""

    grafana: Grafana
    uid: str
    name: str
    title: ClassVar[str] = "folder"
    secrets: ClassVar[frozenset[str]] = _NONE

    def desired(self) -> Mapping[str, Json]:
        return {self.uid: {"uid": self.uid, "title": self.name}}

    def present(self, name: str) -> Present | None:
        body = self.grafana.get(f"/api/folders/{segment(name)}")
        return None if body is None else Present(body, ours=True, version=body.get("version"))

    def ours(self) -> Iterable[str]:
        return ()

    def create(self, name: str, body: Json) -> None:
        del name
        self.grafana.post("/api/folders", body)

    def update(self, name: str, body: Json, present: Present) -> None:
        self.grafana.put(f"/api/folders/{segment(name)}", body | {"version": present.version})

    def delete(self, name: str, present: Present) -> None:
        """Leave it: there may be things of others in it."""


@dataclass(frozen=True, slots=True)
class _OldDashboards:
    """Dashboards by uid, behind /api."""

    grafana: Grafana
    folder: str
    dashboards: Mapping[str, Json]
    title: ClassVar[str] = "dashboard"
    secrets: ClassVar[frozenset[str]] = _NONE

    def desired(self) -> Mapping[str, Json]:
        return {uid: self._body(model) for uid, model in self.dashboards.items()}

    def present(self, name: str) -> Present | None:
        found = self.grafana.get(f"/api/dashboards/uid/{segment(name)}")
        if found is None:
            return None
        model = found["dashboard"]
        body = {"dashboard": model, "folderUid": found.get("meta", {}).get("folderUid", "")}
        return Present(body, ours=TAG in model.get("tags", ()), version=model.get("version"))

    def ours(self) -> Iterable[str]:
        query = f"/api/search?type=dash-db&tag={TAG}&folderUIDs={segment(self.folder)}"
        return [each["uid"] for each in self.grafana.get(f"{query}&limit={_PAGE}") or []]

    def create(self, name: str, body: Json) -> None:
        del name
        self._save(body)

    def update(self, name: str, body: Json, present: Present) -> None:
        del name
        # Without `overwrite` Grafana refuses when the version is not the newest.
        model = body["dashboard"] | {"version": present.version}
        self._save(body | {"dashboard": model})

    def delete(self, name: str, present: Present) -> None:
        del present
        self.grafana.delete(f"/api/dashboards/uid/{segment(name)}")

    def _save(self, body: Json) -> None:
        extra = {"message": "pushed by llm-observatory", "overwrite": False}
        self.grafana.post("/api/dashboards/db", body | extra)

    def _body(self, model: Json) -> Json:
        return {"dashboard": without_id(model), "folderUid": self.folder}


@dataclass(frozen=True, slots=True)
class _Resources:
    """What both kinds behind /apis have in common: resources with a version."""

    grafana: Grafana
    path: str

    def get(self, name: str) -> Json | None:
        return self.grafana.get(f"{self.path}/{segment(name)}")

    def create(self, name: str, body: Json) -> None:
        self.grafana.post(self.path, _with_metadata(body, {"name": name}))

    def update(self, name: str, body: Json, present: Present) -> None:
        # The version makes Grafana refuse (409) what would undo somebody else's change.
        metadata = {"name": name, "resourceVersion": present.version}
        self.grafana.put(f"{self.path}/{segment(name)}", _with_metadata(body, metadata))

    def delete(self, name: str) -> None:
        self.grafana.delete(f"{self.path}/{segment(name)}")


class _Folders:
    """Our folder, behind /apis."""

    title: ClassVar[str] = "folder"
    secrets: ClassVar[frozenset[str]] = _NONE

    def __init__(self, grafana: Grafana, uid: str, name: str, path: str) -> None:
        self._resources = _Resources(grafana, path)
        self._uid = uid
        self._name = name

    def desired(self) -> Mapping[str, Json]:
        return {self._uid: {"metadata": {}, "spec": {"title": self._name}}}

    def present(self, name: str) -> Present | None:
        found = self._resources.get(name)
        return None if found is None else _present(found, ours=True)

    def ours(self) -> Iterable[str]:
        return ()

    def create(self, name: str, body: Json) -> None:
        self._resources.create(name, body)

    def update(self, name: str, body: Json, present: Present) -> None:
        self._resources.update(name, body, present)

    def delete(self, name: str, present: Present) -> None:
        """Leave it: there may be things of others in it."""


class _Dashboards:
    """Dashboards by uid, behind /apis."""

    title: ClassVar[str] = "dashboard"
    secrets: ClassVar[frozenset[str]] = _NONE

    def __init__(
        self, grafana: Grafana, folder: str, dashboards: Mapping[str, Json], path: str
    ) -> None:
        self._grafana = grafana
        self._resources = _Resources(grafana, path)
        self._path = path
        self._folder = folder
        self._dashboards = dashboards

    def desired(self) -> Mapping[str, Json]:
        annotations = {_FOLDER: self._folder}
        return {
            uid: {"metadata": {"annotations": annotations}, "spec": _spec(model)}
            for uid, model in self._dashboards.items()
        }

    def present(self, name: str) -> Present | None:
        found = self._resources.get(name)
        return None if found is None else _present(found, ours=_is_ours(found))

    def ours(self) -> Iterable[str]:
        names: list[str] = []
        following = ""
        # A Grafana that gives the same page again and again must not keep us.
        for _ in range(_PAGE):
            page = self._grafana.get(f"{self._path}?limit={_PAGE}{following}") or {}
            names += [each["metadata"]["name"] for each in page.get("items", ()) if _is_ours(each)]
            token = page.get("metadata", {}).get("continue")
            if not token:
                return names
            following = f"&continue={segment(token)}"
        raise ConflictError(f"{self._path}: the list has no end")

    def create(self, name: str, body: Json) -> None:
        self._resources.create(name, _with_message(body))

    def update(self, name: str, body: Json, present: Present) -> None:
        self._resources.update(name, _with_message(body), present)

    def delete(self, name: str, present: Present) -> None:
        del present
        self._resources.delete(name)


def without_id(model: Json) -> Json:
    """Return a dashboard without what belongs to one Grafana only."""
    return {key: value for key, value in model.items() if key not in {"id", "version"}}


def _spec(model: Json) -> Json:
    # The name of the resource is the uid.
    return {key: value for key, value in without_id(model).items() if key != "uid"}


def _is_ours(found: Json) -> bool:
    return TAG in (found.get("spec", {}).get("tags") or ())


def _present(found: Json, *, ours: bool) -> Present:
    metadata = found["metadata"]
    body = {
        "metadata": {"annotations": metadata.get("annotations") or {}},
        "spec": found.get("spec", {}),
    }
    return Present(body, ours=ours, version=metadata.get("resourceVersion"))


def _with_metadata(body: Json, metadata: Json) -> Json:
    return {**body, "metadata": {**body["metadata"], **metadata}}


def _with_message(body: Json) -> Json:
    annotations = body["metadata"]["annotations"] | {_MESSAGE: "pushed by llm-observatory"}
    return _with_metadata(body, {"annotations": annotations})
