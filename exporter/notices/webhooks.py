"""An incoming webhook that a setting names. Its address is a secret: it is in no error."""

from __future__ import annotations

from typing import Any

from exporter.errors import ConfigurationError, UndeliveredError
from exporter.notices.posting import Poster


class Webhook:
    """One receiver of messages."""

    def __init__(self, url: str, name: str, poster: Poster | None = None) -> None:
        if not url.startswith(("http://", "https://")):
            raise ConfigurationError(f"{name}: write http(s)://...")
        self._url = url
        self._name = name
        self._poster = poster or Poster()

    def post(self, message: dict[str, Any]) -> None:
        """Send it; raise ConfigurationError when it is refused, UndeliveredError else."""
        try:
            answer = self._poster.post(self._url, message)
        except UndeliveredError as error:
            raise UndeliveredError(f"{self._name}: nobody answers there ({error})") from error
        if answer.busy:
            raise UndeliveredError(f"{self._name}: too busy, it said {answer.line}")
        if not answer.taken:
            status, _, said = answer.line.partition(" ")
            raise ConfigurationError(f"{self._name}: refused with {status}: {said}")
