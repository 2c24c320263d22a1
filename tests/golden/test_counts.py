"""What is counted of the spans of real instrumentations equals what the provider billed.

`gaps.yaml` lists where it does not, with what is counted instead and why; nearly always the
instrumentation does not say. A gap that closes fails here until it is taken off the list.
`python -m tests.golden.gaps` writes the list anew.
"""

from __future__ import annotations

import fnmatch
from pathlib import Path

import pytest
import yaml

from tests.golden.counted import (
    UNSAID,
    counted,
    differences,
    expectation,
    names,
    processed,
    said_differently,
)

_GAPS = yaml.safe_load(Path(__file__).with_name("gaps.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", names())
def test_what_is_counted_is_what_was_billed(name: str) -> None:
    assert differences(name) == _GAPS.get(name, {}).get("counted", [])


def test_every_gap_is_of_a_capture_and_says_why() -> None:
    assert set(_GAPS) <= set(names())
    assert [name for name, gap in _GAPS.items() if not gap["why"]] == []


@pytest.mark.parametrize(
    ("field", "pattern"), [(field, pattern) for field in UNSAID for pattern in UNSAID[field]]
)
def test_what_is_accepted_as_unsaid_is_needed(field: str, pattern: str) -> None:
    without = {**UNSAID, field: {p: UNSAID[field][p] for p in UNSAID[field] if p != pattern}}
    needed = [
        name
        for name in fnmatch.filter(names(), pattern)
        if (calls := expectation(name)["by_call"]) and (seen := counted(processed(name)))
        if said_differently(name, calls, seen, without) != said_differently(name, calls, seen)
    ]
    assert needed


def test_libraries_that_say_everything_are_counted_exactly() -> None:
    exact = {name.partition("/")[0] for name in names()} - {n.partition("/")[0] for n in _GAPS}
    assert len(exact) >= 20, sorted(exact)
    silent = [name for name in _GAPS if not expectation(name).get("library_fault")]
    assert len(silent) <= 12, silent
