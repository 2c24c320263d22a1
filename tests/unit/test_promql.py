"""Queries built from the catalogue, evaluated by promtool on series written out by hand."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards_py import promql
from exporter.metrics.catalog import (
    MODEL,
    REQUEST_DURATION,
    REQUESTS,
    STATUS,
    TIME_PER_OUTPUT_TOKEN,
    TOKENS,
)
from tests.support.prometheus import binary

# Ten a minute, of which three fail; another model never fails, a third is not called any more.
_SERIES = {
    'llm_requests_total{model="a",status="ok"}': "0+7x10",
    'llm_requests_total{model="a",status="error"}': "0+3x10",
    'llm_requests_total{model="b",status="ok"}': "0+5x10",
    'llm_requests_total{model="c",status="ok"}': "5+0x10",
    # Of eight, two take up to 1.28 s and six longer.
    'llm_request_duration_seconds_bucket{model="a",le="1.28"}': "0+2x10",
    'llm_request_duration_seconds_bucket{model="a",le="2.56"}': "0+8x10",
    'llm_request_duration_seconds_bucket{model="a",le="+Inf"}': "0+8x10",
    'llm_request_duration_seconds_count{model="a"}': "0+8x10",
    'llm_request_duration_seconds_sum{model="a"}': "0+16x10",
    # A whole bound is written 1.0 or 1, by version.
    'llm_time_per_output_token_seconds_bucket{model="a",le="1.0"}': "0+1x10",
    'llm_time_per_output_token_seconds_bucket{model="b",le="1"}': "0+1x10",
    'llm_time_per_output_token_seconds_count{model="a"}': "0+4x10",
    'llm_time_per_output_token_seconds_count{model="b"}': "0+4x10",
}
_FAILED = {STATUS: "error"}
_BY = (MODEL,)
_PRECISION = 10_000


def _evaluate(expression: str, expected: dict[str, float], directory: Path) -> str:
    """Return what promtool says when the expression does not answer as expected."""
    filled = re.sub(r"\$__\w+", "5m", expression)
    filled = re.sub(r"\$\w+", ".*", filled)
    # As whole numbers, because promtool compares to the last bit.
    filled = f"round(({filled}) * {_PRECISION})"
    samples = [
        {"labels": f'{{model="{model}"}}' if model else "{}", "value": round(value * _PRECISION)}
        for model, value in expected.items()
    ]
    test: dict[str, Any] = {
        "rule_files": [],
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": s, "values": v} for s, v in _SERIES.items()],
                "promql_expr_test": [{"expr": filled, "eval_time": "10m", "exp_samples": samples}],
            }
        ],
    }
    path = directory / "test.yml"
    path.write_text(yaml.safe_dump(test))
    command = [binary("promtool"), "test", "rules", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param(
            promql.share(promql.rate(REQUESTS, _BY, _FAILED), promql.rate(REQUESTS, _BY)),
            {"a": 0.3, "b": 0.0},
            id="a share is 0 where nothing failed, absent where nothing was called",
        ),
        pytest.param(
            promql.rate(REQUESTS, _BY), {"a": 10 / 60, "b": 5 / 60, "c": 0.0}, id="per second"
        ),
        pytest.param(
            promql.increase(REQUESTS, _BY, window="5m"),
            {"a": 50, "b": 25, "c": 0},
            id="in a window",
        ),
        pytest.param(promql.mean(REQUEST_DURATION), {"": 2.0}, id="mean"),
        pytest.param(promql.within(REQUEST_DURATION, 1.28), {"": 0.25}, id="share within a bound"),
        pytest.param(
            promql.within(TIME_PER_OUTPUT_TOKEN, 1.0, _BY),
            {"a": 0.25, "b": 0.25},
            id="a whole bound in both notations",
        ),
        pytest.param(
            promql.quantile(0.5, REQUEST_DURATION, _BY),
            {"a": 1.28 + 1.28 * (4 - 2) / 6},
            id="quantile",
        ),
        pytest.param(
            promql.over(promql.rate(REQUESTS, _BY, _FAILED), promql.rate(REQUESTS, _BY)),
            {"a": 0.3},
            id="a quotient of what is there",
        ),
    ],
)
def test_an_expression_means_what_its_name_says(
    tmp_path: Path, expression: str, expected: dict[str, float]
) -> None:
    assert not _evaluate(expression, expected, tmp_path)


def test_a_wrong_expectation_is_noticed(tmp_path: Path) -> None:
    assert "3E+03" in _evaluate(
        promql.over(promql.rate(REQUESTS, _BY, _FAILED), promql.rate(REQUESTS, _BY)),
        {"a": 0.4},
        tmp_path,
    )


@pytest.mark.parametrize("bound", [1.0, 1.2800001, 0.0])
def test_a_share_within_no_bucket_s_bound_cannot_be_asked(bound: float) -> None:
    with pytest.raises(ValueError, match="no bucket"):
        promql.within(REQUEST_DURATION, bound)


def test_a_counter_has_no_share_within() -> None:
    with pytest.raises(ValueError, match="no bucket"):
        promql.within(TOKENS, 1.28)


def test_every_choice_narrows_every_metric_of_calls() -> None:
    for variable in promql.VARIABLES.values():
        assert f"${variable}" in promql.select(REQUESTS)
