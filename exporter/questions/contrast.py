"""How some spans differ from the others (`| compare({...})`), as Tempo's series say it.

Each attribute has a series for each of its top values on each side, `baseline` and `selection`, and
one for all of its values, whose label is nil: `baseline_total` and `selection_total`. A series
without samples says that an attribute has more values than are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from clickhouse.conditions import Beyond
from clickhouse.reads import contrast as reads
from clickhouse.reads.series import Steps
from clickhouse.reads.session import Session
from exporter.errors import WrongQueryError
from exporter.query.search import Series
from exporter.query.traceql.ast import Contrast, Filter
from exporter.query.traceql.evaluate import Shown
from exporter.query.traceql.fields import COMPARED

SAMPLES_MAX = 200_000
"""Samples of all series of an answer."""
_META_TYPE = "__meta_type"
_META_ERROR = "__meta_error"
_TOO_MANY_VALUES = "__too_many_values__"
_NIL: Shown = (None, "")


def contrast(  # noqa: PLR0913, PLR0917 - each is one part of the question
    session: Session,
    spans: Filter,
    asked: Contrast,
    steps: Steps,
    is_content: Callable[[str], bool],
    once: bool,  # noqa: FBT001
) -> list[Series]:
    """Return the series; raise WrongQueryError where they have too many samples."""
    question = reads.Asked(
        condition=spans.condition,
        selection=asked.selection,
        fields=COMPARED,
        beyond=Beyond(is_content, steps.start_ns, steps.end_ns),
        top=asked.top,
        once=once,
    )
    found = reads.attributes(session, question, steps)
    series = sum(1 + len(each.top) for each in found)
    if series * steps.count > SAMPLES_MAX:
        raise WrongQueryError(
            f"the answer has more than {SAMPLES_MAX} samples: ask for longer steps or fewer values"
        )
    too_many = sorted({each.name for each in found if each.different > asked.top})
    return [
        *(one for each in found for one in _of_side(each, steps)),
        *(_of(_META_ERROR, _TOO_MANY_VALUES, name, _NIL) for name in too_many),
    ]


def _of_side(found: reads.Attribute, steps: Steps) -> Iterator[Series]:
    side = "selection" if found.selected else "baseline"
    for value in found.top:
        samples = _samples(value.spans, steps)
        yield _of(_META_TYPE, side, found.name, (value.text, value.kind), samples)
    yield _of(_META_TYPE, f"{side}_total", found.name, _NIL, _samples(found.spans, steps))


def _of(
    label: str, said: str, name: str, value: Shown, samples: tuple[tuple[int, float], ...] = ()
) -> Series:
    return Series(labels=((label, (said, "")), (name, value)), samples=samples)


def _samples(spans: dict[int, int], steps: Steps) -> tuple[tuple[int, float], ...]:
    return tuple(
        (steps.start_ns + step * steps.step_ns, float(spans.get(step, 0)))
        for step in range(steps.count)
    )
