"""A report as a Slack message of blocks, within Slack's limits."""

from __future__ import annotations

from typing import Any

from exporter.query.report.digest import Digest
from exporter.query.report.tables import Table, tables
from exporter.query.report.words import headline, title, warnings

# Slack: 50 blocks a message, 3,000 characters a text, 150 a header; a longer one is refused whole.
_BLOCKS_MAX = 50
_TEXT_MAX = 3000
_ROWS_MAX = 8
_FIRST_COLUMN_MAX = 40


def slack(digest: Digest) -> dict[str, Any]:
    """Return the message as a webhook takes it."""
    name = title(digest)
    fields = [
        {"type": "mrkdwn", "text": f"*{name_}*\n{value}" + (f"  _{change}_" if change else "")}
        for name_, value, change in headline(digest)
    ]
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": name}},
        {"type": "section", "fields": fields},
    ]
    if found := warnings(digest):
        text = "\n".join(f":warning: {_escaped(each)}" for each in found)
        blocks.append(_section(text))
    blocks += [_section(_monospaced(table)) for table in tables(digest)]
    return {"text": name, "blocks": blocks[:_BLOCKS_MAX]}


def _section(text: str) -> dict[str, Any]:
    cut = text if len(text) <= _TEXT_MAX else f"{text[: _TEXT_MAX - 5]}…"
    # A cut must not leave a code block open.
    if cut.count("```") % 2:
        cut = f"{cut[: _TEXT_MAX - 5]}\n```"
    return {"type": "section", "text": {"type": "mrkdwn", "text": cut}}


def _monospaced(table: Table) -> str:
    if not table.figures:
        return f"*{table.title}*\n" + "\n".join(_escaped(row[0]) for row in table.rows[:_ROWS_MAX])
    lines = [table.head, *table.rows[:_ROWS_MAX]]
    shown = [(line[0][:_FIRST_COLUMN_MAX], *line[1:]) for line in lines]
    widths = [max(len(line[i]) for line in shown) for i in range(len(table.head))]
    rows = [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in shown
    ]
    text = _escaped("\n".join(rows)).replace("`", "'")
    return f"*{table.title}*\n```\n{text}\n```"


def _escaped(text: str) -> str:
    """Escape what Slack reads as markup or as a mention."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
