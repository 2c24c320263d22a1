"""A report as one HTML page: no script, nothing fetched, readable in a mail and on paper."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from html import escape

from exporter.query.report.digest import Digest
from exporter.query.report.tables import Table, tables
from exporter.query.report.words import headline, title, usd, warnings

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --bar: #3274d9; --dim: #8889; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.figures { display: flex; flex-wrap: wrap; gap: 1rem 2.5rem; }
.figures b { display: block; font-size: 1.5rem; font-weight: 600; }
.figures small, .change { color: var(--dim); }
.warnings { border-left: .25rem solid #e0833d; padding: .25rem 1rem; margin: 1.5rem 0; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child, td:first-child, .text th, .text td { text-align: left; }
td { font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
svg { width: 100%; height: auto; } svg text { font-size: 11px; fill: currentColor; }
svg rect { fill: var(--bar); }
"""
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 900, 180, 60, 20
_MODEL_ROW = 24
_MODELS_DRAWN = 10


def html(digest: Digest) -> str:
    """Return the report as a page."""
    name = escape(title(digest))
    parts = [
        f"<h1>{name}</h1>",
        _figures(digest),
        _warnings(warnings(digest)),
        f"<h2>Cost by {'hour' if digest.period == 'day' else 'day'}</h2>",
        _course(digest),
        "<h2>Cost by model</h2>" if digest.models else "",
        _models(digest),
        *(_table(table) for table in tables(digest)),
    ]
    body = "\n".join(part for part in parts if part)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{name}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _figures(digest: Digest) -> str:
    cells = "".join(
        f"<div><small>{escape(name)}</small><b>{escape(value)}</b>"
        f'<span class="change">{escape(change)}</span></div>'
        for name, value, change in headline(digest)
    )
    return f'<div class="figures">{cells}</div>'


def _warnings(found: Sequence[str]) -> str:
    if not found:
        return ""
    return f'<div class="warnings">{"<br>".join(escape(each) for each in found)}</div>'


def _course(digest: Digest) -> str:
    """Draw the cost of each step of the period, also of those without calls."""
    costs = {step.time: step.cost_usd or Decimal(0) for step in digest.course}
    times = digest.times()
    highest = max([costs.get(time, Decimal(0)) for time in times], default=Decimal(0))
    if not highest:
        return "<p>Nothing was spent.</p>"
    width = (_WIDTH - _LEFT) / len(times)
    bars = [
        _bar(
            _LEFT + i * width,
            float(cost / highest),
            width,
            f"{time[:16].replace('T', ' ')} UTC: {usd(cost)}",
        )
        for i, time in enumerate(times)
        if (cost := costs.get(time, Decimal(0)))
    ]
    marks = [
        f'<text x="{_LEFT + i * width:.1f}" y="{_HEIGHT - 5}">{_clock(time, digest)}</text>'
        for i, time in enumerate(times)
        if len(times) < 10 or i % 4 == 0
    ]
    axis = (
        f'<text x="0" y="12">{escape(usd(highest))}</text><text x="0" y="{_HEIGHT - 22}">0</text>'
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="Cost over time">'
        f"{axis}{''.join(bars)}{''.join(marks)}</svg>"
    )


def _bar(x: float, part: float, width: float, tip: str) -> str:
    full = _HEIGHT - _BOTTOM
    height = max(part * full, 1.0)
    return (
        f'<rect x="{x + 1:.1f}" y="{full - height:.1f}" width="{width - 2:.1f}" '
        f'height="{height:.1f}"><title>{escape(tip)}</title></rect>'
    )


def _clock(time: str, digest: Digest) -> str:
    return time[11:16] if digest.period == "day" else time[5:10]


def _models(digest: Digest) -> str:
    """Draw the cost of the most expensive models."""
    drawn = [model for model in digest.models[:_MODELS_DRAWN] if model.cost_usd]
    if not drawn:
        return ""
    highest = max(model.cost_usd or Decimal(0) for model in drawn)
    rows: list[str] = []
    for i, model in enumerate(drawn):
        cost = model.cost_usd or Decimal(0)
        y, width = i * _MODEL_ROW, max(float(cost / highest) * 480, 1.0)
        rows.append(
            f'<text x="0" y="{y + 15}">{escape(model.model[:40])}</text>'
            f'<rect x="280" y="{y + 3}" width="{width:.1f}" height="16"></rect>'
            f'<text x="{286 + width:.1f}" y="{y + 15}">{escape(usd(cost))}</text>'
        )
    height = len(drawn) * _MODEL_ROW
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="Cost by model">'
        f"{''.join(rows)}</svg>"
    )


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.head)
    rows = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in table.rows
    )
    kind = "" if table.figures else ' class="text"'
    return f"<h2>{escape(table.title)}</h2>\n<table{kind}><tr>{head}</tr>{rows}</table>"
