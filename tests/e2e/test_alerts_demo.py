"""`make alerts-demo`: what breaks on purpose is told where it belongs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.demo.alerts import STEPS, run


def test_every_mischief_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path) == 0, capsys.readouterr()

    out = capsys.readouterr().out
    for step in STEPS:
        for alert in step.expected:
            assert alert in out
    assert "PagerDuty trigger" in out
    assert "Slack #llm-alerts-quiet" in out
