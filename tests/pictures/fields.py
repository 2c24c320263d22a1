"""One field of a data frame, as JSON for `@grafana/data`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

Frame = dict[str, Any]


def field(
    name: str,
    kind: str,
    values: Sequence[Any],
    labels: Mapping[str, str] | None = None,
    config: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    return {
        "name": name,
        "type": kind,
        "values": [_plain(value, kind) for value in values],
        "labels": dict(labels or {}),
        "config": dict(config or {}),
    }


def _plain(value: Any, kind: str) -> Any:
    """A value as JSON has it; what is no number is null."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=value.tzinfo or UTC).timestamp() * 1000
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if kind == "string" and value is not None and not isinstance(value, str):
        return json.dumps(value, default=str)
    return value
