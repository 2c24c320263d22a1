"""Find what every source of a field says, each tried alone by the code that tries all of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from exporter.genai.convention import Conventions, FieldSource, Source
from exporter.genai.detect import Flags
from exporter.genai.fields import COUNT_FIELDS, MONEY_FIELDS
from exporter.genai.find import Finder
from exporter.query.explanation import Evidence
from exporter.spans.batch import Attributes, SpanBatch

_CHARS_MAX = 200

_TEXT_EVIDENCE = (
    *("operation", "provider", "request_model", "response_model", "service_tier"),
    *("response_id", "error_type", "cache_hit"),
)
_NUMBER_EVIDENCE = (*COUNT_FIELDS, *MONEY_FIELDS)


def evidence(batch: SpanBatch, flags: Flags, conventions: Conventions) -> list[list[Evidence]]:
    """Return for each span of a decoded batch what its sources say, in the order of sources."""
    finder = Finder(batch, flags)
    texts = _first_texts(batch.attributes)
    found: list[list[Evidence]] = [[] for _ in range(len(batch))]
    for name in (*_TEXT_EVIDENCE, *_NUMBER_EVIDENCE):
        used = np.zeros(len(batch), dtype=np.bool_)
        for each in conventions.sources[name]:
            source = each.source
            if source.key is not None and not _is_there(batch, source):
                continue
            for n, value in _alone(finder, name, each):
                # What a path leads into may be content: only what it leads to is shown.
                is_part = source.path or source.event or source.key is None
                raw = value if is_part else texts[n].get(source.key or "", value)
                found[n].append(
                    Evidence(
                        field=name,
                        convention=conventions.all[each.bit].name,
                        place=_place(source),
                        raw=_cut(raw),
                        value=_cut(value),
                        used=not used[n],
                    )
                )
                used[n] = True
    return found


def _is_there(batch: SpanBatch, source: Source) -> bool:
    attributes = batch.attributes if source.event is None else batch.events.attributes
    return source.key in attributes.key_names


def _alone(finder: Finder, name: str, source: FieldSource) -> Iterator[tuple[int, str]]:
    """Yield the spans in which a source says something, and what."""
    if name in _NUMBER_EVIDENCE:
        values, _ = finder.number((source,))
        for n in np.flatnonzero(np.isfinite(values)).tolist():
            yield n, f"{values[n]:.17g}" if name in COUNT_FIELDS else repr(float(values[n]))
    else:
        for n, value in enumerate(finder.text(name, (source,)).to_pylist()):
            if value is not None:
                yield n, value


def _first_texts(attributes: Attributes) -> list[dict[str, str]]:
    """Return each owner's values by key; of a key that occurs twice the first."""
    found: list[dict[str, str]] = [{} for _ in range(len(attributes))]
    entries = zip(
        attributes.owners.tolist(),
        attributes.codes.tolist(),
        attributes.text.to_pylist(),
        strict=True,
    )
    for owner, code, text in entries:
        if text:
            found[owner].setdefault(attributes.key_names[code], text)
    return found


def _place(source: Source) -> str:
    if source.resource is not None:
        return f"resource {source.resource}"
    if source.span_name is not None:
        return f"span name {source.span_name}"
    if source.event is not None:
        return f"event {source.event}" + (f": {source.key}" if source.key else "")
    return (source.key or "") + (f" at {' or '.join(source.path)}" if source.path else "")


def _cut(text: str) -> str:
    return text if len(text) <= _CHARS_MAX else f"{text[: _CHARS_MAX - 1]}…"
