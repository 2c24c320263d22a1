"""Messages to people: sent again when it makes sense, not for ever, and without the address."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from email.utils import formatdate

import pytest

from exporter.errors import ConfigurationError, UndeliveredError
from exporter.notices.posting import ANSWER_MAX_BYTES, TRIES_MAX, WAIT_MAX_S, Poster
from exporter.notices.slack_threads import SlackApi, SlackError
from exporter.notices.webhooks import Webhook
from tests.support.notified import Inbox, receivers

_MESSAGE = {"text": "hello"}


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with receivers() as listening:
        yield listening


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def poster(waits: list[float]) -> Poster:
    return Poster(wait=waits.append)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_receiver_gets_the_message_again(
    inbox: Inbox, poster: Poster, waits: list[float], status: int
) -> None:
    inbox.first["slack"] = [(status, {}), (status, {})]
    answer = poster.post(inbox.address("slack"), _MESSAGE)
    assert (answer.taken, answer.line) == (True, "200 ok")
    assert inbox.to("slack") == [_MESSAGE] * 3
    assert waits == [0.5, 1.0]


@pytest.mark.parametrize(
    ("said", "waited_s"),
    [
        pytest.param("3", 3.0, id="seconds"),
        pytest.param("0", 0.0, id="at once"),
        pytest.param(formatdate(0, usegmt=True), 0.0, id="a date that is over"),
        pytest.param("soon", 0.5, id="not readable"),
    ],
)
def test_it_waits_as_long_as_it_was_told(
    inbox: Inbox, poster: Poster, waits: list[float], said: str, waited_s: float
) -> None:
    inbox.first["slack"] = [(429, {"Retry-After": said})]
    assert poster.post(inbox.address("slack"), _MESSAGE).taken
    assert waits == [waited_s]


def test_it_does_not_wait_for_hours(inbox: Inbox, poster: Poster, waits: list[float]) -> None:
    inbox.first["slack"] = [(429, {"Retry-After": f"{WAIT_MAX_S + 1:.0f}"})] * TRIES_MAX
    answer = poster.post(inbox.address("slack"), _MESSAGE)
    assert (answer.status, answer.busy) == (429, True)
    assert (len(inbox.to("slack")), waits) == (1, [])


def test_it_gives_up_after_some_tries(inbox: Inbox, poster: Poster, waits: list[float]) -> None:
    inbox.answers["slack"] = (503, b"down")
    assert poster.post(inbox.address("slack"), _MESSAGE).line == "503 down"
    assert (len(inbox.to("slack")), len(waits)) == (TRIES_MAX, TRIES_MAX - 1)


@pytest.mark.parametrize("status", [301, 307, 400, 403, 404, 410])
def test_a_refusal_is_final(inbox: Inbox, poster: Poster, waits: list[float], status: int) -> None:
    inbox.first["slack"] = [(status, {"Location": inbox.address("webhook")})]
    answer = poster.post(inbox.address("slack"), _MESSAGE)
    assert (answer.taken, answer.busy, answer.line) == (False, False, f"{status} busy")
    assert ([note.to for note in inbox.notes], waits) == (["slack"], [])


def test_a_long_answer_is_cut(inbox: Inbox, poster: Poster) -> None:
    inbox.answers["slack"] = (200, b"x" * (ANSWER_MAX_BYTES + 1))
    answer = poster.post(inbox.address("slack"), _MESSAGE)
    assert len(answer.body) == ANSWER_MAX_BYTES
    assert len(answer.line) < 400


def _nobody() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/T0/secret"


def test_nobody_there_is_tried_again_and_told_without_the_address(
    poster: Poster, waits: list[float]
) -> None:
    with pytest.raises(UndeliveredError) as raised:
        poster.post(_nobody(), _MESSAGE)
    assert len(waits) == TRIES_MAX - 1
    assert str(raised.value) == "ConnectionRefusedError"


def test_a_report_says_whether_the_address_is_wrong_or_busy(inbox: Inbox, poster: Poster) -> None:
    webhook = Webhook(inbox.address("slack"), "report_slack_url", poster)
    inbox.first["slack"] = [(503, {})]
    webhook.post(_MESSAGE)
    inbox.answers["slack"] = (404, b"no_service")
    with pytest.raises(ConfigurationError, match="report_slack_url: refused with 404: no_service"):
        webhook.post(_MESSAGE)
    inbox.answers["slack"] = (503, b"")
    with pytest.raises(UndeliveredError, match="report_slack_url: too busy, it said 503"):
        webhook.post(_MESSAGE)
    with pytest.raises(UndeliveredError, match="nobody answers there") as raised:
        Webhook(_nobody(), "report_slack_url", poster).post(_MESSAGE)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("status", "body", "transient"),
    [
        pytest.param(429, b"", True, id="rate limited"),
        pytest.param(403, b"", False, id="forbidden"),
        pytest.param(200, b"<html>", True, id="no JSON"),
        pytest.param(200, b"[]", False, id="no object"),
        pytest.param(200, b'{"ok": false, "error": "ratelimited"}', True, id="ratelimited"),
        pytest.param(200, b'{"ok": false, "error": "not_in_channel"}', False, id="not in channel"),
    ],
)
def test_slack_may_take_it_later_or_never(
    inbox: Inbox, poster: Poster, status: int, body: bytes, *, transient: bool
) -> None:
    inbox.answers["slack-api"] = (status, body)
    slack = SlackApi("xoxb-secret", inbox.address("slack-api"), poster)
    with pytest.raises(SlackError, match=r"chat\.postMessage: ") as raised:
        slack.call("chat.postMessage", _MESSAGE)
    assert raised.value.transient == transient
    assert "xoxb" not in str(raised.value)


def test_a_thread_goes_on_after_slack_was_busy(
    inbox: Inbox, poster: Poster, waits: list[float]
) -> None:
    inbox.first["slack-api"] = [(429, {"Retry-After": "1"})]
    slack = SlackApi("xoxb-secret", inbox.address("slack-api"), poster)
    assert slack.call("chat.postMessage", _MESSAGE)["ts"] == "1.5"
    assert waits == [1.0]
