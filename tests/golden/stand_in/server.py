"""Serve a script of turns on a free loopback port, and keep the bill."""

import json
import re
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote

from tests.golden.loopback import LoopbackServer
from tests.golden.stand_in import anthropic, bedrock, gemini, openai
from tests.golden.stand_in.turns import Answer, Charge, Turn

# A provider thinks before its first token and then takes its time, or no library could measure
# a time to first token that differs from zero and from the whole duration.
FIRST_CHUNK_S = 0.03
CHUNK_S = 0.004

_Api = Callable[[dict[str, Any], Turn, int], Answer]
_ROUTES: Sequence[tuple[str, _Api]] = (
    (r"(?:/v1)?/chat/completions", openai.chat),
    (r"(?:/v1)?/embeddings", openai.embeddings),
    (r"(?:/v1)?/responses", openai.responses),
    (r"(?:/v1)?/messages", anthropic.messages),
)
_GEMINI = re.compile(r"/v1(?:beta|alpha)?\d*/models/([^/:]+):(\w+)")
_BEDROCK = re.compile(
    r"/model/([^/]+)/(converse|converse-stream|invoke|invoke-with-response-stream)"
)


class Script:
    """Hand out turns in order; the last refusal repeats, because clients try again."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._turns = turns
        self._served = 0
        self._lock = threading.Lock()
        self.bill: list[Charge] = []

    @property
    def finished(self) -> bool:
        """Whether every turn was asked for."""
        return self._served >= len(self._turns)

    def answer(self, path: str, body: dict[str, Any]) -> Answer | None:
        """Return the next turn in the words of the API at this path, and bill it."""
        with self._lock:
            turn = self._next()
            answer = turn and _route(path, body, turn, len(self.bill) + 1)
            if answer:
                self.bill.append(answer.charge)
            return answer

    def _next(self) -> Turn | None:
        if not self.finished:
            self._served += 1
            return self._turns[self._served - 1]
        last = self._turns[-1]
        return last if last.refused else None


class StandIn(LoopbackServer):
    """The providers' APIs, for as long as a `with` block lasts."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self.script = Script(turns)
        self.unknown: list[str] = []
        super().__init__(self._respond)

    def _respond(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        path = unquote(request.path.partition("?")[0])
        answer = None
        if request.command == "POST":
            answer = self.script.answer(path, json.loads(body or b"{}"))
        if answer is None:
            self.unknown.append(f"{request.command} {path}")
            request.send_error(404)
            return
        request.send_response(answer.status)
        request.send_header("content-type", answer.content_type)
        for name, value in answer.headers.items():
            request.send_header(name, value)
        time.sleep(FIRST_CHUNK_S)
        if not answer.charge.streamed or answer.charge.status >= 400:
            whole = b"".join(answer.chunks)
            request.send_header("content-length", str(len(whole)))
            request.end_headers()
            request.wfile.write(whole)
            return
        request.send_header("transfer-encoding", "chunked")
        request.end_headers()
        for chunk in answer.chunks:
            request.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            request.wfile.flush()
            time.sleep(CHUNK_S)
        request.wfile.write(b"0\r\n\r\n")


def _route(path: str, body: dict[str, Any], turn: Turn, serial: int) -> Answer | None:
    for pattern, api in _ROUTES:
        if re.fullmatch(pattern, path):
            return api(body, turn, serial)
    if match := _GEMINI.fullmatch(path):
        model, method = match.groups()
        if method == "batchEmbedContents":
            return gemini.embed(model, turn, serial)
        return gemini.generate(model, turn, serial, streamed=method == "streamGenerateContent")
    if match := _BEDROCK.fullmatch(path):
        model, method = match.groups()
        api = bedrock.converse if method.startswith("converse") else bedrock.invoke
        return api(model, turn, serial, streamed="stream" in method)
    return None
