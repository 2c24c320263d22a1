"""Which attributes hold messages, on which side of a call, and how each one writes them.

The table is in order of preference: for each side of a span the first row that is there is read,
and never two, because senders repeat one conversation under several keys.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import lru_cache

FieldPath = tuple[str | int, ...]


class Side(IntEnum):
    """What an attribute tells of a call."""

    INPUT = 0
    OUTPUT = 1
    SYSTEM = 2
    TOOLS = 3


class Form(StrEnum):
    """How a row's attributes write it."""

    VALUE = "value"
    """One attribute: JSON of any shape, or plain text."""
    TEXTS = "texts"
    """A plain text in each attribute."""
    MESSAGES = "messages"
    """Messages taken apart into indexed keys."""
    EVENTS = "events"
    """A span event for each message."""
    ANSWER = "answer"
    """The parts of one answer in an attribute each."""
    ARGUMENTS = "arguments"
    RESULT = "result"
    DOCUMENTS = "documents"
    """What was found, in order: one attribute, or indexed keys."""
    HISTORY = "history"
    """A whole conversation, of which the last answer is the output."""
    DEFINITIONS = "definitions"
    """Tool definitions: one attribute, or indexed keys."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a key means on one side."""

    rank: int
    """The row of the table: a lower one is preferred."""
    form: Form
    path: FieldPath
    """What the row's pattern leaves open, indices as numbers."""
    tells: bool
    """Whether it holds content, rather than a role or an index beside it."""


_I, _O, _S, _T = Side.INPUT, Side.OUTPUT, Side.SYSTEM, Side.TOOLS
_DETAILS = "event:gen_ai.client.inference.operation.details:"

# `N` stands for an index and `*` for the rest of a key; `event:<name>:<key>` is an attribute of a
# span event.
_TABLE: tuple[tuple[Side, Form, tuple[str, ...]], ...] = (
    (_I, Form.ARGUMENTS, ("gen_ai.tool.call.arguments",)),
    (_I, Form.ARGUMENTS, ("ai.toolCall.args", "gcp.vertex.agent.tool_call_args")),
    (_I, Form.VALUE, ("gen_ai.input.messages",)),
    (_I, Form.VALUE, (_DETAILS + "gen_ai.input.messages",)),
    (_I, Form.MESSAGES, ("llm.input_messages.N.message.*",)),
    (_I, Form.MESSAGES, ("gen_ai.prompt.N.*",)),
    (_I, Form.VALUE, ("ai.prompt.messages",)),
    (_I, Form.VALUE, ("gen_ai.request.messages",)),
    (_I, Form.HISTORY, ("pydantic_ai.all_messages",)),
    (_I, Form.HISTORY, ("all_messages_events",)),
    (
        _I,
        Form.EVENTS,
        tuple(f"event:gen_ai.{who}.message:*" for who in ("system", "user", "assistant", "tool")),
    ),
    (_I, Form.VALUE, ("gcp.vertex.agent.llm_request",)),
    (_I, Form.VALUE, ("langfuse.observation.input",)),
    (_I, Form.VALUE, ("gen_ai.prompt",)),
    (_I, Form.VALUE, ("event:gen_ai.content.prompt:gen_ai.prompt",)),
    (_I, Form.VALUE, ("mlflow.spanInputs",)),
    (_I, Form.VALUE, ("ai.prompt",)),
    (_I, Form.TEXTS, ("llm.prompts.N.prompt.text", "llm.prompts.N")),
    (_I, Form.VALUE, ("llm.prompts",)),
    (_I, Form.TEXTS, ("embedding.embeddings.N.embedding.text",)),
    (_I, Form.TEXTS, ("gen_ai.retrieval.query.text",)),
    (_I, Form.TEXTS, ("ai.value",)),
    (_I, Form.VALUE, ("ai.values",)),
    (_I, Form.VALUE, ("lk.chat_ctx",)),
    (_I, Form.VALUE, ("langwatch.input",)),
    (_I, Form.VALUE, ("lmnr.span.input",)),
    (_I, Form.VALUE, ("gen_ai.entity.input",)),
    (_I, Form.VALUE, ("traceloop.entity.input",)),
    (_I, Form.VALUE, ("llm.prompt",)),
    (_I, Form.VALUE, ("input.value",)),
    (_I, Form.VALUE, ("input",)),
    (_I, Form.ARGUMENTS, ("tool_arguments", "tool.parameters")),
    (_I, Form.DOCUMENTS, ("reranker.input_documents.N.document.*",)),
    (_O, Form.RESULT, ("gen_ai.tool.call.result",)),
    (_O, Form.RESULT, ("ai.toolCall.result", "gcp.vertex.agent.tool_response", "tool_response")),
    (_O, Form.VALUE, ("gen_ai.output.messages",)),
    (_O, Form.VALUE, (_DETAILS + "gen_ai.output.messages",)),
    (_O, Form.MESSAGES, ("llm.output_messages.N.message.*",)),
    (_O, Form.MESSAGES, ("gen_ai.completion.N.*",)),
    (
        _O,
        Form.ANSWER,
        tuple(f"ai.response.{what}" for what in ("reasoning", "text", "object", "toolCalls")),
    ),
    (_O, Form.ANSWER, ("gen_ai.response.text", "gen_ai.response.tool_calls")),
    (_O, Form.EVENTS, ("event:gen_ai.choice:*",)),
    (_O, Form.VALUE, ("gcp.vertex.agent.llm_response",)),
    (_O, Form.VALUE, ("langfuse.observation.output",)),
    (_O, Form.VALUE, ("gen_ai.completion",)),
    (_O, Form.VALUE, ("event:gen_ai.content.completion:gen_ai.completion",)),
    (_O, Form.DOCUMENTS, ("retrieval.documents.N.document.*",)),
    (_O, Form.DOCUMENTS, ("reranker.output_documents.N.document.*",)),
    (_O, Form.DOCUMENTS, ("gen_ai.retrieval.documents",)),
    (_O, Form.VALUE, ("mlflow.spanOutputs",)),
    (_O, Form.TEXTS, ("llm.choices.N.completion.text",)),
    (_O, Form.VALUE, ("final_result",)),
    (_O, Form.TEXTS, ("lk.response.text",)),
    (_O, Form.VALUE, ("langwatch.output",)),
    (_O, Form.VALUE, ("lmnr.span.output",)),
    (_O, Form.VALUE, ("gen_ai.entity.output",)),
    (_O, Form.VALUE, ("traceloop.entity.output",)),
    (_O, Form.VALUE, ("llm.completion",)),
    (_O, Form.VALUE, ("output.value",)),
    (_O, Form.VALUE, ("output",)),
    (_O, Form.HISTORY, ("pydantic_ai.all_messages",)),
    (_O, Form.HISTORY, ("all_messages_events",)),
    (_S, Form.VALUE, ("gen_ai.system_instructions",)),
    (_S, Form.VALUE, (_DETAILS + "gen_ai.system_instructions",)),
    (_T, Form.DEFINITIONS, ("gen_ai.tool.definitions",)),
    (_T, Form.DEFINITIONS, (_DETAILS + "gen_ai.tool.definitions",)),
    (_T, Form.DEFINITIONS, ("llm.tools.N.tool.*",)),
    (_T, Form.DEFINITIONS, ("llm.request.functions.N.*",)),
    (_T, Form.DEFINITIONS, ("ai.prompt.tools",)),
    (_T, Form.DEFINITIONS, ("mlflow.chat.tools",)),
    (_T, Form.DEFINITIONS, ("gen_ai.request.available_tools",)),
)

