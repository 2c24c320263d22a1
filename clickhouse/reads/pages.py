"""Rows behind another row, in an order that is the same at every asking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from exporter.errors import WrongQueryError

Key = tuple[int | str, ...]


def behind(
    after: Key | None, first: str, others: Sequence[str], *, descending: bool = True
) -> tuple[str, dict[str, int | str]]:
    """Return the clause that lets only rows behind `after` through, and its parameters.

    Rows are ordered by an integer, then by texts that tell equals apart. Raise WrongQueryError for
    a key of another form.
    """
    if after is None:
        return "1", {}
    value, *texts = after
    if not isinstance(value, int) or len(texts) != len(others):
        raise WrongQueryError("the cursor does not belong to this question")
    values: dict[str, int | str] = {"after": value}
    values |= {f"after{i}": str(text) for i, text in enumerate(texts)}
    further = f"{first} {'<' if descending else '>'} {{after:Int64}}"
    if not others:
        return further, values
    bound = ", ".join(f"{{after{i}:String}}" for i in range(len(others)))
    equal = f"{first} = {{after:Int64}} AND ({', '.join(others)}) > ({bound})"
    return f"({further} OR ({equal}))", values


def key_of(row: Mapping[str, Any], first: str, others: Sequence[str]) -> Key:
    """Return the key of a row."""
    return (row[first], *(row[name] for name in others))


def marked(sql: str, **marks: str) -> str:
    """Return the text of a query with its marks replaced."""
    for mark, text in marks.items():
        sql = sql.replace(f"/* {mark} */", text)
    return sql
