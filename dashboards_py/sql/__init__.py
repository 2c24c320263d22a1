"""The dashboards' SQL for Grafana's ClickHouse data source, one file for each question.

A file has Grafana's macros and variables and these marks of ours, each a comment: `/* filters */`
is what the reader chose, `/* tokens */`, `/* input tokens */` and `/* output tokens */` are sums of
the columns of tokens, `/* counted cost */` is a span's cost without estimates. Comment lines
explain the file and are not sent. Each query ends with a LIMIT; the longest time that it may take
is added here.
"""

from __future__ import annotations

from importlib.resources import files

from exporter.spans.schema import TOKEN_KINDS

MAX_EXECUTION_S = 30
# The column that each variable narrows; spans and usage tables call it alike.
FILTERED: dict[str, str] = {
    "environment": "Environment",
    "service": "ServiceName",
    "provider": "Provider",
    "model": "Model",
    "operation": "Operation",
    "feature": "Feature",
    "tenant": "Tenant",
}
# As in the metric and the usage tables: what was computed from estimated tokens is not in it.
_COUNTED_COST = "if(UsageSource = 'estimated' AND CostSource = 'computed', NULL, CostUsd)"


def read(name: str, *filters: str, **marks: str) -> str:
    """Return a query by the name of its file, narrowed by the variables named (default: all).

    `marks` are further marks of this file and what stands for them. Raise FileNotFoundError for a
    name without a file.
    """
    text = files("dashboards_py.sql").joinpath(f"{name}.sql").read_text(encoding="utf-8")
    query = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
    for mark, value in (_marks(filters or tuple(FILTERED)) | marks).items():
        query = query.replace(f"/* {mark} */", value)
    return f"{query.strip()}\nSETTINGS max_execution_time = {MAX_EXECUTION_S}"


def _marks(filters: tuple[str, ...]) -> dict[str, str]:
    return {
        "filters": "\n    AND ".join(
            f"$__conditionalAll({FILTERED[name]} IN (${{{name}:singlequote}}), ${name})"
            for name in filters
        ),
        "counted cost": _COUNTED_COST,
        "tokens": " + ".join(f"ifNull({kind.column}, 0)" for kind in TOKEN_KINDS),
        "input tokens": " + ".join(
            f"ifNull({kind.column}, 0)" for kind in TOKEN_KINDS if not kind.is_output
        ),
        "output tokens": " + ".join(
            f"ifNull({kind.column}, 0)" for kind in TOKEN_KINDS if kind.is_output
        ),
    }
