"""Write what would be pushed as files, for those who bring things into Grafana by GitOps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

import yaml

from dashboards_py.push.grafana import Json
from exporter.errors import ConfigurationError

# What the API server of Kubernetes takes in one object, less its metadata.
_CONFIG_MAP_MAX_BYTES = 1_000_000


class Form(StrEnum):
    """In which form files are written."""

    FILES = "files"
    CONFIG_MAPS = "configmaps"


def export(dashboards: Mapping[str, Json], form: Form, folder: Path, title: str) -> list[Path]:
    """Write the dashboards; return the files. What was there with the same name is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for uid, model in dashboards.items():
        text = json.dumps(model, indent=2, sort_keys=True) + "\n"
        if form is Form.FILES:
            written.append(folder / f"{uid}.json")
        else:
            text = _config_map(uid, text, title)
            written.append(folder / f"{uid}.yaml")
        written[-1].write_text(text, encoding="utf-8")
    return written


def _config_map(uid: str, text: str, title: str) -> str:
    """Return a ConfigMap as the sidecar of Grafana's Helm chart looks for it."""
    if len(text) > _CONFIG_MAP_MAX_BYTES:
        raise ConfigurationError(f"{uid}: too large for a ConfigMap, use --form files")
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": f"llm-observatory-dashboard-{uid}",
                "labels": {
                    "grafana_dashboard": "1",
                    "app.kubernetes.io/part-of": "llm-observatory",
                },
                "annotations": {"grafana_folder": title},
            },
            "data": {f"{uid}.json": text},
        },
        sort_keys=False,
    )
