"""Post JSON to Slack, PagerDuty or a webhook: the one way in which messages leave.

What may be taken later is sent again, a few times: when nobody answers, and after 429 and 5xx, when
the `Retry-After` that was asked for is over. If only the answer was lost, the message arrives
twice: better than never. The address is often the secret itself: it is in no error and no log line.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import urllib3

from exporter.errors import UndeliveredError

TRIES_MAX = 4
# A longer Retry-After is not waited for: the refusal is told at once.
WAIT_MAX_S = 10.0
ANSWER_MAX_BYTES = 64 * 1024
_FIRST_WAIT_S = 0.5
_TIMEOUT_S = 10.0
_LINE_CHARS_MAX = 300
_BUSY = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Answer:
    """What the receiver said at last; `body` is its first 64 KiB."""

    status: int
    body: bytes
    retry_after_s: float | None = None
    """None: it did not say."""

    @property
    def taken(self) -> bool:
        """Whether the message was taken."""
        return 200 <= self.status < 300

    @property
    def busy(self) -> bool:
        """Whether the same message may be taken later."""
        return self.status in _BUSY

    @property
    def line(self) -> str:
        """The status and the beginning of the body, for people."""
        said = " ".join(self.body[:_LINE_CHARS_MAX].decode(errors="replace").split())
        return f"{self.status} {said}".rstrip()


class Poster:
    """Posts messages, each as often as it makes sense."""

    def __init__(self, *, wait: Callable[[float], object] = time.sleep) -> None:
        self._wait = wait
        # Tries are counted here: urllib3 would wait as long as a Retry-After says, be it hours. A
        # redirect is a refusal: Slack never does it, and a secret must not go elsewhere.
        self._pool = urllib3.PoolManager(timeout=_TIMEOUT_S, retries=False)

    def post(
        self, url: str, message: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send it; return the last answer, raise UndeliveredError when there is none."""
        body = json.dumps(message).encode()
        sent_with = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
        for turn in range(TRIES_MAX):
            wait_s = _FIRST_WAIT_S * 2**turn
            is_last = turn == TRIES_MAX - 1
            try:
                answer = self._once(url, body, sent_with)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                if is_last:
                    # The text of the driver's error has the address in it; its cause's name says
                    # more, such as ConnectionRefusedError.
                    raise UndeliveredError(type(error.__cause__ or error).__name__) from error
            else:
                wait_s = wait_s if answer.retry_after_s is None else answer.retry_after_s
                if is_last or not answer.busy or wait_s > WAIT_MAX_S:
                    return answer
            self._wait(wait_s)
        raise AssertionError("the last try returns or raises")

    def _once(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        answer = self._pool.request(
            "POST", url, body=body, headers=headers, redirect=False, preload_content=False
        )
        try:
            # One byte more would be the same answer, so a long one is not read to its end.
            said = answer.read(ANSWER_MAX_BYTES)
        finally:
            answer.close()
        return Answer(answer.status, said, _seconds(answer.headers.get("Retry-After")))


def _seconds(retry_after: str | None) -> float | None:
    """Read seconds or a date; None: not said, or not readable."""
    if retry_after is None:
        return None
    try:
        return urllib3.Retry().parse_retry_after(retry_after)
    except urllib3.exceptions.InvalidHeader:
        return None
