"""An alert leads to its runbook where it is known, and nowhere where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards_py import messages, pack
from dashboards_py.generate_rules import main, rules_files
from dashboards_py.thresholds import Configuration, Site, ThresholdError, load

_BASE = "https://wiki.example.com/llm"


def _annotations(files: dict[str, str]) -> list[tuple[str, dict[str, str]]]:
    read: list[Any] = [
        yaml.safe_load(text)
        for path, text in files.items()
        if path.startswith(("prometheus/alerts-", "grafana-alerting/rules"))
    ]
    return [
        (rule.get("alert") or rule["title"], rule["annotations"])
        for content in read
        for group in content["groups"]
        for rule in group["rules"]
    ]


def _links(files: dict[str, str]) -> list[str]:
    config = yaml.safe_load(files["alertmanager/alertmanager.yml"])
    (pagerduty,) = (r for r in config["receivers"] if "pagerduty_configs" in r)
    return [link["text"] for link in pagerduty["pagerduty_configs"][0]["links"]]


def _pagerduty_links(site: Site) -> list[str]:
    topic, (alert, *_) = next(iter(pack.topics(Configuration()).items()))
    values = dict.fromkeys(alert.keep, "x")
    found, texts = messages.fields(alert, topic, values, "it fails", site)
    return [link["href"] for link in messages.pagerduty(found, texts, "key", "dedup")["links"]]


def test_without_a_base_there_is_no_link() -> None:
    files = rules_files()
    assert len(_annotations(files)) > 80
    assert not [name for name, texts in _annotations(files) if "runbook_url" in texts]
    assert _links(files) == ["Dashboard"]
    assert len(_pagerduty_links(Site())) == 1


def test_with_a_base_every_alert_has_one() -> None:
    site = Site(runbook_base_url=_BASE)
    files = rules_files(Configuration(site=site))
    for name, texts in _annotations(files):
        assert texts["runbook_url"] == f"{_BASE}/{name.lower()}.md"
    assert _links(files) == ["Dashboard", "Runbook"]
    assert _pagerduty_links(site)[1].startswith(f"{_BASE}/llm")


def test_the_environment_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "alerts.yml"
    config.write_text("site: {runbook_base_url: 'https://other.example/'}")
    assert load(config).site.runbook_base_url == "https://other.example"
    assert load(config, {"RUNBOOK_BASE_URL": ""}).site.runbook_base_url == "https://other.example"
    monkeypatch.setenv("RUNBOOK_BASE_URL", f"{_BASE}/")
    assert main(["--config", str(config), "--out", str(tmp_path)]) == 0
    text = (tmp_path / "prometheus/alerts-availability.yml").read_text()
    assert f"{_BASE}/llmproviderdown.md" in text
    assert "other.example" not in text


@pytest.mark.parametrize("base", ["wiki", "ftp://wiki", "//wiki"])
def test_what_is_no_address_is_refused(base: str) -> None:
    with pytest.raises(ThresholdError, match=r"RUNBOOK_BASE_URL: write http\(s\)://"):
        load(None, {"RUNBOOK_BASE_URL": base})
