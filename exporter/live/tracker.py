"""Sum up traces while their spans come, a batch at a time, for a bounded number of traces.

A trace is running until its root span has come. What is summed per trace is summed for the whole
batch at once; only a trace that is touched costs an object. The trace that was quiet for longest
goes first; if more of it comes, it starts anew.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from exporter.genai.prices.money import nano_dollars
from exporter.live.meter import usd
from exporter.spans.arrow import holds, known
from exporter.spans.batch import SpanBatch
from exporter.spans.schema import NANOSECONDS, TOKEN_KINDS

# What traces are selected by, and the column that holds it.
DIMENSIONS: dict[str, str] = {
    "service": "ServiceName",
    "provider": "Provider",
    "model": "Model",
    "feature": "Feature",
    "tenant": "Tenant",
    "environment": "Environment",
    "release": "Release",
    "agent": "Agent",
    "tool": "Tool",
}
# A trace with more values of one kind is not read by a person.
VALUES_MAX = 20
# Senders choose names; a longer one is cut.
_NAME_MAX_CHARS = 256
_MICROSECOND_NS = 1000

Sums = NDArray[np.int64]


@dataclass(slots=True)
class Trace:
    """What is known of a trace so far."""

    id: str
    name: str | None = None
    """Of the root span; None while it has not come."""
    service: str | None = None
    start_ns: int = 2**63 - 1
    end_ns: int = 0
    spans: int = 0
    errors: int = 0
    calls: int = 0
    """Those that count, each once."""
    priced_calls: int = 0
    unpriced_calls: int = 0
    tokens: int = 0
    estimated_tokens: int = 0
    nano: int = 0
    estimated_nano: int = 0
    values: dict[str, set[str]] = field(
        default_factory=lambda: {name: set[str]() for name in DIMENSIONS}
    )

    @property
    def status(self) -> str:
        """`running` until the root span has come, then `finished`."""
        return "running" if self.name is None else "finished"

    @property
    def duration_ns(self) -> int:
        """From the first start to the last end."""
        return max(self.end_ns - self.start_ns, 0)

    def summary(self) -> dict[str, Any]:
        """Return the trace as JSON holds it."""
        start = datetime.fromtimestamp(self.start_ns // NANOSECONDS, UTC)
        start = start.replace(microsecond=self.start_ns % NANOSECONDS // _MICROSECOND_NS)
        return {
            "trace_id": self.id,
            "status": self.status,
            "name": self.name,
            "service": self.service,
            "start": start.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "duration_s": self.duration_ns / NANOSECONDS,
            "spans": self.spans,
            "errors": self.errors,
            "calls": self.calls,
            "unpriced_calls": self.unpriced_calls,
            "tokens": self.tokens,
            "estimated_tokens": self.estimated_tokens,
            # Not known is not free.
            "cost_usd": usd(self.nano) if self.priced_calls or not self.calls else None,
            "estimated_cost_usd": usd(self.estimated_nano),
            **{f"{name}s": sorted(values) for name, values in self.values.items()},
        }


class Tracker:
    """The traces of the last while. One thread at a time."""

    def __init__(self, traces_max: int) -> None:
        self._traces_max = traces_max
        self._traces: OrderedDict[int, Trace] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of traces that are tracked."""
        return len(self._traces)

    def clear(self) -> None:
        """Forget everything."""
        self._traces.clear()

    def add(self, batch: SpanBatch) -> list[Trace]:
        """Add a priced batch; return the traces that it touched and that are still tracked."""
        if not len(batch):
            return []
        keys, first, group = np.unique(batch.trace_keys, return_index=True, return_inverse=True)
        # Only as many as are tracked: those that come last in the batch.
        newest = np.sort(np.argsort(first)[-self._traces_max :])
        ids = batch["TraceId"].take(pa.array(first[newest])).to_pylist()
        touched = {
            int(at): self._touch(int(keys[at]), trace_id)
            for at, trace_id in zip(newest.tolist(), ids, strict=True)
        }
        sums = _sums(batch, group, len(keys))
        for at, trace in touched.items():
            _add(trace, {name: int(column[at]) for name, column in sums.items()})
        for dimension, column in DIMENSIONS.items():
            for at, value in _pairs(batch[column], group):
                if (trace := touched.get(at)) and len(trace.values[dimension]) < VALUES_MAX:
                    trace.values[dimension].add(value[:_NAME_MAX_CHARS])
        roots = np.flatnonzero(batch.parent_keys == 0)
        _name(touched, group[roots], roots, batch)
        return list(touched.values())

    def _touch(self, key: int, trace_id: str) -> Trace:
        trace = self._traces.pop(key, None) or Trace(trace_id)
        self._traces[key] = trace
        if len(self._traces) > self._traces_max:
            self._traces.popitem(last=False)
        return trace


