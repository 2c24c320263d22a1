"""The data API of a running service: what it answers, in which forms, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from exporter.query.dimensions import DIMENSIONS
from tests.support.otlp import ERROR, NS, event, key_values, request
from tests.support.service import Answer, Service, http, recent_call, running_service

SECRET = "swordfish"
EVIL = '=HYPERLINK("http://evil.example")'
TRACES = 30
# Many traces of the same cost, tokens and errors, so that every order has ties.
FIRST = f"{1:032x}"


def prompt(text: str) -> str:
    return json.dumps([{"role": "user", "parts": [{"type": "text", "content": text}]}])


def sent() -> Iterator[Span]:
    """Return an agent that calls a model and a tool, and many traces alike."""
    agent = recent_call(
        {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "helper"}, number=1, name="a"
    )
    yield agent
    start = agent.start_time_unix_nano
    question = prompt(f"Please refund my credit card, the word is {SECRET}. {'x ' * 2000}")
    yield recent_call(
        {"gen_ai.input.messages": question, "gen_ai.usage.cache_read.input_tokens": 40},
        number=2,
        parent=1,
        start_ns=start + NS // 10,
        duration_ns=NS // 2,
        events=[event("e", {"k": 1}, at_ns=start + 5)],
        links=[
            Span.Link(trace_id=b"\1" * 16, span_id=b"\2" * 8, attributes=key_values({"a": 1.5}))
        ],
    )
    for number in range(2, TRACES + 1):
        yield recent_call(
            {
                "gen_ai.request.model": "gpt-4o-mini",
                "error.type": "RateLimitError",
                "user.id": EVIL,
            },
            trace=number,
            status=ERROR,
        )


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("data")) as running:
        spans = list(sent())
        assert running.export(request(*spans)).status == 200
        running.wait_until_stored(len(spans))
        yield running


def get(service: Service, path: str, accept: str = "", **parameters: Any) -> Answer:
    query = urlencode(parameters)
    headers = {"Accept": accept} if accept else {}
    return http(f"{service.endpoints.api}/api/{path}?{query}", headers=headers)


def rows(service: Service, path: str, **parameters: Any) -> list[dict[str, Any]]:
    answer = get(service, path, **parameters)
    assert answer.status == 200, answer
    return answer.json["rows"]


LISTS = [
    "summary",
    "models",
    "costs?by=model,user_id&step=1m",
    "traces",
    "errors",
    "prompts?search=refund",
    "dimensions",
    "dimensions/model",
    "costs/sankey?by=model,feature,user_id",
    "costs/treemap",
    "costs/changes",
    f"traces/{FIRST}/spans",
]


def split(path: str) -> tuple[str, dict[str, str]]:
    path, _, query = path.partition("?")
    return path, dict(pair.split("=") for pair in query.split("&") if pair)


@pytest.mark.parametrize("path", LISTS)
def test_csv_has_the_fields_and_the_rows_of_the_json(service: Service, path: str) -> None:
    name, parameters = split(path)
    # The same time for both, so that rates agree.
    if not name.startswith("traces/"):
        parameters |= {"from": "now/d", "to": "now/d"}
    answer = get(service, name, **parameters)
    assert answer.status == 200, answer
    assert answer.media == "application/json"
    exact = json.loads(answer.body, parse_float=str, parse_int=str)["rows"]
    assert exact
    for form in ({"format": "csv"}, {"accept": "text/csv"}):
        table = get(service, name, **(parameters | form))
        assert table.media == "text/csv"
        read = list(csv.DictReader(io.StringIO(table.body.decode(), newline="")))
        assert [list(row) for row in read] == [list(row) for row in exact]
        for row, wanted in zip(read, exact, strict=True):
            for field, value in wanted.items():
                if isinstance(value, str):
                    assert row[field].removeprefix("'") == value
                elif value is None:
                    assert not row[field]


@pytest.mark.parametrize("path", LISTS)
def test_prompts_are_nowhere_but_where_they_are_searched(service: Service, path: str) -> None:
    name, parameters = split(path)
    found = SECRET in get(service, name, **parameters).body.decode()
    assert found == (name == "prompts")
    assert SECRET not in service.output


def test_money_is_printed_to_the_nano_dollar_as_a_number(service: Service) -> None:
    body = get(service, "models", query='{model="gpt-4o"}').body.decode()
    assert re.search(r'"cost_usd":0\.000400000[,}]', body)


def test_the_figures_agree_with_what_was_sent(service: Service) -> None:
    [summary] = rows(service, "summary")
    assert (summary["requests"], summary["errors"]) == (TRACES, TRACES - 1)
    # gpt-4o: 60 + 40 cached + 20 tokens; each gpt-4o-mini: 100 + 20.
    assert Decimal(str(summary["cost_usd"])) == Decimal("0.0004") + 29 * Decimal("0.000027")
    assert summary["tokens_total"] == TRACES * 120
    models = rows(service, "models", order="requests")
    assert [(row["model"], row["requests"]) for row in models] == [
        ("gpt-4o-mini", TRACES - 1),
        ("gpt-4o", 1),
    ]
    [error] = rows(service, "errors")
    assert (error["outcome"], error["count"], len(error["trace_ids"])) == ("rate_limited", 29, 3)
    assert rows(service, "traces", order="cost")[0]["trace_id"] == FIRST
    users = rows(service, "dimensions/user_id")
    assert users == [{"value": EVIL, "spans": TRACES - 1}]


def test_a_cell_that_a_sender_made_a_formula_is_text_in_csv(service: Service) -> None:
    table = get(service, "costs", by="user_id", format="csv").body.decode()
    cells = {row["user_id"] for row in csv.DictReader(io.StringIO(table, newline=""))}
    assert cells == {"", f"'{EVIL}"}


PAGED = [
    ("traces", {"order": "cost"}),
    ("traces", {"order": "duration"}),
    ("traces", {"order": "tokens"}),
    ("traces", {"order": "errors"}),
    ("traces", {"order": "time"}),
    ("traces", {"query": '{model="gpt-4o-mini"}'}),
    ("costs", {"by": "user_id,model"}),
    ("costs", {"by": "user_id,model", "step": "1m"}),
    ("models", {}),
    ("dimensions/model", {}),
    (f"traces/{FIRST}/spans", {}),
    ("prompts", {"search": "refund"}),
]


@pytest.mark.parametrize(("path", "parameters"), PAGED)
@pytest.mark.parametrize("limit", [1, 7])
def test_pages_give_every_row_once_even_where_many_are_equal(
    service: Service, path: str, parameters: dict[str, str], limit: int
) -> None:
    key = "trace_id" if path == "traces" else None
    paged: list[Any] = []
    cursor = ""
    while cursor is not None:
        answer = get(service, path, **parameters, limit=limit, cursor=cursor)
        assert answer.status == 200, answer
        assert len(answer.json["rows"]) <= limit
        paged += answer.json["rows"]
        cursor = answer.json["next"]
    whole = rows(service, path, **(parameters | {"limit": 1000}))
    if key:
        assert [row[key] for row in paged] == [row[key] for row in whole]
        assert len({row[key] for row in paged}) == len(paged)
    else:
        assert len(paged) == len(whole)
        assert len({json.dumps(row) for row in paged}) == len(paged)


def test_csv_says_where_the_next_page_is(service: Service) -> None:
    table = get(service, "traces", limit=7, format="csv")
    link = re.fullmatch(r'<(.*)>; rel="next"', table.headers["link"])
    assert link is not None
    following = http(link[1])
    assert following.media == "text/csv"
    assert set(following.body.splitlines()[1:]).isdisjoint(table.body.splitlines()[1:])


def test_a_cursor_serves_only_the_question_that_it_came_from(service: Service) -> None:
    cursor = get(service, "traces", limit=1).json["next"]
    for path, parameters in (
        ("traces", {"order": "time"}),
        ("traces", {"query": '{model="gpt-4o"}'}),
        ("models", {}),
    ):
        refused = get(service, path, cursor=cursor, **parameters)
        assert refused.status == 400
        assert "does not belong to this question" in refused.json["detail"]


def test_a_trace_is_drawn_with_the_figures_that_count(service: Service) -> None:
    agent, call = rows(service, f"traces/{FIRST}/spans")
    assert [(agent["depth"], agent["name"]), (call["depth"], call["name"])] == [
        (0, "a"),
        (1, "chat gpt-4o"),
    ]
    assert call["offset_s"] == 0.1
    assert (agent["critical_s"], call["critical_s"]) == (0.5, 0.5)
    assert (agent["cost_usd"], call["cost_usd"]) == (None, 0.0004)


def test_a_trace_that_is_handed_over_can_be_imported_and_is_the_same(
    service: Service, tmp_path: Path
) -> None:
    exported = get(service, f"traces/{FIRST}/otlp")
    assert exported.status == 200, exported
    [resource] = exported.json["resourceSpans"]
    spans = resource["scopeSpans"][0]["spans"]
    assert {span["traceId"] for span in spans} == {FIRST}
    assert spans[1]["links"][0]["traceId"] == "01" * 16
    assert isinstance(spans[0]["startTimeUnixNano"], str)
    with running_service(tmp_path / "other") as other:
        assert other.export(exported.body, "application/json").status == 200
        other.wait_until_stored(2)
        again = get(other, f"traces/{FIRST}/otlp")
        assert again.json == exported.json
        figures = ("requests", "cost_usd", "tokens_total")
        [there] = rows(other, "summary")
        [here] = rows(service, "summary", query=f'{{trace_id="{FIRST}"}}')
        assert [there[name] for name in figures] == [here[name] for name in figures]
    without = get(service, f"traces/{FIRST}/otlp", content="false").body.decode()
    assert SECRET in exported.body.decode()
    assert SECRET not in without


def test_a_found_prompt_is_a_snippet_around_the_words_unless_all_is_asked_for(
    service: Service,
) -> None:
    [found] = rows(service, "prompts", search='REFUND "credit card"', snippet_chars=60)
    assert len(found["input"]) == 60
    assert found["input_chars"] > 4000
    shown = [found["input"][start:end] for start, end in found["input_highlights"]]
    assert shown == ["refund", "credit card"]
    assert (found["cost_usd"], found["tokens_total"]) == (0.0004, 120)
    [whole] = rows(service, "prompts", search="refund", content="true")
    assert len(whole["input"]) == whole["input_chars"] == found["input_chars"]
    assert not rows(service, "prompts", search="refunds")
    assert not rows(service, "prompts", search="refund", query='{model="gpt-4o-mini"}')
    assert rows(service, "prompts", search="refund", query='{model="gpt-4o"}')


REFUSED = [
    ("summary", {"from": "yesterday"}, "from: 'yesterday' is no time: write now-1h"),
    ("summary", {"from": "now", "to": "now-1h"}, "from must be before to"),
    ("summary", {"query": "{model=}"}, "quoted text is expected"),
    ("summary", {"query": '{modle="x"}'}, "unknown label modle"),
    ("summary", {"query": '{model=~"("}'}, "pattern"),
    ("summary", {"source": "clickhouse"}, "source: "),
    ("summary", {"form": "csv"}, "form: no such parameter"),
    ("summary", {"format": "xml"}, "format: "),
    ("costs", {"by": "modle"}, "no such dimension: 'modle'; there are service_name"),
    ("costs", {"by": "model,model"}, "a dimension is named twice"),
    ("costs", {"by": ",".join(list(DIMENSIONS)[:7])}, "at most 6 dimensions"),
    ("costs", {"step": "soon"}, "step: write a length"),
    ("costs", {"step": "1s", "from": "now-7d"}, "more than 11,000 steps"),
    ("costs", {"by": "user_id", "source": "rollup"}, "leave out source=rollup"),
    ("costs", {"limit": "0"}, "limit: "),
    ("costs", {"limit": "1000000"}, "limit: "),
    ("costs", {"limit": "ten"}, "limit: "),
    ("costs", {"cursor": "nonsense"}, "ask for the first page without a cursor"),
    ("costs/sankey", {"by": "model"}, "two to four dimensions"),
    ("costs/treemap", {"by": ""}, "name a dimension"),
    ("dimensions/colour", {}, "no such dimension: 'colour'"),
    ("traces", {"order": "beauty"}, "order: "),
    ("traces/123/spans", {}, "a trace id is 32 hex digits"),
    ("traces/123/otlp", {}, "a trace id is 32 hex digits"),
    ("prompts", {}, "search: Field required"),
    ("prompts", {"search": "?"}, "write words"),
]


@pytest.mark.parametrize(("path", "parameters", "message"), REFUSED)
def test_a_wrong_question_is_refused_with_what_to_do(
    service: Service, path: str, parameters: dict[str, str], message: str
) -> None:
    answer = get(service, path, **parameters)
    assert answer.status == 400, answer
    assert re.search(message, answer.json["detail"]), answer.json
    assert list(answer.json) == ["detail"]


@pytest.mark.parametrize("what", ["spans", "otlp"])
def test_an_unknown_trace_is_not_found(service: Service, what: str) -> None:
    assert get(service, f"traces/{'f' * 32}/{what}").status == 404


def test_a_pattern_and_text_of_a_selector_are_values_never_sql(service: Service) -> None:
    for text in ("' OR 1=1 --", "{x:String}", "/* condition */", "\\", "%", "\\\\'"):
        quoted = json.dumps(text)
        assert rows(service, "models", query=f"{{model={quoted}}}") == []
        assert rows(service, "prompts", search=f"refund {text} zebra") == []
        assert rows(service, "dimensions/model", search=text) == []


def test_every_answer_and_refusal_is_documented(service: Service) -> None:
    described = http(f"{service.endpoints.api}/openapi.json").json
    paths = {path: item["get"] for path, item in described["paths"].items() if "get" in item}
    schemas = described["components"]["schemas"]
    for path in LISTS:
        name = f"/api/{path.partition('?')[0].replace(FIRST, '{trace_id}')}"
        name = name.replace("dimensions/model", "dimensions/{name}")
        operation = paths[name]
        assert operation["description"]
        assert {"200", "400", "413", "429", "503"} <= operation["responses"].keys()
        assert all(p.get("description") for p in operation["parameters"] if p["in"] == "query")
        content = operation["responses"]["200"]["content"]
        assert content.keys() == {"application/json", "text/csv"}
        answer = schemas[content["application/json"]["schema"]["$ref"].rpartition("/")[2]]
        row = schemas[answer["properties"]["rows"]["items"]["$ref"].rpartition("/")[2]]
        path_only, parameters = split(path)
        for shown in rows(service, path_only, **parameters):
            undocumented = shown.keys() - row["properties"].keys()
            extra = "additionalProperties" in row
            assert not undocumented or extra, undocumented
            assert set(row["required"]) <= shown.keys()
