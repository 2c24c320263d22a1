"""Write gaps.yaml anew: `python -m tests.golden.gaps`. Review the difference before committing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.golden.counted import differences, expectation, names

_FILE = Path(__file__).with_name("gaps.yaml")
_HEAD = """\
# Where the product counts something else than the provider billed, and why.
# Written by `python -m tests.golden.gaps`; reasons that no capture gives are kept.
"""
_REASONS = {
    "first tokens": "the span that is kept of the two does not tell it",
    "providers": "the span names no provider, or the SDK's name for it",
    "input": "the instrumentation does not tell it apart",
}


def _why(name: str, found: list[str], before: dict[str, Any]) -> str:
    fault = expectation(name).get("library_fault")
    if fault:
        return fault if isinstance(fault, str) else "; ".join(f"{k}: {v}" for k, v in fault.items())
    kept = before.get(name, {}).get("why")
    return kept or _REASONS.get(found[0].partition(":")[0], "")


def main() -> None:
    """Compare every capture and write the list."""
    before: dict[str, Any] = {}
    if _FILE.exists():
        before = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    gaps = {
        name: {"counted": found, "why": _why(name, found, before)}
        for name in names()
        if (found := differences(name))
    }
    text = yaml.safe_dump(gaps, width=100, sort_keys=True, allow_unicode=True)
    _FILE.write_text(_HEAD + text, encoding="utf-8")


if __name__ == "__main__":
    main()