def _add(trace: Trace, sums: dict[str, int]) -> None:
    trace.start_ns = min(trace.start_ns, sums.pop("start_ns"))
    trace.end_ns = max(trace.end_ns, sums.pop("end_ns"))
    for name, amount in sums.items():
        setattr(trace, name, getattr(trace, name) + amount)


def _name(
    touched: dict[int, Trace], groups: NDArray[np.intp], roots: NDArray[np.intp], batch: SpanBatch
) -> None:
    chosen = pa.array(roots)
    names = batch["SpanName"].take(chosen).to_pylist()
    services = batch["ServiceName"].take(chosen).to_pylist()
    for at, name, service in zip(groups.tolist(), names, services, strict=True):
        # Of several roots the first names the trace.
        if (trace := touched.get(at)) and trace.name is None:
            trace.name, trace.service = name[:_NAME_MAX_CHARS], service[:_NAME_MAX_CHARS]


def _sums(batch: SpanBatch, group: NDArray[np.intp], groups: int) -> dict[str, Sums]:
    """Return what is added up, for each trace of a batch."""
    own = holds(batch["UsageRole"], "own")
    estimated = holds(batch["UsageSource"], "estimated")
    # As in the metrics: a cost that the sender reports is exact, whatever is known of the tokens.
    guessed = estimated & holds(batch["CostSource"], "computed")
    tokens = np.zeros(len(batch), dtype=np.int64)
    for kind in TOKEN_KINDS:
        column = batch[kind.column]
        if column.null_count < len(column):
            tokens += column.fill_null(0).to_numpy().astype(np.int64)
    nano = nano_dollars(batch["CostUsd"])
    priced = known(batch["CostUsd"]) & ~guessed
    columns = {
        "spans": np.ones(len(batch), dtype=np.int64),
        "errors": holds(batch["Status"], "error"),
        "calls": own,
        "priced_calls": own & priced,
        "unpriced_calls": own & known(batch["UnpricedReason"]),
        "tokens": np.where(own & ~estimated, tokens, 0),
        "estimated_tokens": np.where(own & estimated, tokens, 0),
        "nano": np.where(own & ~guessed, nano, 0),
        "estimated_nano": np.where(own & guessed, nano, 0),
    }
    sums: dict[str, Sums] = {}
    for name, column in columns.items():
        sums[name] = np.zeros(groups, dtype=np.int64)
        np.add.at(sums[name], group, column)
    sums["start_ns"] = np.full(groups, 2**63 - 1)
    np.minimum.at(sums["start_ns"], group, batch.start_ns)
    sums["end_ns"] = np.zeros(groups, dtype=np.int64)
    np.maximum.at(sums["end_ns"], group, batch.start_ns + batch.duration_ns)
    return sums


def _pairs(column: pa.Array, group: NDArray[np.intp]) -> Iterable[tuple[int, str]]:
    """Return each trace with each value that its spans have, once."""
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy().astype(np.int64)
    here = codes >= 0
    words = encoded.dictionary.to_pylist()
    pairs = np.unique(group[here].astype(np.int64) * max(len(words), 1) + codes[here])
    return [(pair // len(words), words[pair % len(words)]) for pair in pairs.tolist()]
