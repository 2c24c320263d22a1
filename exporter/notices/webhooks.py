"""Post a message to a webhook. Its address is a secret: it is in no error and no log line."""

from __future__ import annotations

import json
from typing import Any

import urllib3

from exporter.errors import ConfigurationError, StoreUnavailableError

_TIMEOUT_S = 15.0
_ANSWER_MAX_BYTES = 2000
_TRIES = 3


class Webhook:
    """One receiver of messages."""

    def __init__(self, url: str, name: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise ConfigurationError(f"{name}: write http(s)://...")
        self._url = url
        self._name = name
        self._pool = urllib3.PoolManager(
            timeout=_TIMEOUT_S,
            # Slack says 429 with Retry-After; a message that was not taken may be sent again.
            retries=urllib3.Retry(
                total=_TRIES,
                redirect=0,
                status_forcelist=(429, 500, 502, 503, 504),
                allowed_methods=None,
                backoff_factor=0.5,
                raise_on_status=False,
            ),
        )

    def post(self, message: dict[str, Any]) -> None:
        """Send it; raise ConfigurationError when it is refused, StoreUnavailableError else."""
        try:
            answer = self._pool.request(
                "POST",
                self._url,
                body=json.dumps(message).encode(),
                headers={"Content-Type": "application/json"},
            )
        except urllib3.exceptions.HTTPError as error:
            # The text of the driver's error has the address in it.
            raise StoreUnavailableError(f"{self._name}: nobody answers there") from error
        if answer.status >= 300:
            said = answer.data[:_ANSWER_MAX_BYTES].decode("utf-8", "replace").strip()
            raise ConfigurationError(f"{self._name}: refused with {answer.status}: {said}")
