"""The query API: each protocol's routes, with whoever answers them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from fastapi import APIRouter

from clickhouse.reads.session import ReadPool
from exporter.api.data.flamegraph import flamegraph_router
from exporter.api.data.lists import ListAnswers, lists_router
from exporter.api.data.pictures import PictureAnswers, pictures_router
from exporter.api.data.traces import TraceAnswers, traces_router
from exporter.api.data.usage import UsageAnswers, usage_router
from exporter.api.explain import explain_router
from exporter.api.pyroscope.router import pyroscope_router
from exporter.api.report import report_router
from exporter.api.tempo.router import TempoQuestions, tempo_router
from exporter.budgets import BudgetWatch, Reading
from exporter.genai.convention import load as load_conventions
from exporter.genai.normalise import Normaliser
from exporter.query.explain import Explainer
from exporter.query.report.digest import BudgetLine
from exporter.questions.explain import ExplainQuestions
from exporter.questions.kept import Kept
from exporter.questions.lists import ListQuestions
from exporter.questions.profiles import ProfileLimits, ProfileQuestions
from exporter.questions.report import ReportQuestions
from exporter.questions.search import SearchQuestions
from exporter.questions.series import SeriesQuestions
from exporter.questions.tags import TagQuestions
from exporter.questions.traces import TraceQuestions
from exporter.questions.usage import UsageQuestions
from exporter.settings import Settings


def routers(
    settings: Settings, reads: ReadPool, explainer: Explainer, reports: ReportQuestions
) -> Iterator[APIRouter]:
    """Yield the routes of every protocol. A new protocol is a line here."""
    profiles = profile_questions(settings, reads)
    yield explain_router(ExplainQuestions(reads, explainer).explain)
    yield pyroscope_router(profiles, nodes_max=settings.flame_nodes_max)
    yield flamegraph_router(profiles.flame_graph)
    yield _tempo(reads)
    yield report_router(reports.digest)
    yield from _data(settings, reads)


def profile_questions(settings: Settings, reads: ReadPool) -> ProfileQuestions:
    """Return who makes flame graphs."""
    limits = ProfileLimits(
        spans_max=settings.flame_spans_max, minutes_days=settings.minutes_retention_days
    )
    return ProfileQuestions(reads, limits)


def report_questions(
    settings: Settings, reads: ReadPool, budgets: BudgetWatch | None = None
) -> ReportQuestions:
    """Return who makes reports; without `budgets` they say nothing of them."""
    kept = _kept(settings)
    usage, lists = UsageQuestions(reads, kept), ListQuestions(reads, kept)
    if budgets is None:
        return ReportQuestions(usage, lists)
    return ReportQuestions(usage, lists, lambda: [_line(each) for each in budgets.readings])


def _line(reading: Reading) -> BudgetLine:
    budget = reading.budget
    return BudgetLine(
        name=budget.name,
        period=budget.period,
        amount_usd=budget.amount_usd,
        spent_usd=reading.spent_usd,
    )


def _kept(settings: Settings) -> Kept:
    return Kept.of(
        spans=settings.spans_retention_days,
        content=settings.content_retention_days,
        minutes=settings.minutes_retention_days,
        hours=settings.hours_retention_days,
    )


def _tempo(reads: ReadPool) -> APIRouter:
    is_content = Normaliser(load_conventions()).is_content
    tags = TagQuestions(reads, is_content)
    return tempo_router(
        TempoQuestions(
            trace=TraceQuestions(reads).viewed,
            search=SearchQuestions(reads, is_content).search,
            series=SeriesQuestions(reads, is_content).series,
            keys=tags.keys,
            values=tags.values,
        )
    )


def _data(settings: Settings, reads: ReadPool) -> Iterator[APIRouter]:
    kept = _kept(settings)
    usage, lists, traces = (
        UsageQuestions(reads, kept),
        ListQuestions(reads, kept),
        TraceQuestions(reads),
    )
    yield usage_router(UsageAnswers(usage.summary, usage.models, usage.groups))
    yield lists_router(
        ListAnswers(lists.traces, lists.errors, lists.values, lists.dimensions, lists.prompts)
    )
    yield traces_router(
        TraceAnswers(
            traces.spans, partial(traces.otlp, content=True), partial(traces.otlp, content=False)
        )
    )
    yield pictures_router(PictureAnswers(usage.sankey, usage.treemap, usage.changes))
