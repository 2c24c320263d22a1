"""What the attributes of some spans say beside those of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clickhouse.binding import Names
from clickhouse.columns import column_sql
from clickhouse.conditions import Beyond, clause
from clickhouse.reads.series import Steps, spans_sql
from clickhouse.reads.session import Session, named_sql
from clickhouse.values import kind_sql
from exporter.spans.condition import ColumnField, Condition

ATTRIBUTES_MAX = 300
"""Attributes on each side, the most frequent: a page that shows a chart of each has fewer."""
VALUE_CHARS_MAX = 256
"""Longer values are counted, but no series is theirs: nobody reads them in a chart."""
_LONG = "long"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The spans that meet a condition, and which of them are the selection."""

    condition: Condition
    selection: Condition
    fields: Mapping[str, ColumnField]
    """What is compared besides attributes, by its name: columns of text."""
    beyond: Beyond
    top: int
    """Values of an attribute on each side, the most frequent."""
    once: bool = False


@dataclass(frozen=True, slots=True)
class Value:
    """A value of an attribute, and its spans by step."""

    text: str
    kind: str
    spans: dict[int, int]


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute on one side: how many values it has, its spans by step, and its top values."""

    selected: bool
    name: str
    different: int
    spans: dict[int, int]
    top: tuple[Value, ...]


def attributes(session: Session, asked: Asked, steps: Steps) -> list[Attribute]:
    """Return the attributes of both sides, those of most spans first."""
    names = Names()
    spans = spans_sql(clause(asked.condition, names, asked.beyond), once=asked.once)
    source = (
        named_sql("contrast_spans")
        .replace("/* selection */", clause(asked.selection, names, asked.beyond))
        .replace("/* spans */", spans)
    )
    columns = {name: column_sql(field.column) for name, field in asked.fields.items()}
    said = ", ".join(
        f"({names.bind(name, 'String')}, toString({columns[name]}), {kind_sql(field, names)})"
        for name, field in asked.fields.items()
    )
    rows = session.rows(
        named_sql("contrast")
        .replace("/* top */", str(asked.top))
        .replace("/* spans */", source)
        .replace("/* fields */", "".join(f", {each}" for each in columns.values()))
        .replace("/* by field */", ", ".join(f"(Selected, Step, {c})" for c in columns.values()))
        .replace("/* said */", said),
        names.values
        | {
            "start_ns": steps.start_ns,
            "end_ns": steps.end_ns,
            "step_ns": steps.step_ns,
            "chars": VALUE_CHARS_MAX,
            "names": ATTRIBUTES_MAX,
            "limit": 2 * ATTRIBUTES_MAX,
        },
    )
    return [
        Attribute(
            bool(on_side),
            str(name),
            int(different),
            dict(zip(*total, strict=True)),
            tuple(Value(text, kind, _summed(by)) for _, text, kind, by in top if kind != _LONG),
        )
        for on_side, name, different, total, top in rows
    ]


def _summed(by_step: Sequence[tuple[int, int]]) -> dict[int, int]:
    """Return the spans of each step; a step comes once for each resource that has the value."""
    found: dict[int, int] = {}
    for step, spans in by_step:
        found[step] = found.get(step, 0) + spans
    return found
