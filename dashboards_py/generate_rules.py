"""Write the alert pack: rules, their tests, Alertmanager's and Grafana's configuration.

`rules_files()` returns paths below dashboards_py/generated and their text; as a program it writes
them: `python -m dashboards_py.generate_rules [--config FILE] [--out DIR]`, with links to the
runbooks below RUNBOOK_BASE_URL.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from dashboards_py import pack
from dashboards_py.alert import Alert, Group
from dashboards_py.expressions import ExpressionError
from dashboards_py.formats import alertmanager, grafana, prometheus, promtool
from dashboards_py.formats.text import document
from dashboards_py.thresholds import Configuration, ThresholdError, load

GENERATED = Path(__file__).parent / "generated"
# What this module owns below a directory of output; anything else there is left alone.
_OWNED = ("prometheus/*.yml", "prometheus/tests/*.yml", "alertmanager/*", "grafana-alerting/*.yml")


def rules_files(configuration: Configuration | None = None) -> dict[str, str]:
    """Return every file by its path; promtool tests only at the defaults: they hold numbers."""
    chosen = configuration or Configuration()
    files = {
        f"prometheus/records-{name}.yml": document(prometheus.rule_file(groups, "", chosen.site))
        for name, groups in pack.records(chosen).items()
    }
    for topic, alerts in pack.topics(chosen).items():
        group = Group(f"llm-{topic}", alerts)
        content = prometheus.rule_file([group], topic, chosen.site)
        files[f"prometheus/alerts-{topic}.yml"] = document(content)
    if chosen == Configuration():
        files |= _tests(chosen)
    files |= {f"alertmanager/{k}": v for k, v in alertmanager.files(chosen).items()}
    files |= {f"grafana-alerting/{k}": v for k, v in grafana.files(chosen).items()}
    return dict(sorted(files.items()))


def _tests(configuration: Configuration) -> dict[str, str]:
    stories = pack.stories()
    return {
        f"prometheus/tests/{alert.name}.yml": document(
            promtool.test_file(
                alert, topic, stories[alert.name], configuration.site, _needed(alert, topic)
            )
        )
        for topic, alerts in pack.topics(configuration).items()
        for alert in alerts
        if alert.name in stories
    }


def _needed(alert: Alert, topic: str) -> tuple[list[str], list[str]]:
    """Return the rule files that an alert is made from, and their groups in order."""
    paths: list[str] = []
    names: list[str] = []
    for name, groups in pack.records(Configuration()).items():
        if any(rule.name in alert.expr for group in groups for rule in group.rules):
            paths.append(f"../records-{name}.yml")
            names += [group.name for group in groups]
    return [*paths, f"../alerts-{topic}.yml"], [*names, f"llm-{topic}"]


def write(files: dict[str, str], out: Path) -> list[str]:
    """Write what changed and remove what is ours and no longer made; return those paths."""
    stale = {str(path.relative_to(out)) for glob in _OWNED for path in out.glob(glob)} - set(files)
    changed = [
        path
        for path, text in files.items()
        if not (out / path).is_file() or (out / path).read_text(encoding="utf-8") != text
    ]
    for path in changed:
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (out / path).write_text(files[path], encoding="utf-8")
    for path in stale:
        (out / path).unlink()
    return sorted({*changed, *stale})


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, help="YAML file with thresholds and site")
    parser.add_argument("--out", type=Path, default=GENERATED, help="directory to write to")
    options = parser.parse_args(arguments)
    try:
        files = rules_files(load(options.config, os.environ))
    except (ThresholdError, ExpressionError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    changed = write(files, options.out)
    sys.stdout.write(f"{len(files)} files, {len(changed)} changed\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
