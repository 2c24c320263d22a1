"""The overview's number of alerts has the colour of the worst that fires, by Prometheus' count."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards_py.alert import SEVERITY, Priority
from dashboards_py.generate import dashboards
from dashboards_py.panels.style import BAD, BLUE, GOOD, WARNING
from tests.support.prometheus import binary


def _panel(folder: str) -> dict[str, Any]:
    board = json.loads(dashboards()[Path(folder) / "overview.json"])
    return next(panel for panel in board["panels"] if panel["title"] == "Alerts")


def _series(priority: str, name: str, state: str = "firing") -> str:
    labels = {"alertname": name, "alertstate": state, "priority": priority}
    labels["severity"] = SEVERITY[Priority(priority)]
    return "ALERTS{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}"


_COLOURS = {"paging": BAD, "warning": WARNING, "informing": BLUE, "none": GOOD}


@pytest.mark.parametrize("folder", ["dashboards", "dashboards-core"])
@pytest.mark.parametrize(
    ("firing", "worst", "count"),
    [
        pytest.param([], "none", 0, id="nothing"),
        pytest.param([_series("none", "Watchdog")], "none", 0, id="the watchdog alone"),
        pytest.param([_series("P0", "A", "pending")], "none", 0, id="not yet"),
        pytest.param([_series("P3", "A")], "informing", 1, id="worth knowing"),
        pytest.param([_series("P3", "A"), _series("P2", "B")], "warning", 2, id="a warning"),
        pytest.param([_series("P1", "A")], "paging", 1, id="a page in work hours"),
        pytest.param(
            [_series("P3", "A"), _series("P2", "B"), _series("P0", "C")], "paging", 3, id="a page"
        ),
    ],
)
def test_the_number_of_alerts_has_the_colour_of_the_worst(
    tmp_path: Path, folder: str, firing: list[str], worst: str, count: int
) -> None:
    panel = _panel(folder)
    (target,) = panel["targets"]
    assert target["legendFormat"] == "{{worst}}"
    test = {
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": series, "values": "1"} for series in firing],
                "promql_expr_test": [
                    {
                        "expr": target["expr"],
                        "eval_time": "0m",
                        "exp_samples": [{"labels": f'{{worst="{worst}"}}', "value": count}],
                    }
                ],
            }
        ],
    }
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump(test))
    done = subprocess.run(
        [binary("promtool"), "test", "rules", file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    colours = {
        each["matcher"]["options"]: each["properties"][0]["value"]["fixedColor"]
        for each in panel["fieldConfig"]["overrides"]
    }
    assert colours == _COLOURS
