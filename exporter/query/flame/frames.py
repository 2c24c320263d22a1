"""What a span is called in a flame graph: `<kind>.<what>`, as `llm.gpt-4o` or `tool.search`.

Grafana gives every text before the first dot its own colour, so the kind comes first. Made from
the distinct combinations of a few columns, of which there are thousands, not from spans.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from exporter.genai.fields import CALL
from exporter.query.flame.encode.text import one_line

# Nobody reads further, and what senders put into names has no limit.
FRAME_CHARS_MAX = 200
NAMELESS = "(no name)"

# Names that instrumentations give to spans by OpenTelemetry's conventions, which say what a span is
# where its attributes are not at hand.
_HTTP = re.compile(
    r"(?:HTTP )?(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|TRACE|CONNECT|QUERY)(?: |$)"
)
_SQL = re.compile(
    r"(?:SELECT|INSERT|UPDATE|DELETE|MERGE|BEGIN|COMMIT|ROLLBACK|CREATE|ALTER|DROP) \S"
)
# The kind that each protocol is shown as. Grafana has 24 colours for all kinds there can be, and
# gives "db" that of "agent" and "retriever" that of "span"; these names keep frequent ones apart.
_KIND_OF_PROTOCOL = {"http": "http", "db": "data", "messaging": "messaging", "rpc": "rpc"}
_KIND_OF_CLASS = {CALL: "llm", "retriever": "retrieval"}
# OpenTelemetry names GenAI spans by operation and object: "execute_tool search".
_OPERATION = re.compile(r"^[a-z]+(?:_[a-z]+)+ (?=\S)|^(?:chat|embeddings|rerank|retrieval) (?=\S)")


@dataclass(frozen=True, slots=True)
class FrameFacts:
    """What a frame's text is made from: columns of the spans table, empty where not known."""

    span_class: str = ""
    operation: str = ""
    model: str = ""
    agent: str = ""
    tool: str = ""
    span_name: str = ""
    span_kind: str = ""
    endpoint: str = ""
    protocol: str = ""
    """http, db, messaging or rpc where the attributes say so; empty: the name has to."""


def frame_texts(facts: Iterable[FrameFacts]) -> tuple[str, ...]:
    """Give each combination its frame; different ones may share a frame."""
    return tuple(frame_text(one) for one in facts)


def frame_text(facts: FrameFacts) -> str:
    """Give the frame of one combination of facts."""
    kind, what = _genai(facts) if facts.span_class else _other(facts)
    what = " ".join(one_line(what).split()) or NAMELESS
    return f"{kind}.{what}"[:FRAME_CHARS_MAX]


def _genai(facts: FrameFacts) -> tuple[str, str]:
    name = _OPERATION.sub("", facts.span_name)
    if facts.span_class == CALL:
        name = _model(facts.model) or facts.operation or name
    elif facts.span_class == "agent":
        name = facts.agent or name
        name = f"create {name}" if facts.operation == "create_agent" else name
    elif facts.span_class == "tool":
        name = facts.tool or name
    return _KIND_OF_CLASS.get(facts.span_class, facts.span_class), name


def _other(facts: FrameFacts) -> tuple[str, str]:
    name = facts.span_name
    protocol = facts.protocol
    if not protocol and facts.span_kind in {"Server", "Client"}:
        protocol = "http" if _HTTP.match(name) else "db" if _SQL.match(name) else ""
    if protocol == "http" and facts.endpoint and " " not in name:
        # A server that found no route names its span by the method alone.
        name = facts.endpoint if " " in facts.endpoint else f"{name} {facts.endpoint}"
    return _KIND_OF_PROTOCOL.get(protocol, "span"), name


def _model(model: str) -> str:
    """Put the name of a model before its vendor's: bars are cut off on the right.

    Grafana would also take all up to a dot behind a slash for the kind: `meta/llama-3.1`.
    """
    vendor, slash, name = model.rstrip("/").rpartition("/")
    return f"{name} ({vendor})" if slash and vendor else model
