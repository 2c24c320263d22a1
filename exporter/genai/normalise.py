"""Find the canonical fields of every span, whatever convention it came in.

For each field the sources of all conventions are tried in their order and the first match wins,
never a sum; find.py does the trying. Here are the columns that are made of several fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from exporter.genai.convention import Conventions
from exporter.genai.detect import Detector, Flags, has, present
from exporter.genai.fields import (
    CALL,
    CLASS_OF_OPERATION,
    CONTENT_FIELDS,
    COUNT_FIELDS,
    TEXT_FIELDS,
)
from exporter.genai.find import Finder
from exporter.genai.outcome import Endings, outcomes
from exporter.genai.tokens import Counts, Usage, disjoint
from exporter.spans.arrow import holds, known, pc, words
from exporter.spans.batch import Bools, Ints, SpanBatch
from exporter.spans.schema import STATUS_CODES, STATUS_ERROR, TOKEN_KINDS


class Normaliser:
    """Adds the GenAI columns (all but cost) to a batch, and sets its content apart."""

    def __init__(self, conventions: Conventions) -> None:
        self._conventions = conventions
        self._detect = Detector(conventions)
        self._plain_keys = {
            source.source.key
            for field, sources in conventions.sources.items()
            if field not in CONTENT_FIELDS
            for source in sources
            if not source.source.path
        }

    def __call__(self, batch: SpanBatch) -> SpanBatch:
        """Return the batch with its canonical columns; the input is not changed."""
        flags = self._detect(batch)
        finder = Finder(batch, flags)
        texts = {
            column: finder.text(field, self._conventions.sources[field])
            for field, column in TEXT_FIELDS.items()
        }
        columns: dict[str, pa.Array] = dict(texts)
        columns["ServiceName"] = _service_name(batch)
        columns["Convention"] = self._detect.names(flags)
        columns["SpanClass"] = _span_class(texts["Operation"])
        columns["Status"] = _status(batch["StatusCode"], texts["ErrorType"])
        exception = finder.text("exception_type", self._conventions.sources["exception_type"])
        columns["ErrorType"] = _error_type(columns["Status"], texts["ErrorType"], exception)
        endings = Endings(
            failed=holds(columns["Status"], "error"),
            classed=known(columns["SpanClass"]),
            error_type=texts["ErrorType"],
            http_status=finder.text("http_status", self._conventions.sources["http_status"]),
            exception_type=exception,
            status_message=batch["StatusMessage"],
            exception_message=finder.text(
                "exception_message", self._conventions.sources["exception_message"]
            ),
            finish_reason=texts["FinishReason"],
        )
        columns["Outcome"] = outcomes(endings)
        usage = self._usage(batch, flags, finder)
        columns |= _token_columns(usage, columns["SpanClass"])
        ttft, tpot = _times(finder, self._conventions, batch.duration_ns, usage)
        columns |= {"TimeToFirstToken": ttft, "TimePerOutputToken": tpot}
        cached = finder.text("cache_hit", self._conventions.sources["cache_hit"])
        columns["CacheHit"] = pa.array(holds(cached, "true"), mask=~known(cached))
        columns["ReportedCostUsd"] = finder.money(self._conventions.sources["reported_cost"])
        return self._set_content_apart(batch).with_columns(columns)

    def usage(self, batch: SpanBatch) -> Usage:
        """Return what the token counts of a decoded batch are made of, for `explain`."""
        flags = self._detect(batch)
        return self._usage(batch, flags, Finder(batch, flags))

    def _usage(self, batch: SpanBatch, flags: Flags, finder: Finder) -> Usage:
        found = {name: finder.count(self._conventions.sources[name]) for name in COUNT_FIELDS}
        reported = {name: counts for name, (counts, _) in found.items()}
        origins = {name: origin for name, (_, origin) in found.items()}
        return Usage(reported, *self._inclusive(batch, flags, origins))

    def _inclusive(
        self, batch: SpanBatch, flags: Flags, origins: Mapping[str, Ints]
    ) -> tuple[Bools, Bools, Bools]:
        """Return whether input includes cached tokens, output includes reasoning, and is firm.

        The rule is that of the source which gave the count, or of the span's scope.
        """
        every = self._conventions.all
        of_input = self._conventions.sources["input_tokens"]
        of_output = self._conventions.sources["output_tokens"]
        own = [found.source.includes_cache for found in of_input]
        rules = [
            every[found.bit].input_includes_cache if rule is None else rule
            for found, rule in zip(of_input, own, strict=True)
        ]
        # The last one is for a count that no source gave: its origin is -1.
        input_includes = np.array([*rules, True])[origins["input_tokens"]]
        firm = np.array([*(rule is not None for rule in own), False])[origins["input_tokens"]]
        by_output = [every[found.bit].output_includes_reasoning for found in of_output]
        output_includes = np.array([*by_output, True])[origins["output_tokens"]]
        scopes = batch.scopes["ScopeName"].to_pylist()
        for bit in present(flags):
            c = every[bit]
            odd_in = np.array([s in c.exclusive_input_scopes for s in scopes], dtype=np.bool_)
            odd_out = np.array([s in c.exclusive_output_scopes for s in scopes], dtype=np.bool_)
            if not (odd_in | odd_out).any():
                continue
            mine = has(flags, bit)
            input_includes[mine & odd_in[batch.scope_of_span]] = False
            output_includes[mine & odd_out[batch.scope_of_span]] = False
            firm |= mine & (odd_in | odd_out)[batch.scope_of_span]
        return input_includes, output_includes, firm

    def _set_content_apart(self, batch: SpanBatch) -> SpanBatch:
        """Return the batch with its content attributes moved to their own place."""
        attributes = batch.attributes
        is_content = np.array(
            [self.is_content(key) for key in attributes.key_names], dtype=np.bool_
        )
        if not is_content.any():
            return replace(batch, content=None)
        marked = is_content[attributes.codes]
        entries = np.flatnonzero(marked)
        return replace(
            batch,
            attributes=attributes.select(~marked),
            content=attributes.select(marked),
            content_positions=entries - attributes.offsets[attributes.owners[entries]],
        )

    def is_content(self, key: str) -> bool:
        """Return whether attributes of this name are set apart."""
        every = self._conventions.all
        if any(key in c.content_keys for c in every):
            return True
        # A prefix may take in a key that holds another field: gen_ai.prompt.version.
        return key not in self._plain_keys and any(
            key.startswith(c.content_prefixes or ("\0",)) for c in every
        )


# Columns made of several fields ---------------------------------------------------------------


def _service_name(batch: SpanBatch) -> pa.DictionaryArray:
    """Return service.name of the resource; the SDK specification's default where it is absent."""
    attributes = batch.resource_attributes
    names = np.full(len(attributes), "unknown_service", dtype=object)
    if "service.name" in attributes.key_names:
        entries = attributes.entries_of(attributes.key_names.index("service.name"))
        texts = attributes.text.take(pa.array(entries)).to_pylist()
        # Reversed, so that of a key that occurs twice the first occurrence wins.
        for owner, text in zip(attributes.owners[entries][::-1], reversed(texts), strict=True):
            names[owner] = text or "unknown_service"
    encoded = pa.array(names, pa.string()).dictionary_encode()
    indices = encoded.indices.to_numpy()[batch.resource_of_span]
    return pa.DictionaryArray.from_arrays(pa.array(indices), encoded.dictionary)


def _span_class(operation: pa.DictionaryArray) -> pa.DictionaryArray:
    operations = operation.dictionary.to_pylist()
    classes = pa.array([CLASS_OF_OPERATION.get(name) for name in operations], pa.string())
    return classes.take(operation.indices).dictionary_encode()


def _status(codes: pa.DictionaryArray, error_type: pa.DictionaryArray) -> pa.DictionaryArray:
    """Return ok or error: an error status, or an error.type on a span whose status is not Ok."""
    status = codes.indices.to_numpy()
    failed = status == STATUS_ERROR
    failed |= (status != STATUS_CODES.index("Ok")) & known(error_type)
    return words(failed.astype(np.int32), ["ok", "error"])


def _error_type(
    status: pa.DictionaryArray, error_type: pa.DictionaryArray, exception: pa.DictionaryArray
) -> pa.Array:
    """Return error.type of failed spans, else the type of their exception event.

    `_OTHER`, as OpenTelemetry says, where neither is given. An exception event alone is no
    failure: it may have been handled.
    """
    failed = status.indices.cast(pa.bool_())
    named = pc.coalesce(error_type.cast(pa.string()), exception.cast(pa.string()))
    named = named.fill_null("_OTHER")
    return pc.if_else(failed, named, None).dictionary_encode()


