"""Answers as JSON and CSV: money and seconds printed exactly, as numbers.

A float cannot hold 0.0004 exactly and a text is no number to Grafana, so decimals are printed digit
by digit: whoever reads them as floats gets the nearest, whoever reads decimals gets them exact.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from exporter.query.amounts import NANO

# A spreadsheet takes a cell that starts so for a formula, whoever wrote it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def as_json(value: Any) -> str:
    """Return JSON text; a decimal is a number with nine digits behind the point."""
    if isinstance(value, Decimal):
        return f"{value.quantize(NANO):f}"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{json.dumps(k)}:{as_json(v)}' for k, v in value.items())}}}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{','.join(as_json(item) for item in value)}]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def as_csv(rows: Iterable[Mapping[str, Any]], names: Sequence[str]) -> str:
    """Return RFC 4180 text with a line of names; null is empty, lists are JSON.

    Text that a spreadsheet would run as a formula gets a `'` before it, as OWASP advises.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in names])
    return out.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return as_json(value)
