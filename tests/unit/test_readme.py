"""What the README claims about settings and metrics is generated from the code; this proves it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from exporter.metrics.catalog import BUDGET_METRICS, METRICS
from exporter.settings import PREFIX, Settings

_README = Path(__file__).parents[2] / "README.md"


def _metrics() -> str:
    lines = ["| metric | labels | meaning |", "|---|---|---|"]
    lines += [
        f"| `{metric.sample_name}` ({metric.type}) "
        f"| {', '.join(f'`{label.name}`' for label in metric.labels)} | {metric.help} |"
        for metric in (*METRICS, *BUDGET_METRICS)
    ]
    return "\n".join(lines)


def _settings() -> str:
    lines = ["| setting | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.get_default()
        shown = "" if default in (None, ()) else f"`{default}`"
        lines.append(f"| `{PREFIX}{name.upper()}` | {shown} | {field.description} |")
    return "\n".join(lines)


@pytest.mark.parametrize(("name", "table"), [("metrics", _metrics()), ("settings", _settings())])
def test_the_table_in_the_readme_is_what_the_code_says(name: str, table: str) -> None:
    text = _README.read_text(encoding="utf-8")
    section = re.compile(rf"(<!-- {name}: [^>]*-->\n)(.*?)(<!-- /{name} -->)", re.DOTALL)
    if os.environ.get("UPDATE_GOLDEN"):
        text = section.sub(lambda found: f"{found[1]}{table}\n{found[3]}", text)
        _README.write_text(text, encoding="utf-8")
    found = section.search(text)
    assert found is not None
    assert found[2].strip() == table


def test_every_link_of_the_readme_leads_to_a_file() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", _README.read_text(encoding="utf-8"))
    assert links
    missing = [link for link in links if not (_README.parent / link).exists()]
    assert not missing
