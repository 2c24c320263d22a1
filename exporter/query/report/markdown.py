"""A report as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from exporter.query.report.digest import Digest
from exporter.query.report.tables import Table, tables
from exporter.query.report.words import headline, title, warnings

# Names come from senders: nothing in them may become markup, a link or a new row.
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~])")


def markdown(digest: Digest) -> str:
    """Return the report as a document."""
    figures = [
        f"**{name}** {value}" + (f" ({change})" if change else "")
        for name, value, change in headline(digest)
    ]
    parts = [f"# {title(digest)}", " · ".join(figures)]
    if found := warnings(digest):
        parts.append("\n".join(f"- {_escaped(each)}" for each in found))
    parts += [_table(table) for table in tables(digest)]
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> str:
    rule = ["---", *(["---:" if table.figures else "---"] * (len(table.head) - 1))]
    lines = [table.head, rule, *(tuple(map(_escaped, row)) for row in table.rows)]
    return f"## {table.title}\n\n" + "\n".join(_row(line) for line in lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))
