"""Read the conventions: one data file each, checked when the service starts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from exporter.errors import ConfigurationError
from exporter.genai.fields import (
    FIELDS,
    HELPER_FIELDS,
    MONEY_FIELDS,
    TEXT_FIELDS,
    TIME_FIELDS,
)
from exporter.genai.transforms import TransformName

# `duration` is text with a unit of its own ("15.3ms"), `time` a point in time (ISO 8601) that
# stands for the time since the span's start; both are read into nanoseconds.
NS_PER_UNIT: dict[str, int] = {
    "s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1, "duration": 1, "time": 1,
}  # fmt: skip


# A span's conventions are one bit each of 64.
_CONVENTIONS_MAX = 64


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Return whether a name is one of the patterns; a pattern that ends in `*` is a prefix."""
    return any(
        name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
        for pattern in patterns
    )


class Source(_Model):
    """One place where a field may be found. Exactly one of the first four says where.

    `key` with `event` is an attribute of a span event; `event` alone is the time from the span's
    start to that event. What stands there goes through `path`, then `transform`, then `values`.
    """

    key: str | None = None
    resource: str | None = None
    event: str | None = None
    span_name: str | None = None
    """A name, or with `*` at its end the start of names."""
    scopes: tuple[str, ...] = ()
    """Only in these scopes, written as in `Detect`; none: in every scope."""
    where: dict[str, tuple[str, ...]] = {}
    """Only on spans whose attributes hold one of these values each."""
    unless: dict[str, tuple[str, ...]] = {}
    """Not on spans of which an attribute holds one of its values."""
    path: tuple[str, ...] = ()
    """Members of the JSON text that stands there: the first path that leads to a value counts.

    The names along a path are joined by dots; `*` as the last one adds up an object's numbers.
    """
    value: str | None = None
    """The field's value wherever the source is present, instead of what stands there."""
    transform: TransformName | None = None
    """A named function over the distinct values, see transforms.py."""
    values: dict[str, str] | None = None
    """What each value means; one that is not listed is not a match."""
    unit: Literal["s", "ms", "us", "ns", "duration", "time"] | None = None
    includes_cache: bool | None = None
    """Whether this input count includes cached tokens, where it is not the convention's rule."""

    @field_validator("path", mode="before")
    @classmethod
    def _one_path_is_a_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_place(self) -> Source:
        places = [self.key or self.event, self.resource, self.span_name]
        if sum(place is not None for place in places) != 1:
            raise ValueError("a source is one of key, event, resource or span_name")
        if self.span_name is not None and self.value is None:
            raise ValueError("a source by span_name needs a value")
        if self.path and (self.key is None or self.event is not None):
            raise ValueError("a path needs an attribute of the span")
        return self

    @property
    def rewrites(self) -> bool:
        """Whether the value is another than the text that stands there."""
        return bool(self.path or self.transform) or not (self.value is self.values is None)


class Detect(_Model):
    """What marks a span as the convention's own. Any one of these is enough."""

    always: bool = False
    keys: tuple[str, ...] = ()
    key_prefixes: tuple[str, ...] = ()
    values: dict[str, tuple[str, ...]] = {}
    """Attributes that mark the span by what they hold."""
    scopes: tuple[str, ...] = ()
    """Names of scopes, or with `*` at the end the start of names."""
    span_names: tuple[str, ...] = ()
    """The same for names of spans."""


class Convention(_Model):
    """One convention: how to recognise it and where it keeps each field."""

    name: str
    order: int
    """Position among the conventions: for each field the first match wins."""
    about: str
    source: str
    detect: Detect
    fields: dict[str, Annotated[tuple[Source, ...], Field(min_length=1)]]
    content_keys: tuple[str, ...] = ()
    """Attributes that hold prompts, answers or documents: kept apart, with their own life."""
    content_prefixes: tuple[str, ...] = ()
    input_includes_cache: bool = True
    output_includes_reasoning: bool = True
    exclusive_input_scopes: tuple[str, ...] = ()
    """Scopes whose input count leaves cached tokens out, against the convention."""
    exclusive_output_scopes: tuple[str, ...] = ()
    """Scopes whose output count leaves reasoning out, against the convention."""

    @model_validator(mode="after")
    def _known_fields(self) -> Convention:
        if unknown := sorted(set(self.fields) - FIELDS):
            raise ValueError(f"unknown fields: {', '.join(unknown)}")
        texts = {*TEXT_FIELDS, *HELPER_FIELDS}
        for name, sources in self.fields.items():
            if name in TIME_FIELDS and any(s.unit is None and s.key for s in sources):
                raise ValueError(f"{name}: a source by key needs a unit")
            if name not in texts and any(s.value for s in sources):
                raise ValueError(f"{name}: only a text field takes value or values")
            if name not in {*texts, *MONEY_FIELDS} and any(s.values for s in sources):
                raise ValueError(f"{name}: only a text field takes value or values")
        return self


@dataclass(frozen=True, slots=True)
class FieldSource:
    """A source with the convention that it belongs to; `bit` is the convention's position."""

    bit: int
    source: Source


class Conventions:
    """All conventions in their order."""

    def __init__(self, conventions: Iterable[Convention]) -> None:
        self.all = tuple(sorted(conventions, key=lambda c: c.order))
        orders = [c.order for c in self.all]
        if len(self.all) > _CONVENTIONS_MAX:
            raise ConfigurationError(f"more than {_CONVENTIONS_MAX} conventions")
        if len(set(orders)) != len(orders) or len({c.name for c in self.all}) != len(self.all):
            raise ConfigurationError("two conventions have the same name or the same order")
        self.sources: dict[str, tuple[FieldSource, ...]] = {
            field: tuple(
                FieldSource(bit, source)
                for bit, convention in enumerate(self.all)
                for source in convention.fields.get(field, ())
            )
            for field in sorted(FIELDS)
        }


def parse(text: str, where: str) -> Convention:
    """Read one convention file; raise ConfigurationError that names the place."""
    try:
        raw: Any = yaml.safe_load(text)
        return Convention.model_validate(raw)
    except (yaml.YAMLError, ValidationError) as error:
        raise ConfigurationError(f"{where}: {error}") from error


@cache
def load() -> Conventions:
    """Return the conventions that this package carries."""
    folder = resources.files("exporter.genai") / "conventions"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".yaml")), key=lambda f: f.name)
    return Conventions(parse(file.read_text(encoding="utf-8"), file.name) for file in files)
