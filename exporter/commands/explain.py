"""The command `llm-observatory explain`: ask the running service, else the store itself."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from clickhouse.reads.session import ReadPool
from exporter.cancellation import Cancellation
from exporter.commands.options import ApiUrl, Config
from exporter.errors import ConfigurationError
from exporter.genai.convention import load as load_conventions
from exporter.genai.prices.book import PriceBook
from exporter.genai.prices.price_file import load_overrides
from exporter.query.explain import Explainer
from exporter.query.explanation import Cost, Evidence, Line, SpanExplanation, TraceExplanation
from exporter.questions.explain import ExplainQuestions
from exporter.reach import NoAnswerError, NotStoredError, asked, get
from exporter.settings import Settings, load

_OK, _NOT_FOUND = 200, 404
_TRACE_ID_DIGITS = 32


def explain(
    trace_id: Annotated[str, typer.Argument(help="The trace, 32 hex digits.")],
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, as the API gives it.")
    ] = False,
    api_url: ApiUrl = None,
    config: Config = None,
) -> None:
    """Say for each span of a trace where its usage and cost come from."""
    wanted = trace_id.strip().lower()
    if len(wanted) != _TRACE_ID_DIGITS or set(wanted) - set("0123456789abcdef"):
        raise ConfigurationError(f"{trace_id}: a trace id is 32 hex digits")
    settings = load(config)
    found = asked(
        settings,
        api_url,
        lambda url: _asked(url, wanted),
        lambda pool: _read(pool, wanted, settings),
    )
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        console = Console(highlight=False, soft_wrap=True)
        for line in _lines(found):
            console.print(line)


# Who knows ----------------------------------------------------------------------------------------


def _asked(url: str, trace_id: str) -> TraceExplanation:
    reply = get(f"{url}/api/explain/{trace_id}")
    if reply.status == _OK:
        try:
            return TraceExplanation.model_validate_json(reply.body)
        except ValidationError as error:
            raise NoAnswerError("what answers is no LLM Observatory") from error
    if reply.status == _NOT_FOUND and trace_id not in reply.detail:
        raise NoAnswerError("what answers is no LLM Observatory, or an older one")
    raise ConfigurationError(f"{url}: {reply.detail}")


def _read(pool: ReadPool, trace_id: str, settings: Settings) -> TraceExplanation:
    overrides = load_overrides(settings.prices_file) if settings.prices_file else ()
    explainer = Explainer(load_conventions(), PriceBook(overrides), settings.cost_source)
    found = ExplainQuestions(pool, explainer).explain(trace_id, Cancellation())
    if found is None:
        raise NotStoredError(f"no spans of trace {trace_id} are stored")
    return found


# What is shown ------------------------------------------------------------------------------------


def _lines(trace: TraceExplanation) -> Iterator[Text]:
    calls = "1 span" if trace.counted_calls == 1 else f"{trace.counted_calls} spans"
    stored = "" if trace.stored_usd == trace.counted_usd else f" (stored: {_usd(trace.stored_usd)})"
    yield Text(
        f"trace {trace.trace_id}: {calls} counted, {_usd(trace.counted_usd)}{stored}", "bold"
    )
    for span, depth in _by_parent(trace.spans):
        indent = "  " * depth
        yield Text(f"\n{indent}{_clean(_title(span))}", "bold" if span.is_counted else "")
        for name, text in _facts(span):
            style = "yellow" if name == "stored otherwise" else ""
            yield Text(f"{indent}  {name:<18}  {_clean(text)}", style)


def _by_parent(spans: list[SpanExplanation]) -> Iterator[tuple[SpanExplanation, int]]:
    """Yield every span once below its parent, with its depth; loops are cut open."""
    ids = {span.span_id for span in spans}
    below: dict[str, list[int]] = {}
    roots: list[int] = []
    for position, span in enumerate(spans):
        if span.parent_span_id in ids and span.parent_span_id != span.span_id:
            below.setdefault(span.parent_span_id, []).append(position)
        else:
            roots.append(position)
    seen: set[int] = set()
    for start in (*roots, *range(len(spans))):
        stack = [(start, 0)]
        while stack:
            position, depth = stack.pop()
            if position in seen:
                continue
            seen.add(position)
            yield spans[position], min(depth, 20)
            children = below.get(spans[position].span_id, ())
            stack += [(child, depth + 1) for child in reversed(children)]


def _title(span: SpanExplanation) -> str:
    what = f"{span.span_class}: {span.operation}" if span.span_class else "no GenAI span"
    where = ", ".join(filter(None, [span.service, span.scope]))
    return f"{span.name}  [{what}]  {span.duration_ns / 1e6:,.0f} ms  {span.span_id}  {where}"


def _facts(span: SpanExplanation) -> Iterator[tuple[str, str]]:
    if span.convention:
        yield "convention", span.convention
    unused = [e for e in span.evidence if not e.used]
    for each in span.evidence:
        if each.used:
            yield each.field, _source(each, [e for e in unused if e.field == each.field])
    for reading in span.readings:
        verb = "includes" if reading.included else "leaves out"
        yield reading.total, f"{verb} {reading.parts}: {reading.because}"
    if span.usage_source:
        parts = " + ".join(f"{kind} {n:,}" for kind, n in span.tokens.items())
        total = f"{parts} = {sum(span.tokens.values()):,}" if parts else "none"
        yield "tokens", f"{total} ({span.usage_source})"
    if span.usage_role:
        counted = "counted" if span.is_counted else "not counted"
        yield "role", f"{span.usage_role}, {counted}: {span.usage_because}"
    if span.cost:
        yield from _cost_facts(span.cost)
    for difference in span.differences:
        note = f" ({difference.note})" if difference.note else ""
        then, now = difference.stored or "-", difference.today or "-"
        yield "stored otherwise", f"{difference.column}: {then}, today {now}{note}"


def _source(used: Evidence, others: list[Evidence]) -> str:
    said = "" if used.raw == used.value else f' = "{used.raw}"'
    text = f"{used.value}  from {used.place}{said} ({used.convention})"
    more = "; ".join(f"{e.place} says {e.value}" for e in others if e.value != used.value)
    return f"{text}; not used: {more}" if more else text


def _cost_facts(cost: Cost) -> Iterator[tuple[str, str]]:
    if (card := cost.card) is not None:
        since = f", price since {card.since}" if card.since else ""
        tier = f", service tier {card.service_tier}" if card.service_tier else ""
        yield "rate card", f"{card.price_id} of {card.price_version}{since}{tier}"
    for line in cost.lines:
        yield f"  {line.kind}", _multiplication(line)
    if cost.computed_usd is not None and cost.source != "computed":
        yield "computed", _usd(cost.computed_usd)
    if cost.reported_usd is not None:
        what = "a gateway's charge" if cost.reported_is_charge else "an estimate by an SDK"
        yield "reported", f"{_usd(cost.reported_usd)}, {what}"
    reason = f"unpriced ({cost.unpriced_reason})" if cost.unpriced_reason else "none"
    shown = reason if cost.usd is None else f"{_usd(cost.usd)}, {cost.source}"
    yield "cost", f"{shown}: {cost.because}"


def _multiplication(line: Line) -> str:
    if line.tokens is None:
        return f"for the call itself = {_usd(line.cost_usd or Decimal(0))}"
    if line.usd_per_million is None or line.cost_usd is None:
        return f"{line.tokens:,} tokens, the card has no rate for them"
    above = f" (above {line.above_input_tokens:,} input tokens)" if line.above_input_tokens else ""
    rate = f"${line.usd_per_million.normalize():f}"
    return f"{line.tokens:,} x {rate} / 1,000,000{above} = {_usd(line.cost_usd)}"


def _usd(amount: Decimal) -> str:
    return f"${amount.normalize():f}"


def _clean(text: str) -> str:
    """Return text that steers no terminal: names and values come from whoever sends spans."""
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )
