"""Search in prompts and answers: ids by the text index first, then the texts of the rows shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clickhouse.conditions import where
from clickhouse.reads.lists import TOKENS_SQL, ListAsked
from clickhouse.reads.pages import behind, marked
from clickhouse.reads.session import Session, named_sql
from exporter.spans.condition import EVERY_SPAN

_KEYS = ("TraceId", "SpanId")
# More characters than any text has (setting content_max_chars).
_WHOLE = 2**31


@dataclass(frozen=True, slots=True)
class Wanted:
    """Words and phrases in lower case; a text has all of them. There is a word at least."""

    words: tuple[str, ...]
    phrases: tuple[str, ...] = ()

    @property
    def needles(self) -> list[str]:
        """What is shown of a text is around the first of these."""
        return [*self.phrases, *self.words]


def prompts(session: Session, asked: ListAsked, wanted: Wanted) -> list[dict[str, Any]]:
    """Return StartNs, TraceId, SpanId, InputFound and OutputFound of spans, the latest first."""
    clause = where(asked.condition)
    chosen = marked(named_sql("chosen_spans"), condition=clause.sql)
    after, values = behind(asked.after, "StartNs", _KEYS)
    sql = marked(
        named_sql("prompts"),
        chosen="1" if asked.condition == EVERY_SPAN else chosen,
        after=after,
    )
    parameters = {
        "start_ns": asked.start_ns,
        "end_ns": asked.end_ns,
        "limit": asked.limit,
        "words": list(wanted.words),
        "phrases": list(wanted.phrases),
        **clause.parameters,
        **values,
    }
    return session.table(sql, parameters).to_pylist()


def texts(
    session: Session,
    asked: ListAsked,
    ids: Sequence[tuple[str, str]],
    wanted: Wanted,
    *,
    chars: int | None,
) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the texts of spans and their figures: `chars` characters around the first word.

    Without `chars` the whole texts.
    """
    sql = marked(named_sql("prompt_texts"), tokens=TOKENS_SQL)
    parameters = {
        "start_ns": asked.start_ns,
        "end_ns": asked.end_ns,
        "limit": asked.limit,
        "ids": list(ids),
        "needles": wanted.needles,
        "chars": _WHOLE if chars is None else chars,
        "before": -1 if chars is None else chars // 3,
    }
    found = session.table(sql, parameters).to_pylist()
    return {(row["TraceId"], row["SpanId"]): row for row in found}
