"""What can go wrong at a model provider on demand, and how a request asks for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

FAULT_HEADER = "x-demo-fault"


class Fault(StrEnum):
    """A scripted failure. The first three are refusals, the others are answers cut short."""

    RATE_LIMIT = "rate_limit"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    CONTENT_FILTER = "content_filter"
    LENGTH = "length"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A request that gets an error instead of an answer."""

    status: int
    fault: Fault | None  # None: the model does not exist.
    model: str


_STATUS_BY_FAULT: Mapping[Fault, int] = {
    Fault.RATE_LIMIT: 429,
    Fault.OVERLOADED: 529,
    Fault.SERVER_ERROR: 500,
}


def fault_headers(fault: Fault | None) -> dict[str, str]:
    """Return the headers that make the stand-in fail in the given way."""
    return {} if fault is None else {FAULT_HEADER: fault.value}


def scripted_fault(headers: Mapping[str, str]) -> Fault | None:
    """Read the fault that a request asks for. An unknown name is a mistake in the script."""
    name = headers.get(FAULT_HEADER)
    return None if name is None else Fault(name)


def refusal(fault: Fault | None, model: str) -> Refusal | None:
    """Return how the provider refuses, or None for a fault that still produces an answer."""
    if fault is None or fault not in _STATUS_BY_FAULT:
        return None
    return Refusal(status=_STATUS_BY_FAULT[fault], fault=fault, model=model)
