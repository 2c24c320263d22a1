"""A stand-in for Grafana's HTTP API, as far as pushing goes, in both of its generations.

It keeps what it is sent, refuses what the real one refuses with the status codes that are
documented (401, 403, 404, 409, 412), checks versions, hides secrets, adds the fields that the real
one adds, and writes down every request.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

ADMIN, EDITOR, VIEWER = "glsa_admin", "glsa_editor", "glsa_viewer"
Json = Any


class RefusedError(Exception):
    def __init__(self, code: int, message: str, **more: str) -> None:
        super().__init__(message)
        self.code = code
        self.body = {"message": message, **more}


@dataclass
class StandInGrafana:
    """What is in it, by kind."""

    apis: bool
    """Whether it has the newer API for folders and dashboards."""
    url: str = ""
    datasources: dict[str, Json] = field(default_factory=dict)
    folders: dict[str, Json] = field(default_factory=dict)
    dashboards: dict[str, Json] = field(default_factory=dict)
    folder_of: dict[str, str] = field(default_factory=dict)
    groups: dict[tuple[str, str], Json] = field(default_factory=dict)
    contact_points: dict[str, Json] = field(default_factory=dict)
    templates: dict[str, Json] = field(default_factory=dict)
    mute_timings: dict[str, Json] = field(default_factory=dict)
    policies: Json = field(default_factory=lambda: {"receiver": "grafana-default-email"})
    requests: list[tuple[str, str]] = field(default_factory=list)
    before_write: list[Callable[[], None]] = field(default_factory=list)
    """Each is called once before a write: somebody else who is faster."""
    _version: int = 0

    @property
    def writes(self) -> list[tuple[str, str]]:
        return [(method, path) for method, path in self.requests if method != "GET"]

    def next_version(self) -> int:
        self._version += 1
        return self._version

    # Routes ---------------------------------------------------------------------------------------

    def answer(self, method: str, path: str, query: dict[str, str], token: str, body: Json) -> Json:
        if token not in {ADMIN, EDITOR, VIEWER}:
            raise RefusedError(401, "Invalid API key")
        if method != "GET":
            if token == VIEWER or (token == EDITOR and path.startswith("/api/datasources")):
                raise RefusedError(
                    403, "You'll need additional permissions to perform this action."
                )
            if self.before_write:
                self.before_write.pop(0)()
        for pattern, handle in self._routes().items():
            if match := re.fullmatch(pattern, path):
                return handle(method, *map(unquote, match.groups()), body=body, query=query)
        raise RefusedError(404, "Not found")

    def _routes(self) -> dict[str, Callable[..., Json]]:
        alerting = "/api/v1/provisioning"
        new = "/apis/(folder|dashboard).grafana.app"
        routes: dict[str, Callable[..., Json]] = {
            "/api/datasources": self._all_datasources,
            "/api/datasources/uid/([^/]+)": self._datasource,
            f"{alerting}/alert-rules": self._rules,
            f"{alerting}/folder/([^/]+)/rule-groups/([^/]+)": self._group,
            f"{alerting}/contact-points": self._points,
            f"{alerting}/contact-points/([^/]+)": self._point,
            f"{alerting}/templates": self._all_templates,
            f"{alerting}/templates/([^/]+)": self._template,
            f"{alerting}/mute-timings": self._all_mute_timings,
            f"{alerting}/mute-timings/([^/]+)": self._mute_timing,
            f"{alerting}/policies": self._policy,
        }
        if self.apis:
            resources = f"{new}/v1/namespaces/default/(?:folders|dashboards)"
            return routes | {
                new: self._api_group,
                resources: self._resources,
                f"{resources}/([^/]+)": self._resource,
            }
        return routes | {
            "/api/folders": self._new_folder,
            "/api/folders/([^/]+)": self._folder,
            "/api/search": self._search,
            "/api/dashboards/db": self._save_dashboard,
            "/api/dashboards/uid/([^/]+)": self._dashboard,
        }

    # Data sources ---------------------------------------------------------------------------------

    def _all_datasources(self, method: str, *, body: Json, **_: Json) -> Json:
        if method == "GET":
            return [_without_secret(each) for each in self.datasources.values()]
        if any(body["name"] == each["name"] for each in self.datasources.values()):
            raise RefusedError(409, "data source with the same name already exists")
        self.datasources[body["uid"]] = body | {"id": len(self.datasources) + 1, "version": 1}
        return {"message": "Datasource added"}

    def _datasource(self, method: str, uid: str, *, body: Json, **_: Json) -> Json:
        if uid not in self.datasources:
            raise RefusedError(404, "Data source not found")
        if method == "PUT":
            self.datasources[uid] = body | {"id": 1, "version": self.next_version()}
        elif method == "DELETE":
            del self.datasources[uid]
            return {"message": "Data source deleted"}
        return _without_secret(self.datasources[uid])

    # The older API --------------------------------------------------------------------------------

    def _new_folder(self, method: str, *, body: Json, **_: Json) -> Json:
        assert method == "POST"
        if body["uid"] in self.folders:
            raise RefusedError(409, "a folder with that name already exists")
        self.folders[body["uid"]] = body | {"id": 1, "version": self.next_version()}
        return self.folders[body["uid"]]

    def _folder(self, method: str, uid: str, *, body: Json, **_: Json) -> Json:
        if uid not in self.folders:
            raise RefusedError(404, "folder not found")
        if method == "PUT":
            if body["version"] != self.folders[uid]["version"]:
                raise RefusedError(412, "the folder has been changed by someone else")
            self.folders[uid] = body | {"version": self.next_version()}
        return self.folders[uid]

    def _search(self, method: str, *, query: dict[str, str], **_: Json) -> Json:
        assert method == "GET"
        return [
            {"uid": uid, "title": model["title"]}
            for uid, model in self.dashboards.items()
            if query["tag"] in model.get("tags", ()) and self.folder_of[uid] == query["folderUIDs"]
        ]

    def _save_dashboard(self, method: str, *, body: Json, **_: Json) -> Json:
        assert method == "POST"
        model, folder = body["dashboard"], body["folderUid"]
        uid = model["uid"]
        if folder not in self.folders:
            raise RefusedError(400, "folder not found")
        if (there := self.dashboards.get(uid)) and not body.get("overwrite"):
            if "version" not in model:
                raise RefusedError(
                    412, "A dashboard with the same uid already exists", status="name-exists"
                )
            if model["version"] != there["version"]:
                raise RefusedError(
                    412, "The dashboard has been changed by someone else", status="version-mismatch"
                )
        self.dashboards[uid] = model | {"id": 7, "version": self.next_version()}
        self.folder_of[uid] = folder
        return {"uid": uid, "status": "success", "version": self.dashboards[uid]["version"]}

    def _dashboard(self, method: str, uid: str, **_: Json) -> Json:
        if uid not in self.dashboards:
            raise RefusedError(404, "Dashboard not found")
        if method == "DELETE":
            del self.dashboards[uid]
            return {"message": "Dashboard deleted"}
        return {"dashboard": self.dashboards[uid], "meta": {"folderUid": self.folder_of[uid]}}

    # The newer API --------------------------------------------------------------------------------

    def _api_group(self, method: str, group: str, **_: Json) -> Json:
        assert method == "GET"
        name = f"{group}.grafana.app"
        versions = [{"groupVersion": f"{name}/{v}", "version": v} for v in ("v2", "v1", "v0alpha1")]
        return {"kind": "APIGroup", "name": name, "versions": versions}

    def _resources(self, method: str, group: str, *, body: Json, **_: Json) -> Json:
        if method == "GET":
            items = [self._as_resource(group, name) for name in self._store(group)]
            return {"kind": "List", "metadata": {}, "items": items}
        name = body["metadata"]["name"]
        if name in self._store(group):
            raise RefusedError(409, f'{group}s "{name}" already exists', reason="AlreadyExists")
        self._keep(group, name, body)
        return self._as_resource(group, name)

    def _resource(self, method: str, group: str, name: str, *, body: Json, **_: Json) -> Json:
        store = self._store(group)
        if name not in store:
            raise RefusedError(404, f'{group}s "{name}" not found', reason="NotFound")
        if method == "PUT":
            if body["metadata"].get("resourceVersion") != str(store[name]["version"]):
                raise RefusedError(
                    409,
                    "the object has been modified; please apply your changes",
                    reason="Conflict",
                )
            self._keep(group, name, body)
        elif method == "DELETE":
            del store[name]
            return {"status": "Success"}
        return self._as_resource(group, name)

    def _store(self, group: str) -> dict[str, Json]:
        return self.folders if group == "folder" else self.dashboards

    def _keep(self, group: str, name: str, body: Json) -> None:
        spec = body["spec"] | {"uid": name, "version": self.next_version()}
        if group == "dashboard":
            folder = body["metadata"].get("annotations", {}).get("grafana.app/folder", "")
            if folder not in self.folders:
                raise RefusedError(400, "folder not found")
            self.folder_of[name] = folder
        self._store(group)[name] = spec

    def _as_resource(self, group: str, name: str) -> Json:
        spec = self._store(group)[name]
        annotations = {"grafana.app/createdBy": "service-account:1"}
        if group == "dashboard":
            annotations["grafana.app/folder"] = self.folder_of[name]
        return {
            "kind": group.title(),
            "apiVersion": f"{group}.grafana.app/v1",
            "metadata": {
                "name": name,
                "namespace": "default",
                "resourceVersion": str(spec["version"]),
                "annotations": annotations,
            },
            "spec": {key: value for key, value in spec.items() if key not in {"uid", "version"}},
        }

    # Alerting -------------------------------------------------------------------------------------

    def _rules(self, method: str, **_: Json) -> Json:
        assert method == "GET"
        return [rule for group in self.groups.values() for rule in group["rules"]]

    def _group(self, method: str, folder: str, name: str, *, body: Json, **_: Json) -> Json:
        if method == "PUT":
            if folder not in self.folders:
                raise RefusedError(404, "folder not found")
            added = {"id": 3, "updated": "2026-01-01T00:00:00Z", "provenance": "api"}
            rules = [rule | added for rule in body["rules"]]
            self.groups[folder, name] = body | {"rules": rules}
        elif (folder, name) not in self.groups:
            raise RefusedError(404, "rule group not found")
        elif method == "DELETE":
            del self.groups[folder, name]
            return None
        return self.groups[folder, name]

    def _points(self, method: str, *, body: Json, **_: Json) -> Json:
        if method == "GET":
            return [_redacted(point) for point in self.contact_points.values()]
        if body["uid"] in self.contact_points:
            raise RefusedError(409, "contact point exists")
        self.contact_points[body["uid"]] = body
        return body

    def _point(self, method: str, uid: str, *, body: Json, **_: Json) -> Json:
        if uid not in self.contact_points:
            raise RefusedError(404, "contact point not found")
        if method == "DELETE":
            if any(r["receiver"] == self.contact_points[uid]["name"] for r in self._routes_there()):
                raise RefusedError(409, "contact point is used by a notification policy")
            del self.contact_points[uid]
        else:
            self.contact_points[uid] = body
        return {"message": "done"}

    def _routes_there(self) -> Iterator[Json]:
        open_routes = [self.policies]
        while open_routes:
            route = open_routes.pop()
            yield route
            open_routes += route.get("routes") or []

    def _all_templates(self, method: str, **_: Json) -> Json:
        assert method == "GET"
        return [{"name": name, **body} for name, body in self.templates.items()]

    def _template(self, method: str, name: str, *, body: Json, **_: Json) -> Json:
        if method == "PUT":
            there = self.templates.get(name)
            if there and body.get("version") not in {None, there["version"]}:
                raise RefusedError(409, "provided version doesn't match")
            self.templates[name] = {
                "template": body["template"],
                "version": str(self.next_version()),
            }
        elif name not in self.templates:
            raise RefusedError(404, "template not found")
        elif method == "DELETE":
            del self.templates[name]
            return None
        return {"name": name, **self.templates[name]}

    def _all_mute_timings(self, method: str, *, body: Json, **_: Json) -> Json:
        if method == "POST":
            if body["name"] in self.mute_timings:
                raise RefusedError(409, "mute timing with the name already exists")
            self.mute_timings[body["name"]] = body | {"version": str(self.next_version())}
            return body
        return list(self.mute_timings.values())

    def _mute_timing(self, method: str, name: str, *, body: Json, **_: Json) -> Json:
        if name not in self.mute_timings:
            raise RefusedError(404, "mute timing not found")
        if method == "PUT":
            if body.get("version") not in {None, self.mute_timings[name]["version"]}:
                raise RefusedError(409, "provided version doesn't match")
            self.mute_timings[name] = body | {"version": str(self.next_version())}
        elif method == "DELETE":
            if any(name in r.get("mute_time_intervals", ()) for r in self._routes_there()):
                raise RefusedError(409, "mute timing is used by a notification policy")
            del self.mute_timings[name]
            return None
        return self.mute_timings[name]

    def _policy(self, method: str, *, body: Json, **_: Json) -> Json:
        if method == "PUT":
            known = {point["name"] for point in self.contact_points.values()}
            known.add("grafana-default-email")
            before, self.policies = self.policies, body
            if unknown := {r["receiver"] for r in self._routes_there()} - known:
                self.policies = before
                raise RefusedError(400, f"receiver {sorted(unknown)} does not exist")
            quiet = {t for r in self._routes_there() for t in r.get("mute_time_intervals", ())}
            if unknown := quiet - self.mute_timings.keys():
                self.policies = before
                raise RefusedError(400, f"mute time interval {sorted(unknown)} does not exist")
        return self.policies


def _without_secret(source: Json) -> Json:
    shown = {key: value for key, value in source.items() if key != "secureJsonData"}
    secrets = dict.fromkeys(source.get("secureJsonData", {}), True)
    return shown | ({"secureJsonFields": secrets} if secrets else {})


def _redacted(point: Json) -> Json:
    secret = {"url", "integrationKey", "token"}
    settings = {k: "[REDACTED]" if k in secret else v for k, v in point["settings"].items()}
    return point | {"settings": settings}


@contextmanager
def stand_in_grafana(*, apis: bool) -> Iterator[StandInGrafana]:
    """Serve one on a free port of the loopback."""
    grafana = StandInGrafana(apis)
    turn = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body in one packet: two would wait for the client's delayed acknowledgement.
        wbufsize = -1

        def handle_any(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if length else None
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            with turn:
                grafana.requests.append((self.command, parts.path))
                try:
                    status, content = (
                        200,
                        grafana.answer(self.command, parts.path, query, token, body),
                    )
                except RefusedError as refused:
                    status, content = refused.code, refused.body
            answer = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
            self.wfile.flush()

        do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    grafana.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield grafana
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
