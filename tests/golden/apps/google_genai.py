"""The google-genai SDK, under whatever instrumentation the harness names."""

import contextlib

from common import PROMPT, STAND_IN, SYSTEM, arguments, instrument, run, trace_to_collector
from google import genai
from google.genai import errors, types

MODEL = "gemini-2.5-flash"
CONFIG = types.GenerateContentConfig(system_instruction=SYSTEM)


def models() -> genai.models.Models:
    """Return the models of a client at the stand-in."""
    options = types.HttpOptions(base_url=STAND_IN)
    client = genai.Client(api_key="golden", http_options=options)
    _KEPT.append(client)
    return client.models


def chat() -> None:
    """Ask once."""
    models().generate_content(model=MODEL, contents=PROMPT, config=CONFIG)


def stream() -> None:
    """Ask, and read the answer as it comes."""
    for _ in models().generate_content_stream(model=MODEL, contents=PROMPT, config=CONFIG):
        pass


def error() -> None:
    """Be refused."""
    with contextlib.suppress(errors.APIError):
        chat()


_KEPT: list[genai.Client] = []  # A client closes its connections when it is collected.
trace_to_collector()
instrument(arguments())
run(
    {
        "chat": chat,
        "stream": stream,
        "cache_read": chat,
        "reasoning": chat,
        "reasoning_stream": stream,
        "error": error,
    }
)
