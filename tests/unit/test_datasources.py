"""The data sources that are pushed are those that compose provisions."""

from pathlib import Path
from typing import Any

import yaml

from dashboards_py.datasources import Addresses, datasources

PROVISIONED = Path("deploy/grafana/provisioning/datasources/llm-observatory.yml")
IN_COMPOSE = Addresses(
    observatory="http://llm-observatory:8080",
    prometheus="http://prometheus:9090",
    alertmanager="http://alertmanager:9093",
    clickhouse="clickhouse:9000",
    clickhouse_password="$CLICKHOUSE_GRAFANA_PASSWORD",
)
ONLY_IN_FILES = {"editable", "isDefault", "uid"}


def unescaped(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("$$", "$")
    if isinstance(value, dict):
        return {key: unescaped(each) for key, each in value.items()}
    return [unescaped(each) for each in value] if isinstance(value, list) else value


def test_compose_provisions_what_a_push_brings() -> None:
    provisioned = {
        each["uid"]: {k: v for k, v in unescaped(each).items() if k not in ONLY_IN_FILES}
        for each in yaml.safe_load(PROVISIONED.read_text())["datasources"]
    }
    assert datasources(IN_COMPOSE) == provisioned


def test_a_data_source_without_an_address_is_left_out() -> None:
    assert datasources(Addresses()) == {}
    assert datasources(Addresses(observatory="http://a/")).keys() == {
        "llmobs-tempo",
        "llmobs-pyroscope",
    }
