"""Read a model's name as it is sent: which provider's price list to ask, and by which name.

The same model is `gpt-4o` to OpenAI, `azure/eu/gpt-4o` to a gateway, an ARN to Bedrock and a path
to Vertex AI. Each way to read a name is tried in turn, the most literal first. A name is never
read as a model of a provider that the span excludes: what a host of open models charges, or a
machine of one's own, is not what somebody else's list says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any

import yaml

from exporter.genai.transforms import providers

# Wrappings may be nested: openrouter/anthropic/..., bedrock/converse/us-east-1/...
_WRAPPINGS_MAX = 4

_BEDROCK_ARN = re.compile(r"^arn:aws[a-z-]*:bedrock:[^:]*:[^:]*:[a-z-]+/(.+)$")
_VERTEX_PATH = re.compile(r"^(?:projects/[^/]+/locations/[^/]+/)?publishers/[^/]+/models/(.+)$")
_GEMINI_PATH = re.compile(r"^models/(.+)$")
_DEPLOYMENT_PATH = re.compile(r"^(?:openai/)?deployments/(.+)$")
_BEDROCK_ID = re.compile(
    r"^(?:[a-z-]+\.)?"
    r"(?:ai21|amazon|anthropic|cohere|deepseek|meta|minimax|mistral|moonshot|openai|qwen|writer)\."
)
# A cloud's region or the gateway's own route, between the provider and the model.
_ROUTE = re.compile(
    r"^(?:(?:us|eu|ap|apac|global|ca|sa|me|af|il|mx|us-gov)(?:-[a-z]+)*(?:-\d+)?"
    r"|converse|converse_like|invoke|chat|responses|[a-z0-9]+-commitment)/(.+)$"
)
# What a name may carry at its end, for what it says of the model and not of its price.
_ENDINGS = (
    re.compile(r"@(?:default|latest)$"),  # Vertex AI
    re.compile(r"\[[^\]]*\]$"),  # a context size: claude-sonnet-4-5[1m]
    re.compile(r":(?:nitro|floor|exacto)$"),  # OpenRouter's choice of a host
    re.compile(r"(?:-v\d+)?:\d+(?::\d+k)?$"),  # Bedrock's version
    re.compile(r"[-@](?:\d{8}|\d{4}-\d{2}-\d{2}|\d{3})$"),  # a date, or Gemini's -001
)

_OPEN_WEIGHTS = re.compile(r"gpt-oss|distill|llama|gguf|awq|gptq")


class Serves(StrEnum):
    """Whose models a provider's name may stand before."""

    LISTED = "listed"
    """Those of its own price list."""
    ANYTHING = "anything"
    """Everybody's: it is a gateway, or an SDK that people point at gateways."""
    ITS_OWN = "its_own"
    """Whatever runs on the user's machines: no list has a price for that."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a name. `provider` is OpenTelemetry's name, None: whoever makes the model."""

    provider: str | None
    model: str


def readings(provider: str | None, model: str) -> tuple[Reading, ...]:
    """Return the ways to read a model's name, the most literal first; none: no list can know it.

    `provider` is what the span says, in OpenTelemetry's name or one that nobody knows.
    """
    name = model.strip().lower()
    given = serves(provider)
    if given is Serves.ITS_OWN:
        return ()
    wrapper, inner = _unwrap(name)
    if given is Serves.LISTED:
        found = [Reading(provider, n) for n in (*_spellings(name), *_spellings(inner))]
        return tuple(dict.fromkeys(found))
    if wrapper is not None and serves(wrapper) is Serves.ITS_OWN:
        return ()
    found = [Reading(provider, name)] if provider is not None else []
    if wrapper is not None:
        found += [Reading(wrapper, spelling) for spelling in _spellings(inner)]
    if provider is not None:
        found += [Reading(provider, n) for n in (*_spellings(name), *_spellings(inner))]
    # Open weights have many hosts and a price at each: their maker's own is a poor guess.
    if (wrapper is None or serves(wrapper) is Serves.ANYTHING) and not _OPEN_WEIGHTS.search(inner):
        found += [Reading(None, spelling) for spelling in _spellings(inner)]
    return tuple(dict.fromkeys(found))


def serves(provider: str | None) -> Serves:
    """Return whose models a provider may serve; one that nobody knows may be any gateway."""
    if provider is None:
        return Serves.ANYTHING
    return _serves().get(provider, Serves.ANYTHING)


@cache
def _serves() -> dict[str, Serves]:
    file = resources.files("exporter.genai") / "providers.yaml"
    raw: dict[str, dict[str, Any]] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {name: Serves(entry.get("serves", Serves.LISTED)) for name, entry in raw.items()}


def _unwrap(name: str) -> tuple[str | None, str]:
    """Return the innermost provider that a name itself gives, and the name within."""
    wrapper: str | None = None
    for _ in range(_WRAPPINGS_MAX):
        found = _unwrap_once(name)
        if found is None:
            break
        named, name = found
        wrapper = named or wrapper
        # OpenRouter's own ids have a slash: what is within is a name of its list.
        if wrapper == "openrouter":
            return wrapper, name
    if wrapper is None and _BEDROCK_ID.match(name):
        wrapper = "aws.bedrock"
    return wrapper, name


def _unwrap_once(name: str) -> tuple[str | None, str] | None:
    for pattern, provider in (
        (_BEDROCK_ARN, "aws.bedrock"),
        (_VERTEX_PATH, "gcp.vertex_ai"),
        (_GEMINI_PATH, "gcp.gemini"),
        (_DEPLOYMENT_PATH, None),
        (_ROUTE, None),
    ):
        if match := pattern.match(name):
            return provider, match[1]
    for separator in "/:":
        head, found, rest = name.partition(separator)
        if found and rest and head in providers():
            return providers()[head].name, rest
    return None


def _spellings(name: str) -> Iterator[str]:
    """Yield a name, and then without what it carries at its end, one thing after another."""
    yield name
    for ending in _ENDINGS:
        shorter = ending.sub("", name)
        if shorter and shorter != name:
            name = shorter
            yield name
    if name.startswith("claude") and "." in name:
        yield name.replace(".", "-")
