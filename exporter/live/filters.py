"""Which traces a client wants to see: read from its JSON, matched against a trace."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from exporter.errors import MalformedError
from exporter.live.tracker import Trace
from exporter.spans.schema import NANOSECONDS

# More values than a person picks; the limits keep a filter cheap.
_VALUES_MAX = 50
_VALUE_MAX_CHARS = 256
_TEXT_MAX_CHARS = 16_384


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Value = Annotated[str, Field(max_length=_VALUE_MAX_CHARS)]
AnyOf = Annotated[frozenset[Value], BeforeValidator(_listed), Field(max_length=_VALUES_MAX)]
"""One value or a list of them, of which one must occur in the trace."""


class TraceFilter(BaseModel):
    """All that is given must hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    service: AnyOf = frozenset()
    provider: AnyOf = frozenset()
    model: AnyOf = frozenset()
    feature: AnyOf = frozenset()
    tenant: AnyOf = frozenset()
    environment: AnyOf = frozenset()
    release: AnyOf = frozenset()
    agent: AnyOf = frozenset()
    tool: AnyOf = frozenset()
    status: Literal["running", "finished"] | None = None
    errors: bool | None = None
    """true: with errors; false: without."""
    min_cost_usd: Annotated[Decimal, Field(ge=0, le=10**9)] = Decimal(0)
    min_tokens: Annotated[int, Field(ge=0)] = 0
    min_duration_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0

    def matches(self, trace: Trace) -> bool:
        """Say whether a trace, as it is so far, is wanted."""
        return (
            (self.status is None or trace.status == self.status)
            and (self.errors is None or (trace.errors > 0) == self.errors)
            and trace.nano >= self.min_cost_usd.scaleb(9)
            and trace.tokens >= self.min_tokens
            and trace.duration_ns >= self.min_duration_s * NANOSECONDS
            and all(
                not (wanted := getattr(self, name)) or not wanted.isdisjoint(values)
                for name, values in trace.values.items()
            )
        )

    def given(self) -> dict[str, Any]:
        """Return what was given, as JSON holds it."""
        return self.model_dump(mode="json", exclude_unset=True)


def read_filter(text: str) -> TraceFilter:
    """Read a filter; raise MalformedError that says what is wrong and what there is."""
    if len(text) > _TEXT_MAX_CHARS:
        raise MalformedError(f"a filter has at most {_TEXT_MAX_CHARS} characters")
    try:
        raw: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise MalformedError('a filter is a JSON object, such as {"model": "gpt-4o"}') from None
    if not isinstance(raw, dict):
        raise MalformedError('a filter is a JSON object, such as {"model": "gpt-4o"}')
    try:
        return TraceFilter.model_validate(raw)
    except ValidationError as error:
        problems = [_problem(each) for each in error.errors(include_input=False, include_url=False)]
        raise MalformedError("; ".join(problems[:5])) from None


def _problem(error: Any) -> str:
    name = str(error["loc"][0])[:_VALUE_MAX_CHARS] if error["loc"] else "filter"
    if error["type"] == "extra_forbidden":
        return f"{name}: no such filter; there are {', '.join(TraceFilter.model_fields)}"
    return f"{name}: {error['msg']}"
