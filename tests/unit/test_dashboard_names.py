"""No metric, label, table or column is asked for that nothing declares."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from dashboards_py import own_metrics, promql
from dashboards_py.generate import dashboards
from exporter.metrics import catalog
from exporter.metrics.catalog import MetricType
from exporter.spans.schema import TABLES
from tests.support import grafana_queries as grafana

_PROJECT = Path(__file__).parents[2]
_BOARDS = {str(path): json.loads(text) for path, text in dashboards().items()}
every_board = pytest.mark.parametrize("board", _BOARDS.values(), ids=_BOARDS.keys())
Board = Mapping[str, Any]

# ---- Names in PromQL ----

_DECLARED = {
    metric.name: metric
    for metric in (
        *catalog.METRICS,
        *catalog.BUDGET_METRICS,
        *own_metrics.OWN,
        *own_metrics.FOREIGN,
    )
}
_SUFFIXES = ("_bucket", "_sum", "_count")
_MATCHERS = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"(?:[^"\\]|\\.)*"')
_GROUPING = re.compile(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^()]*)\)")
_SELECTOR = re.compile(r"\b([a-zA-Z_]\w*)\s*(\{[^{}]*\})")


def _labels_of(sample: str) -> set[str]:
    """Return the labels of a sample's metric. Raise KeyError where none is declared."""
    for name, metric in _DECLARED.items():
        histogram = metric.type is MetricType.HISTOGRAM
        samples = {name + suffix for suffix in _SUFFIXES} if histogram else {metric.sample_name}
        if sample in samples:
            extra = set(catalog.EXTRA_LABELS) if name in catalog.CALL_METRICS else set()
            return {label.name for label in metric.labels} | extra | {promql.LE.name}
    raise KeyError(sample)


def _expressions(board: Board) -> Iterator[str]:
    for query in grafana.queries(board):
        if query.source == "prometheus":
            yield query.target.get("expr") or grafana.label_values(query.target["variable"])[0]


@every_board
def test_no_metric_or_label_occurs_that_is_not_declared(board: Board) -> None:
    for expression in _expressions(board):
        # A query without a selector in braces would escape the check below.
        bare = _SELECTOR.sub(" ", expression)
        named = re.findall(r"\b(?:llm|traces|process|up|ALERTS)\w*\b", re.sub(r'"[^"]*"', "", bare))
        labels: set[str] = set()
        for sample in [*named, *(name for name, _ in _SELECTOR.findall(expression))]:
            labels |= _labels_of(sample)
        for sample, matchers in _SELECTOR.findall(expression):
            assert set(_MATCHERS.findall(matchers)) <= _labels_of(sample), (sample, matchers)
        for group in _GROUPING.findall(expression):
            assert {name.strip() for name in group.split(",") if name.strip()} <= labels, group


@pytest.mark.parametrize(
    "expression",
    ["sum(llm_request_total{})", 'llm_requests_total{modell="x"}', "sum(llm_cost_total)"],
)
def test_an_undeclared_name_is_noticed(expression: str) -> None:
    board = {
        "panels": [
            {
                "title": "x",
                "targets": [
                    {"refId": "A", "expr": expression, "datasource": {"type": "prometheus"}}
                ],
            }
        ],
        "annotations": {"list": []},
        "templating": {"list": []},
    }
    with pytest.raises((KeyError, AssertionError)):
        test_no_metric_or_label_occurs_that_is_not_declared(board)


# ---- Names in SQL ----


def _tables() -> dict[str, set[str]]:
    """Return the columns of every table, from the schema and from the migrations."""
    found = {name: {column.name for column in columns} for name, columns in TABLES.items()}
    for path in sorted((_PROJECT / "clickhouse/schema").glob("*.sql")):
        for name, body in re.findall(
            r"CREATE TABLE IF NOT EXISTS (\w+)\s*\((.*?)\n\)", path.read_text(), re.DOTALL
        ):
            found.setdefault(name, set()).update(
                re.findall(r"^\s{4}([A-Z]\w+) ", body, re.MULTILINE)
            )
    return found


def _queries_in_sql(board: Board) -> Iterator[str]:
    for query in grafana.queries(board):
        if query.source == "grafana-clickhouse-datasource":
            yield query.target["rawSql"]


def _unknown_in(text: str) -> set[str]:
    """Return the tables and columns of a query that nothing declares.

    Columns begin with a capital and are not all capitals, unlike keywords and functions.
    """
    text = re.sub(r"'(?:[^'\\]|\\.)*'", "''", text)
    defined = set(re.findall(r"\bAS\s+(\w+)", text)) | set(re.findall(r"(\w+) AS\s*\(", text))
    defined |= set(re.findall(r"\bWITH\s+(\w+)\b", text))
    tables = _tables()
    read = set(re.findall(r"\b(?:FROM|JOIN)\s+(\w+)", text))
    columns = set().union(*(tables[name] for name in read & tables.keys()))
    words = set(re.findall(r"(?<![\w$])([A-Z]\w*[a-z]\w*)(?!\w*\()", text))
    return (read - tables.keys() - defined) | (words - columns - defined)


@every_board
def test_no_table_or_column_occurs_that_the_schema_does_not_declare(board: Board) -> None:
    for text in _queries_in_sql(board):
        assert _unknown_in(text) == set(), text


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("SELECT Modell FROM otel_traces", {"Modell"}),
        ("SELECT Model FROM otel_trace", {"otel_trace", "Model"}),
        ("SELECT CostUsd FROM llm_content", {"CostUsd"}),
        ("SELECT sum(CostUsd) AS Cost FROM llm_usage_1m WHERE Cost > 0", set()),
    ],
)
def test_an_undeclared_column_is_noticed(text: str, unknown: set[str]) -> None:
    assert _unknown_in(text) == unknown


@every_board
def test_every_sql_query_is_bounded(board: Board) -> None:
    for text in _queries_in_sql(board):
        assert re.search(r"LIMIT \d+\nSETTINGS max_execution_time = \d+$", text), text
