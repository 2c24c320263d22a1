"""Which spans a question is about: conditions on columns and attributes, as data.

The languages that people ask in (label selectors, TraceQL) are read into these, and the store turns
them into SQL with bound values. So neither knows the other.

A field that a span does not have equals nothing and differs from everything, but for text columns:
there "not known" is the empty text, as in Prometheus.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """Where an attribute is looked for."""

    SPAN = "span"
    RESOURCE = "resource"
    INSTRUMENTATION = "instrumentation"
    EVENT = "event"
    LINK = "link"
    ANY = ""
    """The span, else its resource."""


@dataclass(frozen=True, slots=True)
class ColumnField:
    """A column of the spans' table, by its name in the schema."""

    column: str


@dataclass(frozen=True, slots=True)
class AttributeField:
    """An attribute by its key. Of events and links it is any one's."""

    scope: Scope
    key: str


class TraceField(StrEnum):
    """What is said of a whole trace, as far as it is in the question's time."""

    DURATION = "traceDuration"
    """From the first start to the last end, nanoseconds."""
    ROOT_NAME = "rootName"
    ROOT_SERVICE = "rootServiceName"


class PlaceField(StrEnum):
    """Where a span stands in the tree of its trace. Only its children can be compared."""

    PARENT = "nestedSetParent"
    LEFT = "nestedSetLeft"
    RIGHT = "nestedSetRight"
    CHILDREN = "childCount"
    """Spans whose parent it is, as far as they began in the question's time."""


Field = ColumnField | AttributeField | TraceField | PlaceField


class Comparison(StrEnum):
    """How a field is compared with a value. A pattern must match the whole text (RE2)."""

    EQUAL = "="
    NOT_EQUAL = "!="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="
    MATCHES = "=~"
    MATCHES_NOT = "!~"


Value = str | int | float | bool | None
"""None: compared by EQUAL the field is absent, by NOT_EQUAL it is there."""


@dataclass(frozen=True, slots=True)
class Compare:
    """One comparison."""

    field: Field
    comparison: Comparison
    value: Value


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every one holds. Of none: every span."""

    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one holds. Of none: no span."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """It does not hold."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class OfParent:
    """It holds for the span's parent, where that has arrived."""

    condition: Condition


class Operation(StrEnum):
    """How two numbers make one."""

    ADD = "+"
    SUBTRACT = "-"
    MULTIPLY = "*"
    DIVIDE = "/"
    REMAINDER = "%"
    POWER = "^"


@dataclass(frozen=True, slots=True)
class Calculated:
    """A number that is computed of others; not known if one of them is not, or divided by zero."""

    operation: Operation
    left: Term
    right: Term


Term = int | float | ColumnField | AttributeField | Calculated


@dataclass(frozen=True, slots=True)
class CompareTerms:
    """A comparison of fields with each other, or of what is computed with them; no patterns."""

    left: Term
    comparison: Comparison
    right: Term


Condition = Compare | AllOf | AnyOf | Not | OfParent | CompareTerms
EVERY_SPAN = AllOf()
