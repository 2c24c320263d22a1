"""The ClickHouse server in trouble."""

from __future__ import annotations

from dashboards_py.alert import Case, Fire
from dashboards_py.foreign import PARTS, READONLY_REPLICAS, REJECTED_INSERTS
from dashboards_py.series import counter, gauge, on_target

_DATABASE = {"job": "clickhouse", "instance": "c:9363"}

CASES: dict[str, tuple[Case, ...]] = {
    "LLMClickHouseReadOnlyReplica": (
        Case(
            title="two tables take no writes",
            series={on_target(READONLY_REPLICAS, _DATABASE): gauge((0, 10), (2, 20), (0, 40))},
            quiet=("9m", "12m", "50m"),
            fires=(
                Fire(
                    at="20m",
                    labels=_DATABASE,
                    description="2 tables of c:9363 are read-only.",
                ),
            ),
        ),
    ),
    "LLMClickHouseTooManyParts": (
        Case(
            title="merges fall behind",
            series={on_target(PARTS, _DATABASE): gauge((50, 10), (450, 30), (50, 40))},
            quiet=("9m", "20m", "60m"),
            fires=(
                Fire(
                    at="30m",
                    labels=_DATABASE,
                    description="A partition on c:9363 has 450 parts, the limit is 300.",
                ),
            ),
        ),
        Case(
            title="300 is the limit",
            series={on_target(PARTS, _DATABASE): gauge((300, 60))},
            quiet=("30m",),
        ),
    ),
    "LLMClickHouseRejectedInserts": (
        Case(
            title="three inserts a minute are refused",
            series={on_target(REJECTED_INSERTS, _DATABASE): counter((0, 10), (3, 20), (0, 40))},
            quiet=("10m", "45m"),
            fires=(
                Fire(
                    at="20m",
                    labels={"instance": "c:9363"},
                    description="c:9363 refused 15 inserts in the last 5m.",
                ),
            ),
        ),
    ),
}
