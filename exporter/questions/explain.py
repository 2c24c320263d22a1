"""How each span of a trace became what it is counted as."""

from __future__ import annotations

from clickhouse.reads.session import ReadPool
from clickhouse.reads.traces import trace
from exporter.cancellation import Cancellation
from exporter.query.explain import Explainer
from exporter.query.explanation import TraceExplanation


class ExplainQuestions:
    """Explains traces that are stored."""

    def __init__(self, pool: ReadPool, explainer: Explainer) -> None:
        self._pool = pool
        self._explainer = explainer

    def explain(self, trace_id: str, cancellation: Cancellation) -> TraceExplanation | None:
        """Return the explanation of a trace, None when it is not stored."""
        with self._pool.session(cancellation) as session:
            table = trace(session, trace_id, self._explainer.content_keys)
        return None if table is None else self._explainer(table)