def _token_columns(usage: Usage, span_class: pa.DictionaryArray) -> dict[str, pa.Array]:
    calls = holds(span_class, CALL)
    reported = (usage.reported["input_tokens"] >= 0) | (usage.reported["output_tokens"] >= 0)
    source = np.where(reported, 0, np.where(calls, 1, -1)).astype(np.int32)
    kinds = disjoint(usage)
    columns: dict[str, pa.Array] = {
        kind.column: pa.array(kinds[kind.name], pa.uint64(), mask=kinds[kind.name] < 0)
        for kind in TOKEN_KINDS
    }
    columns["UsageSource"] = words(source, ["reported", "missing"])
    # What a call on its own has; attribution decides when its trace is known.
    columns["UsageRole"] = words(np.where(calls, 0, -1).astype(np.int32), ["own"])
    columns["ReportedUsage"] = _reported_map(usage.reported)
    return columns


def _reported_map(reported: Mapping[str, Counts]) -> pa.MapArray:
    """Return the counts that were reported as a map for each span, row by row."""
    table = np.stack([reported[name] for name in COUNT_FIELDS], axis=1)
    given = table >= 0
    offsets = np.concatenate(([0], np.cumsum(given.sum(axis=1)))).astype(np.int32)
    codes = np.broadcast_to(np.arange(table.shape[1], dtype=np.int32), table.shape)[given]
    keys = pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(COUNT_FIELDS))
    return pa.MapArray.from_arrays(
        offsets, keys.cast(pa.string()), pa.array(table[given], pa.uint64())
    )


def _times(
    finder: Finder, conventions: Conventions, duration_ns: NDArray[np.int64], usage: Usage
) -> tuple[pa.Array, pa.Array]:
    """Return time to first token and time per output token, nanoseconds, null: not known.

    Emitters disagree about units (seconds, milliseconds, nanoseconds under one name). A time to
    first token longer than its span is read in the next smaller unit until it fits, else dropped.
    """
    ttft = finder.time_ns(conventions.sources["ttft"])
    longest = duration_ns.astype(np.float64)
    # Two clocks: what exceeds its span by a little is the whole span, in the same unit.
    ttft = np.where(ttft > longest * 1.05, ttft, np.minimum(ttft, longest))
    for _ in range(3):
        ttft = np.where(ttft > longest, ttft / 1000, ttft)
    ttft[(ttft > longest) | (ttft < 0)] = np.nan
    reported = finder.time_ns(conventions.sources["tpot"])
    output = usage.reported["output_tokens"]
    spread = np.where(output > 1, (longest - ttft) / np.maximum(output - 1, 1), np.nan)
    tpot = np.where((reported >= 0) & (reported <= longest), reported, spread)
    return _nanoseconds(ttft), _nanoseconds(tpot)


def _nanoseconds(values: NDArray[np.float64]) -> pa.Array:
    sound = np.isfinite(values) & (values >= 0)
    return pa.array(np.rint(np.where(sound, values, 0)).astype(np.uint64), mask=~sound)
