"""Reach what is stored from the command line: through the running service, else the store itself.

The embedded engine belongs to one process, so while the service runs only the service can read it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from clickhouse_connect.driver.client import Client

from clickhouse.client import Address, claim, connect, parse_address
from clickhouse.reads.session import ReadPool
from exporter.database import read_limits
from exporter.errors import (
    ConfigurationError,
    PermanentError,
    RetryableError,
    StoreUnavailableError,
)
from exporter.settings import Settings

_TIMEOUT_S = 60.0
_OK, _NOT_FOUND = 200, 404
_ANSWER_MAX_BYTES = 256 * 1024 * 1024

Answer = TypeVar("Answer")


class NoAnswerError(Exception):
    """Nobody answers there, or it is not our service."""


class NotStoredError(ConfigurationError):
    """The store was read and does not have what was asked for."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the service said."""

    status: int
    body: bytes

    @property
    def detail(self) -> str:
        """Why it refuses; raise NoAnswerError where this is no refusal of ours."""
        try:
            detail = json.loads(self.body)["detail"]
        except (ValueError, KeyError, TypeError) as error:
            raise NoAnswerError("what answers is no LLM Observatory") from error
        return str(detail)


def asked(
    settings: Settings,
    api_url: str | None,
    ask: Callable[[str], Answer],
    read: Callable[[ReadPool], Answer],
) -> Answer:
    """Ask the service at a URL; where none answers, read the store.

    `api_url` stands in for the one of the settings, and then only it is asked. `ask` raises
    NoAnswerError. Raise ConfigurationError that says what to do.
    """
    url = api_url.rstrip("/") if api_url else _url_of(settings)
    if url is None:
        silent = "The API port is picked at the start (api_port is 0), so no service was asked"
    else:
        try:
            return ask(url)
        except NoAnswerError as error:
            if api_url is not None:
                raise ConfigurationError(f"{url} does not answer: {error}") from error
            silent = f"No service answers at {url} ({error})"
    try:
        with _reads(settings) as pool:
            return read(pool)
    except NotStoredError as error:
        raise ConfigurationError(f"{error}. {silent}, so the store was read.") from error
    except (ConfigurationError, PermanentError, RetryableError) as error:
        raise ConfigurationError(
            f"{error}\n{silent}, and the store cannot be read either. The embedded engine belongs "
            "to one process: ask the service that runs on it with --api-url URL (its API port), or "
            "stop it."
        ) from error


@contextmanager
def opened(settings: Settings, timeout_s: float) -> Generator[tuple[Client, Address]]:
    """Open the store itself, which no other process may have open; raise ConfigurationError."""
    address = parse_address(settings.clickhouse_url, settings.password)
    if address.path is not None and not Path(address.path).exists():
        raise ConfigurationError(f"clickhouse_url: there is nothing at {address.path}")
    claimed = claim(address)
    try:
        with closing(_connected(address, timeout_s)) as client:
            yield client, address
    finally:
        if claimed is not None:
            claimed.close()


def get(url: str, accept: str = "application/json") -> Reply:
    """GET a URL; raise NoAnswerError, or ConfigurationError for what is no URL."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(f"{url}: write http(s)://host:port")
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    try:
        with closing(kind(parts.hostname, parts.port, timeout=_TIMEOUT_S)) as connection:
            connection.request("GET", path, headers={"Accept": accept})
            answer = connection.getresponse()
            return Reply(answer.status, answer.read(_ANSWER_MAX_BYTES))
    except (OSError, HTTPException, ValueError) as error:
        raise NoAnswerError(getattr(error, "strerror", None) or str(error)) from error


def fetched(url: str, path: str) -> bytes:
    """Return what the service at a URL answers; raise as `asked` wants it, for any refusal."""
    reply = get(f"{url}{path}", accept="*/*")
    if reply.status == _OK:
        return reply.body
    if reply.status == _NOT_FOUND:
        raise NoAnswerError("what answers is no LLM Observatory, or an older one")
    raise ConfigurationError(f"{url}: {reply.detail}")


def _url_of(settings: Settings) -> str | None:
    """Return where the service answers by its settings, None: nobody can know."""
    if not settings.api_port:
        return None
    everywhere = settings.host in {"0.0.0.0", "::", ""}  # noqa: S104 - asked, not bound
    host = "localhost" if everywhere else settings.host
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.api_port}"


def _connected(address: Address, timeout_s: float) -> Client:
    try:
        return connect(address, timeout_s=timeout_s)
    except StoreUnavailableError as error:
        if address.path is None:
            raise ConfigurationError(f"{address!r} does not answer: {error}") from error
        raise ConfigurationError(
            f"clickhouse_url: {address.path} cannot be opened. The embedded engine belongs to one "
            "process: stop the service first, or let both use a ClickHouse server."
        ) from error


@contextmanager
def _reads(settings: Settings) -> Generator[ReadPool]:
    with opened(settings, _TIMEOUT_S) as (client, _):
        yield ReadPool(lambda: client, size=1, wait_max_s=1.0, limits=read_limits(settings))