LAST_RANK = len(_TABLE)

# Names of the events in the table: a batch whose events have other names is not looked at.
EVENT_NAMES = frozenset(
    pattern.split(":")[1]
    for _, _, patterns in _TABLE
    for pattern in patterns
    if pattern.startswith("event:")
)

# Fields beside the content of a message: alone they are what is left when content is not sent.
BESIDE = frozenset(
    {"role", "finish_reason", "index", "id", "name", "gen_ai.system", "gen_ai.provider.name"}
    | {"score", "tool_call_id", "gen_ai.event.name", "event.name"}
)

# OpenInference repeats the name of a level at the beginning of each of its fields.
_LEVELS = frozenset({"message", "message_content", "tool_call", "document", "tool"})


def _compiled(pattern: str) -> re.Pattern[str]:
    escaped = re.escape(pattern).replace(r"\*", "(.+)")
    return re.compile(re.sub(r"(?<=\.)N(?=\\|$)", r"(\\d{1,9})", escaped))


_EXACT: dict[tuple[Side, str], tuple[int, Form]] = {
    (side, pattern): (rank, form)
    for rank, (side, form, patterns) in enumerate(_TABLE)
    for pattern in patterns
}
_OPEN: tuple[tuple[Side, int, Form, re.Pattern[str]], ...] = tuple(
    (side, rank, form, _compiled(pattern))
    for rank, (side, form, patterns) in enumerate(_TABLE)
    for pattern in patterns
    if "*" in pattern or ".N" in pattern
)


@lru_cache(maxsize=10_000)
def place_of(side: Side, key: str) -> Place | None:
    """Return what a key means on a side, None: nothing. Keys recur, so the last are remembered."""
    if (exact := _EXACT.get((side, key))) is not None:
        return Place(*exact, path=(key.rpartition(".")[2],), tells=True)
    for open_side, rank, form, pattern in _OPEN:
        if open_side == side and (match := pattern.fullmatch(key)) is not None:
            path = tuple(step for group in match.groups() for step in _steps(group, form))
            # The name of a message's event says who speaks.
            speaker = (key.split(":")[1],) if form == Form.EVENTS else ()
            return Place(rank, form, (*speaker, *path), tells=path[-1] not in BESIDE)
    return None


def _steps(group: str, form: Form) -> FieldPath:
    if form == Form.EVENTS:
        return (group,)
    steps = group.split(".")
    found = [int(step) if step.isdecimal() else step for step in steps if step not in _LEVELS]
    return tuple(found or steps[-1:])
