"""Write everything that is generated; `make generate`, and `--check` in CI.

`dashboards/` is the set for a Grafana with the ClickHouse data source, `dashboards-core/` the one
without.

Also the alert pack (generate_rules.py) and the list of panels in docs/dashboards.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from dashboards_py.dashboards import boards
from dashboards_py.generate_rules import rules_files
from dashboards_py.generate_rules import write as write_rules
from dashboards_py.page import page

GENERATED = Path(__file__).parent / "generated"
# Only a checkout has it.
PAGE = Path(__file__).parents[1] / "docs" / "dashboards.md"


def dashboards() -> dict[Path, str]:
    """Return every dashboard's file, below `generated`, and its text."""
    folders = {"dashboards": True, "dashboards-core": False}
    return {
        Path(folder) / f"{name}.json": board.json()
        for folder, deep in folders.items()
        for name, board in boards(deep=deep).items()
    }


def stale(wanted: Mapping[Path, str], root: Path) -> list[str]:
    """Say which files differ, are missing, or are there without being wanted."""
    folders = {path.parent for path in wanted}
    there = {
        path.relative_to(root) for folder in folders for path in (root / folder).glob("*.json")
    }
    differing = [
        str(path)
        for path, text in sorted(wanted.items())
        if path not in there or (root / path).read_text(encoding="utf-8") != text
    ]
    return differing + [f"{path} (not generated)" for path in sorted(there - wanted.keys())]


def write(wanted: Mapping[Path, str], root: Path) -> None:
    """Write the files, and remove those of the same folders that are no longer generated."""
    for path, text in wanted.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    for folder in {path.parent for path in wanted}:
        for path in (root / folder).glob("*.json"):
            if path.relative_to(root) not in wanted:
                path.unlink()


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or with --check only say whether those on disk are fresh."""
    parser = argparse.ArgumentParser(prog="python -m dashboards_py.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if stale")
    options = parser.parse_args(arguments)
    wanted = dashboards()
    documented = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    described = page(documented) if documented else ""
    if not options.check:
        write(wanted, GENERATED)
        write_rules(rules_files(), GENERATED)
        if described:
            PAGE.write_text(described, encoding="utf-8")
        return 0
    found = stale(wanted, GENERATED) + _stale_rules()
    found += ["docs/dashboards.md"] if described != documented else []
    for name in found:
        sys.stderr.write(f"stale: {name}; run `make generate` and commit\n")
    return 1 if found else 0


def _stale_rules() -> list[str]:
    return [
        name
        for name, text in rules_files().items()
        if not (GENERATED / name).is_file()
        or (GENERATED / name).read_text(encoding="utf-8") != text
    ]


if __name__ == "__main__":
    sys.exit(main())
