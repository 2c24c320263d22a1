"""What is kept of each member: a record of fixed size, made for a whole column at once.

A member is a span that may be counted: a call, or any other span that reports usage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from exporter.genai.fields import APART_CLASSES, CALL, NEVER_CLASSES
from exporter.genai.tokens import reports_usage
from exporter.spans.arrow import holds, known
from exporter.spans.batch import Bools, Keys, SpanBatch
from exporter.spans.schema import TOKEN_KINDS

Rows = NDArray[np.intp]

# Of each key the lowest bit is kept free: with a parent's key it says that the child is an agent
# or a tool, so that one look-up answers both.
KEY = np.uint64(2**64 - 2)

UNDECIDED = -1

RECORD = np.dtype(
    [
        ("key", "u8"),
        ("parent", "u8"),
        ("trace", "u8"),
        ("start", "i8"),
        ("end", "i8"),
        ("input", "i8"),  # -1: not known
        ("output", "i8"),
        ("answer", "u8"),  # response id; of this and what follows 0: not known
        ("place", "u8"),  # service, parent, kind of call and family of model
        ("scope", "u8"),  # instrumentation
        ("process", "u8"),
        ("ending", "u8"),
        ("model", "u8"),
        ("twin", "u8"),  # the call that it was found to be
        ("twins", "i4"),  # how many spans were
        ("detail", "i4"),  # how many counts it reports
        ("alike", "i4"),  # the member before it with the same answer, -1: none
        ("before", "i4"),  # its neighbours in the same place
        ("after", "i4"),
        ("is_call", "?"),
        ("unclassed", "?"),
        ("never", "?"),
        ("above", "?"),  # it reports no usage, and an agent above it was counted with its own
        ("estimated", "?"),  # it was counted with an estimate of its usage
        ("server", "?"),
        ("seen", "?"),  # its row was given its role: the same span that comes again is a duplicate
        ("moved", "?"),  # it came again, and is kept with the younger ones
        ("role", "i1"),
        ("reason", "i1"),
    ]
)
Records = np.ndarray[tuple[int], np.dtype[np.void]]

# Words for the same: what a model answers in text.
_GENERATES = ("chat", "text_completion", "generate_content")
# Names of models that differ in more than their ends begin differently.
_STEM_CHARS = 3
_PROCESS_KEYS = ("service.instance.id", "process.pid", "host.name", "k8s.pod.name")
_MIX = tuple(
    np.uint64(odd)
    for odd in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93)
)


_BYTES = np.dtype((np.void, RECORD.itemsize))


def joined(parts: Iterable[Records]) -> Records:
    """Return records one after the other; numpy alone would compare their fields each time."""
    return np.concatenate([part.view(_BYTES) for part in parts]).view(RECORD)


def plain(keys: Keys) -> Keys:
    """Return keys without their lowest bit."""
    return keys & KEY


def tagged_parents(batch: SpanBatch) -> Keys:
    """Return each span's parent, and in the lowest bit whether the span is an agent or tool."""
    apart = np.zeros(len(batch), dtype=np.bool_)
    for span_class in APART_CLASSES:
        apart |= holds(batch["SpanClass"], span_class)
    return plain(batch.parent_keys) | apart.astype(np.uint64)


def is_member(batch: SpanBatch) -> Bools:
    """Return the calls, and every other span that reports usage."""
    return holds(batch["SpanClass"], CALL) | reports_usage(batch)


def records(batch: SpanBatch, rows: Rows, learn: Callable[[int, str], None]) -> Records:
    """Return the records of some spans, undecided.

    `learn` is told the name of each model behind its code.
    """
    made = np.zeros(len(rows), dtype=RECORD)
    classes = batch["SpanClass"]
    never = np.zeros(len(batch), dtype=np.bool_)
    for name in NEVER_CLASSES:
        never |= holds(classes, name)
    counts_of_span = np.diff(batch["ReportedUsage"].offsets.to_numpy())
    made["key"] = plain(batch.keys[rows])
    made["parent"] = plain(batch.parent_keys[rows])
    made["trace"] = batch.trace_keys[rows]
    made["start"] = batch.start_ns[rows]
    made["end"] = (batch.start_ns + batch.duration_ns)[rows]
    made["input"] = _total(batch, rows, output=False)
    made["output"] = _total(batch, rows, output=True)
    made["answer"] = _answers(batch, rows)
    made["detail"] = counts_of_span[rows]
    made["is_call"] = holds(classes, CALL)[rows]
    made["unclassed"] = ~known(classes)[rows]
    made["never"] = never[rows]
    made["server"] = holds(batch["SpanKind"], "Server")[rows]
    made["role"] = made["reason"] = UNDECIDED
    made["alike"] = made["before"] = made["after"] = -1
    _tell_apart(made, batch, rows, learn)
    return made


