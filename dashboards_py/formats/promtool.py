"""Cases as a file for `promtool test rules`."""

from __future__ import annotations

from typing import Any

from dashboards_py.alert import Alert, Case, Fire
from dashboards_py.formats.prometheus import in_address, labels, links
from dashboards_py.thresholds import Site


def test_file(
    alert: Alert,
    topic: str,
    cases: tuple[Case, ...],
    site: Site,
    rules: tuple[list[str], list[str]],
) -> dict[str, Any]:
    """Return the test file of one alert; all its cases have one interval.

    `rules` are the files of rules, and the names of their groups in the order of evaluation:
    without it promtool takes any.
    """
    rule_files, groups = rules
    (interval,) = {case.interval for case in cases}
    return {
        "rule_files": rule_files,
        "evaluation_interval": interval,
        "group_eval_order": groups,
        "tests": [_test(alert, topic, case, site) for case in cases],
    }


def _test(alert: Alert, topic: str, case: Case, site: Site) -> dict[str, Any]:
    times = sorted({*case.quiet, *(fire.at for fire in case.fires)}, key=_seconds)
    return {
        "name": f"{alert.name}: {case.title}",
        "interval": case.interval,
        "input_series": [
            {"series": series, "values": values} for series, values in case.series.items()
        ],
        "alert_rule_test": [
            {
                "eval_time": time,
                "alertname": alert.name,
                "exp_alerts": [
                    _expected(alert, topic, fire, site) for fire in case.fires if fire.at == time
                ],
            }
            for time in times
        ],
    }


def _expected(alert: Alert, topic: str, fire: Fire, site: Site) -> dict[str, Any]:
    return {
        "exp_labels": {**fire.labels, **labels(alert, topic)},
        "exp_annotations": {
            "summary": alert.summary,
            "description": fire.description,
            **links(
                alert, site, in_address({name: fire.labels.get(name, "") for name in alert.keep})
            ),
        },
    }


def _seconds(time: str) -> int:
    return int(time[:-1]) * {"m": 60, "h": 3600, "d": 86_400}[time[-1]]
