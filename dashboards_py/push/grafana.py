"""Grafana's HTTP API: requests, and what its refusals mean for the person who pushes."""

from __future__ import annotations

import json
from typing import Any, TypeVar
from urllib.parse import quote

import urllib3

from exporter.errors import ConfigurationError

_TIMEOUT_S = 30.0
_ANSWER_MAX_BYTES = 64 * 1024 * 1024
_NOT_FOUND = 404
_CONFLICTS = frozenset({409, 412})

Json = Any
T = TypeVar("T")


class PushError(ConfigurationError):
    """Grafana refused something; the message says what to do."""


class ConflictError(PushError):
    """Somebody else changed the thing meanwhile, or it belongs to somebody else."""


class Grafana:
    """One Grafana, as the owner of a token sees it. The token is in no message."""

    def __init__(self, url: str, token: str, *, editable: bool = False) -> None:
        if not url.startswith(("http://", "https://")):
            raise ConfigurationError(f"GRAFANA_URL={url}: write http(s)://host:port")
        if not token:
            raise ConfigurationError(
                "GRAFANA_TOKEN is not set: make a service account with the role Editor (Admin for "
                "data sources), add a token to it and export GRAFANA_TOKEN=..."
            )
        self.url = url.rstrip("/")
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/json",
            "Content-Type": "application/json",
        }
        if editable:
            # Alerting marks what comes over its API as provisioned, which nobody can edit.
            self._headers["X-Disable-Provenance"] = "true"
        # Only what can be repeated without harm is, and only where no answer came.
        self._pool = urllib3.PoolManager(
            timeout=_TIMEOUT_S,
            retries=urllib3.Retry(
                total=3, allowed_methods={"GET", "PUT", "DELETE"}, redirect=0, backoff_factor=0.2
            ),
        )

    def get(self, path: str) -> Json | None:
        """Return what is there, None when there is nothing."""
        return self._send("GET", path, None)

    def post(self, path: str, body: Json) -> Json:
        """Make something."""
        return self._send("POST", path, body)

    def put(self, path: str, body: Json) -> Json:
        """Put something in the place of what is there."""
        return self._send("PUT", path, body)

    def delete(self, path: str) -> None:
        """Delete something; that it is gone already is no error."""
        self._send("DELETE", path, None)

    def _send(self, method: str, path: str, body: Json | None) -> Json | None:
        data = None if body is None else json.dumps(body).encode()
        try:
            answer = self._pool.request(
                method, f"{self.url}{path}", body=data, headers=self._headers, preload_content=False
            )
            content = answer.read(_ANSWER_MAX_BYTES, decode_content=True)
            answer.release_conn()
        except urllib3.exceptions.HTTPError as error:
            raise PushError(f"{self.url} does not answer: {_cause(error)}") from error
        if answer.status == _NOT_FOUND and method in {"GET", "DELETE"}:
            return None
        if answer.status >= 300:
            raise _refusal(answer.status, method, path, content)
        try:
            return json.loads(content) if content else None
        except ValueError as error:
            raise PushError(
                f"{self.url}{path} answers no JSON: is this the address of a Grafana?"
            ) from error


def segment(name: str) -> str:
    """Return a name as one segment of a path."""
    return quote(name, safe="")


def _refusal(status: int, method: str, path: str, content: bytes) -> PushError:
    what = f"{method} {path}: {status}"
    said = _message(content)
    if status == 401:
        return PushError(f"{what}: Grafana does not know this token: is GRAFANA_TOKEN of this one?")
    if status == 403:
        return PushError(
            f"{what}: the token may not do this ({said}). Dashboards and rules need the role "
            "Editor, data sources need Admin"
        )
    if status in _CONFLICTS:
        return ConflictError(f"{what}: {said}")
    if 300 <= status < 400:
        return PushError(f"{what}: Grafana redirects: give its address as it is after the redirect")
    return PushError(f"{what}: {said}")


def _message(content: bytes) -> str:
    try:
        parsed = json.loads(content)
    except ValueError:
        return "no reason given"
    return str(parsed.get("message", parsed)) if isinstance(parsed, dict) else str(parsed)


def _cause(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return type(reason or error).__name__