def _total(batch: SpanBatch, rows: Rows, *, output: bool) -> NDArray[np.int64]:
    """Return all input or all output tokens of some spans, -1: not known.

    Totals of the disjoint kinds, because emitters disagree about what a reported total includes.
    """
    total = np.zeros(len(rows), dtype=np.int64)
    reported = np.zeros(len(rows), dtype=np.bool_)
    for kind in TOKEN_KINDS:
        column = batch[kind.column]
        if kind.is_output == output and column.null_count < len(column):
            total += column.fill_null(0).to_numpy().astype(np.int64)[rows]
            reported |= known(column)[rows]
    return np.where(reported, total, -1)


def _answers(batch: SpanBatch, rows: Rows) -> Keys:
    ids = batch["ResponseId"].take(pa.array(rows)).to_pylist()
    return np.fromiter((_code(text) if text else 0 for text in ids), np.uint64, len(ids))


def _tell_apart(
    made: Records, batch: SpanBatch, rows: Rows, learn: Callable[[int, str], None]
) -> None:
    """Fill in by what two instrumentations of one call are known (twins.py)."""
    asked, asked_stem = _models(batch, "RequestModel", rows, learn)
    answered, answered_stem = _models(batch, "ResponseModel", rows, learn)
    model = np.where(asked != 0, asked, answered)
    stem = np.where(asked != 0, asked_stem, answered_stem)
    scopes = [_code(name) if name else 0 for name in batch.scopes["ScopeName"].to_pylist()]
    scope = np.array(scopes, np.uint64)[batch.scope_of_span[rows]]
    made["model"] = model
    made["scope"] = scope
    made["process"] = _processes(batch)[batch.resource_of_span[rows]]
    failed = holds(batch["Status"], "error")[rows]
    made["ending"] = np.where(failed, _codes(batch["Outcome"], rows), np.uint64(1))
    place = (
        _codes(batch["ServiceName"], rows) * _MIX[0]
        + _codes(batch["Operation"], rows, _operation) * _MIX[1]
        + stem * _MIX[2]
        + made["parent"] * _MIX[3]
    ) | np.uint64(1)
    may = made["is_call"] & ~made["never"] & ~made["server"] & (scope != 0) & (model != 0)
    made["place"] = np.where(may, place, np.uint64(0))


def _models(
    batch: SpanBatch, column: str, rows: Rows, learn: Callable[[int, str], None]
) -> tuple[Keys, Keys]:
    """Return the code of each span's model, and of how its name begins."""

    def code(name: str) -> int:
        learn(found := _code(model_name(name)), model_name(name))
        return found

    stems = _codes(batch[column], rows, lambda name: _code(model_name(name)[:_STEM_CHARS]))
    return _codes(batch[column], rows, code), stems


def model_name(name: str) -> str:
    """Return a model's name without what gateways put before it."""
    return name.rpartition("/")[2].lower()


def _operation(name: str) -> int:
    return _code(_GENERATES[0] if name in _GENERATES else name)


def _code(word: str) -> int:
    # As good as the word itself: one chance in 2^63 that two words have the same.
    return (hash(word) & 2**64 - 1) | 1


def _codes(column: pa.Array, rows: Rows, code: Callable[[str], int] = _code) -> Keys:
    """Return a code for each text, 0 where there is none."""
    encoded = column if isinstance(column, pa.DictionaryArray) else column.dictionary_encode()
    words = encoded.dictionary.to_pylist()
    codes = np.array([*(code(word) if word else 0 for word in words), 0], np.uint64)
    # The last one stands for null.
    return codes[encoded.indices.fill_null(len(words)).to_numpy()[rows]]


def _processes(batch: SpanBatch) -> Keys:
    """Return a code for the process of each resource, 0 where it does not say."""
    attributes = batch.resource_attributes
    told: list[dict[str, str]] = [{} for _ in range(len(attributes))]
    for key in set(_PROCESS_KEYS).intersection(attributes.key_names):
        entries = attributes.entries_of(attributes.key_names.index(key))
        texts = attributes.text.take(pa.array(entries)).to_pylist()
        for owner, text in zip(attributes.owners[entries].tolist(), texts, strict=True):
            told[owner].setdefault(key, text)
    return np.array([_process(of) for of in told], np.uint64)


def _process(told: dict[str, str]) -> int:
    instance, pid, host, pod = (told.get(key) for key in _PROCESS_KEYS)
    if instance:
        return _code(f"instance {instance}")
    if pid:
        return _code(f"process {pid} on {host or pod}")
    return _code(f"pod {pod}") if pod else 0
