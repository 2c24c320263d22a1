"""Which spans are sound, and what became of each request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from exporter.errors import MalformedError
from exporter.spans.arrow import pc
from exporter.spans.batch import Bools, Ints
from exporter.spans.ids import lengths

_TIME_MAX_NS = 2**63 - 1
_ZERO_TRACE_ID = pa.scalar(bytes(16))
_ZERO_SPAN_ID = pa.scalar(bytes(8))

REJECTION_REASONS = (
    "",
    "invalid_trace_id",
    "invalid_span_id",
    "invalid_parent_span_id",
    "time_out_of_range",
    "end_before_start",
    "too_old",
    "in_the_future",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanLimits:
    """What a span may be; one outside is rejected alone."""

    end_before_start_max_ns: int
    """A span may end this long before it starts (clock steps); its duration is then 0."""
    age_max_ns: int
    """A span may have started this long ago."""
    future_max_ns: int
    """A span may start this far in the future."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one request."""

    accepted: int = 0
    """Spans taken."""
    rejected: Mapping[str, int] = field(default_factory=dict[str, int])
    """Spans refused, by reason."""
    error: MalformedError | None = None
    """Why the whole request cannot be read; None when it can."""


def rejections(spans: pa.StructArray, limits: SpanLimits, now_ns: int) -> NDArray[np.uint8]:
    """Return for each span the position of its reason in `REJECTION_REASONS`, 0: sound.

    Trace protobuf: an id of the wrong length or all zero is invalid.
    """
    start = spans.field("start_time_unix_nano").to_numpy()
    end = spans.field("end_time_unix_nano").to_numpy()
    parent_length = lengths(spans.field("parent_span_id"))
    out_of_range = (start == 0) | (start > _TIME_MAX_NS) | (end > _TIME_MAX_NS)
    signed_start = start.astype(np.int64)
    # Later assignments win, so the most telling reason comes last.
    reasons = np.zeros(len(spans), dtype=np.uint8)
    checks: list[tuple[str, Bools]] = [
        ("in_the_future", signed_start > now_ns + limits.future_max_ns),
        ("too_old", signed_start < now_ns - limits.age_max_ns),
        (
            "end_before_start",
            end.astype(np.int64) < signed_start - limits.end_before_start_max_ns,
        ),
        ("time_out_of_range", out_of_range),
        ("invalid_parent_span_id", (parent_length != 0) & (parent_length != 8)),
        ("invalid_span_id", ~_is_id(spans.field("span_id"), 8, _ZERO_SPAN_ID)),
        ("invalid_trace_id", ~_is_id(spans.field("trace_id"), 16, _ZERO_TRACE_ID)),
    ]
    for reason, failed in checks:
        reasons[failed] = REJECTION_REASONS.index(reason)
    return reasons


def verdicts(requests: int, request_of_span: Ints, reasons: NDArray[np.uint8]) -> list[Verdict]:
    """Return a verdict for each request, from the request and the reason of each span."""
    kinds = len(REJECTION_REASONS)
    flat = request_of_span.astype(np.int64) * kinds + reasons
    counts = np.bincount(flat, minlength=requests * kinds).reshape(requests, kinds)
    # One small object for each request, not for each span.
    return [
        Verdict(
            accepted=int(row[0]),
            rejected={REJECTION_REASONS[i]: int(row[i]) for i in np.flatnonzero(row[1:]) + 1},
        )
        for row in counts
    ]


def _is_id(ids: pa.BinaryArray, length: int, zero: pa.Scalar) -> Bools:
    nonzero = pc.not_equal(ids, zero).to_numpy(zero_copy_only=False)
    return (lengths(ids) == length) & nonzero
