"""The Tempo API, asked as Grafana's data source asks it, of a running service."""

import socket
import time
from base64 import b64encode
from contextlib import closing
from itertools import pairwise
from typing import Any
from urllib.parse import quote, urlencode

import clickhouse_connect
import pytest
from google.protobuf.internal.decoder import _DecodeVarint
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

from exporter.query.search import ROOT_NOT_YET_RECEIVED
from exporter.query.stored_spans import PROFILE_ID
from tests.support.otlp import ERROR, NS, any_value, event, request, span
from tests.support.prometheus import wait_until
from tests.support.service import WAIT_TIMEOUT_S, Answer, Service, http, recent_call

PROTOBUF = {"Accept": "application/protobuf"}
TRACE, RUNNING, OTHER = 0xA1, 0xB2, 0xC3


class Tempo:
    """The API of one service, with the traces of these tests in it."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.url = f"{service.endpoints.api}/tempo"
        self.start_ns = time.time_ns() - 60 * NS

    def get(self, path: str, headers: dict[str, str] | None = None, **asked: Any) -> Answer:
        query = f"?{urlencode(asked)}" if asked else ""
        return http(f"{self.url}{path}{query}", headers=headers or {})

    def search(self, q: str, **asked: Any) -> list[dict[str, Any]]:
        answer = self.get("/api/search", q=q, **asked)
        assert answer.status == 200, answer.body.decode()
        return answer.json["traces"]

    def found(self, q: str) -> set[str]:
        return {one["traceID"].lstrip("0") for one in self.search(q)}

    def names(self, q: str) -> list[str]:
        traces = self.search(q, spss=100)
        return sorted(s["name"] for t in traces for one in t["spanSets"] for s in one["spans"])

    def series(self, q: str, path: str = "/api/metrics/query_range", **asked: Any) -> Any:
        times = {"start": self.start_ns // NS - 30, "end": self.start_ns // NS + 60}
        answer = self.get(path, q=q, **(times | asked))
        assert answer.status == 200, answer.body.decode()
        return answer.json["series"]


def spans_of(tempo: Tempo) -> list[bytes]:
    """A finished trace of two services, one that still runs, and one of something else."""
    at = tempo.start_ns
    shop = [
        span({"http.route": "/chat", "http.response.status_code": 500, "ratio": 0.5, "hot": True},
             trace=TRACE, number=1, name="POST /chat", start_ns=at, duration_ns=4 * NS,
             kind=Span.SPAN_KIND_SERVER, status=ERROR),
        span({"it's": "odd", "step": 1}, trace=TRACE, number=2, parent=1, name="plan",
             start_ns=at + NS, duration_ns=NS),
        recent_call({"retries": 2}, trace=TRACE, number=3, parent=2, start_ns=at + NS,
                    duration_ns=NS // 2,
                    events=[event("retry", {"reason": "busy"}, at_ns=at + NS)]),
    ]  # fmt: skip
    search = [
        span({"db.rows": 7}, trace=TRACE, number=4, parent=1, name="find", start_ns=at + 2 * NS,
             duration_ns=NS, kind=Span.SPAN_KIND_CLIENT),
    ]  # fmt: skip
    running = [
        span(trace=RUNNING, number=6, parent=5, name="plan", start_ns=at + 5 * NS, duration_ns=NS)
    ]
    other = [span(trace=OTHER, number=9, name="nightly", start_ns=at - 20 * NS, duration_ns=9 * NS)]
    return [
        request(*shop, resource={"service.name": "shop", "service.version": "1.4"}, scope="lib"),
        request(*search, resource={"service.name": "search"}),
        request(*running, resource={"service.name": "shop"}),
        request(*other, resource={"service.name": "batch"}),
        # A client that sends again what it had sent.
        request(*search, resource={"service.name": "search"}),
    ]


@pytest.fixture(scope="module")
def tempo(service: Service) -> Tempo:
    api = Tempo(service)
    for body in spans_of(api):
        assert service.export(body).status == 200
    service.wait_until_stored(7)
    return api


def test_the_test_button_is_green(tempo: Tempo):
    assert tempo.get("/api/echo").body == b"echo"
    assert tempo.get("/api/status/buildinfo").json["version"]


# Search ---------------------------------------------------------------------------------------

T, R, N = "a1", "b2", "c3"


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        pytest.param("", {T, R, N}, id="nothing said"),
        pytest.param("{}", {T, R, N}, id="every span"),
        pytest.param('{resource.service.name="shop"}', {T, R}, id="service"),
        pytest.param('{resource.service.version="1.4"}', {T}, id="resource"),
        pytest.param("{span.http.response.status_code>=500}", {T}, id="int"),
        pytest.param("{span.http.response.status_code=500.0}", {T}, id="int as double"),
        pytest.param('{span.http.response.status_code="500"}', set(), id="int is no text"),
        pytest.param("{span.ratio<0.6 && .ratio>0.4}", {T}, id="double"),
        pytest.param("{span.hot}", {T}, id="true alone"),
        pytest.param("{span.hot=false}", set(), id="false"),
        pytest.param("{.\"it's\"=`odd`}", {T}, id="quoted key"),
        pytest.param('{.step != "x"}', {T}, id="unequal needs the attribute"),
        pytest.param("{.nobody != 1}", set(), id="unequal to what is not there"),
        pytest.param("{.nobody = nil && name=`nightly`}", {N}, id="nil"),
        pytest.param("{.db.rows != nil}", {T}, id="not nil"),
        pytest.param('{name=~"ni.*"}', {N}, id="pattern"),
        pytest.param('{name=~"ni"}', set(), id="a pattern is of the whole text"),
        pytest.param("{status=error}", {T}, id="status"),
        pytest.param("{kind=client && duration>=1s}", {T}, id="kind and duration"),
        pytest.param("{duration>8500ms}", {N}, id="duration"),
        pytest.param("{traceDuration>3.9s && traceDuration<5s}", {T}, id="trace duration"),
        pytest.param('{rootName="POST /chat" && name="find"}', {T}, id="root name"),
        pytest.param('{rootServiceName="batch"}', {N}, id="root service"),
        pytest.param("{nestedSetParent<0}", {T, N}, id="roots"),
        pytest.param("{nestedSetParent<0 && true}", {T, N}, id="as Drilldown asks"),
        pytest.param('{event:name="retry"}', {T}, id="event name"),
        pytest.param('{event.reason="busy"}', {T}, id="event attribute"),
        pytest.param('{instrumentation:name="lib"}', {T}, id="scope"),
        pytest.param('{trace:id="b2"}', {R}, id="trace id"),
        pytest.param('{span:id="9"}', {N}, id="span id"),
        pytest.param("{span.observatory.cost_usd>0}", {T}, id="cost"),
        pytest.param("{span.observatory.tokens.total=120}", {T}, id="tokens"),
        pytest.param('{!(resource.service.name="shop") && name!="find"}', {N}, id="not"),
        pytest.param('{name="plan"} && {name="find"}', {T}, id="both in a trace"),
        pytest.param('{name="find"} || {name="nightly"}', {T, N}, id="either"),
        pytest.param('{name="POST /chat"} > {name="plan"}', {T}, id="child"),
        pytest.param('{name="POST /chat"} > {span.retries=2}', set(), id="no child"),
        pytest.param('{name="POST /chat"} >> {span.retries=2}', {T}, id="descendant"),
        pytest.param("{span.retries=2} << {nestedSetParent<0}", {T}, id="ancestor"),
        pytest.param('{name="plan"} ~ {name="find"}', {T}, id="sibling"),
        pytest.param('{kind=server} !> {name="plan"}', {R}, id="no parent of this kind"),
        pytest.param("{} | count() > 3", {T}, id="count"),
        pytest.param("{} | avg(duration) > 8s", {N}, id="average"),
        pytest.param("{.step != nil} | max(.step) = 1", {T}, id="maximum of an attribute"),
        pytest.param('{name="plan"} with (most_recent=true)', {T, R}, id="hints"),
    ],
)  # fmt: skip
def test_a_query_finds_its_traces(tempo: Tempo, q: str, expected: set[str]):
    assert tempo.found(q) == expected


def test_a_trace_is_described_and_its_spans_are_counted(tempo: Tempo):
    (found,) = tempo.search('{.http.route="/chat"} || {name="find"}', spss=1)
    (one,) = found.pop("spanSets")
    assert found == {
        "traceID": "a1".zfill(32),
        "rootServiceName": "shop",
        "rootTraceName": "POST /chat",
        "startTimeUnixNano": str(tempo.start_ns),
        "durationMs": 4000,
        "serviceStats": {
            "shop": {"spanCount": 3, "errorCount": 1},
            "search": {"spanCount": 1, "errorCount": 0},
        },
    }
    assert one["matched"] == 2
    (shown,) = one["spans"]
    assert shown == {
        "spanID": "1".zfill(16),
        "name": "POST /chat",
        "startTimeUnixNano": str(tempo.start_ns),
        "durationNanos": str(4 * NS),
        "attributes": [{"key": "http.route", "value": {"stringValue": "/chat"}}],
    }


def test_a_trace_whose_root_has_not_come_is_marked(tempo: Tempo):
    (found,) = tempo.search('{trace:id="b2"}')
    assert (found["rootTraceName"], found["rootServiceName"]) == (ROOT_NOT_YET_RECEIVED, "shop")


def test_the_newest_come_first_and_no_more_than_asked_for(tempo: Tempo):
    assert [one["traceID"][-2:] for one in tempo.search("{}")] == [R, T, N]
    assert [one["traceID"][-2:] for one in tempo.search("{}", limit=2)] == [R, T]


def test_the_longest_or_dearest_come_first_if_asked(tempo: Tempo):
    assert [o["traceID"][-2:] for o in tempo.search("{} with (top=duration)")] == [N, T, R]
    assert tempo.search("{} with (top=cost)", limit=1)[0]["traceID"].endswith(T)


def test_only_what_is_in_the_time_is_found(tempo: Tempo):
    end = tempo.start_ns // NS - 2
    assert {t["traceID"][-2:] for t in tempo.search("{}", start=end - 60, end=end)} == {N}


def test_values_are_shown_with_their_types(tempo: Tempo):
    (found,) = tempo.search(
        "{nestedSetParent<0 && .hot} | select(span.ratio, .http.response.status_code, "
        "resource.service.name, status, kind, span.nobody)"
    )
    (shown,) = found["spanSets"][0]["spans"]
    assert {one["key"]: one["value"] for one in shown["attributes"]} == {
        "hot": {"boolValue": True},
        "ratio": {"doubleValue": 0.5},
        "http.response.status_code": {"intValue": "500"},
        "service.name": {"stringValue": "shop"},
        "status": {"stringValue": "error"},
        "kind": {"stringValue": "server"},
    }


def test_spans_are_grouped(tempo: Tempo):
    (found,) = tempo.search('{trace:id="a1"} | by(resource.service.name) | count() > 1')
    (one,) = found["spanSets"]
    label = {"key": "by(resource.service.name)", "value": {"stringValue": "shop"}}
    assert (one["matched"], one["attributes"]) == (3, [label])
    (found,) = tempo.search('{trace:id="a1"} | by(resource.service.name) | coalesce()', spss=9)
    assert len(found["spanSets"][0]["spans"]) == 4


def test_both_sides_of_a_relation_are_found(tempo: Tempo):
    assert tempo.names('{name="POST /chat"} &> {name="plan"}') == ["POST /chat", "plan"]
    assert tempo.names('{name="POST /chat"} > {name="plan"}') == ["plan"]


def test_prompts_are_searched(tempo: Tempo):
    call = recent_call({"gen_ai.input.messages": "Is the Blue Whale large?"}, trace=0xD4, number=77)
    before = tempo.service.metrics().value(
        "llm_observatory_rows_total", table="otel_traces", outcome="ok"
    )
    tempo.service.export(request(call))
    tempo.service.wait_until_stored(int(before) + 1)
    assert tempo.found('{span.gen_ai.input.messages=~".*Whale.*"}') == {"d4"}
    assert tempo.found('{span.gen_ai.input.messages=~".*Shark.*"}') == set()
    # Out of the way of the other tests' times.
    assert "d4" not in tempo.found('{name="POST /chat"}')


def test_the_older_search_is_answered(tempo: Tempo):
    answer = tempo.get("/api/search", tags="service.name=shop name=plan", minDuration="2s")
    assert [one["traceID"][-2:] for one in answer.json["traces"]] == [T]
    answer = tempo.get("/api/search", tags="name=plan", maxDuration="1s")
    assert [one["traceID"][-2:] for one in answer.json["traces"]] == [R]
    answer = tempo.get("/api/search", tags='service.name="shop"', minDuration="3900ms", limit=5)
    assert [one["traceID"][-2:] for one in answer.json["traces"]] == [T]


@pytest.mark.parametrize(
    ("path", "asked", "message"),
    [
        ("/api/search", {"q": "{ foo = 1 }"}, "unknown field foo"),
        ("/api/search", {"q": "{ .a = }"}, "(line 1, column 8)\n{ .a = }\n       ^"),
        ("/api/search", {"q": '{ .a =~ "(" }'}, "not a pattern that RE2 reads"),
        ("/api/search", {"q": "{} | rate()"}, "/api/metrics/query_range"),
        ("/api/search", {"limit": "many"}, "limit: write a number"),
        ("/api/search", {"limit": "100000"}, "limit: write a number from 1 to 1000"),
        ("/api/search", {"start": "now"}, "start: write a Unix time"),
        ("/api/search", {"start": "20", "end": "10"}, "start has to be before end"),
        ("/api/search", {"minDuration": "soon"}, "minDuration: write a duration"),
        ("/api/search", {"tags": '"'}, "tags: "),
        ("/api/metrics/query_range", {}, "q is missing"),
        ("/api/metrics/query_range", {"q": "{}"}, "ends in | rate()"),
        ("/api/metrics/query_range", {"q": "{}|rate()", "step": "1ns"}, "more than 11000 steps"),
        ("/api/v2/search/tags", {"scope": "sky"}, "unknown scope sky"),
        ("/api/v2/traces/xyz", {}, "32 hex digits"),
    ],
)
def test_a_wrong_question_says_what_is_wrong(
    tempo: Tempo, path: str, asked: dict[str, str], message: str
):
    answer = tempo.get(path, **asked)
    assert answer.status == 400
    assert message in answer.body.decode()


# Tags -----------------------------------------------------------------------------------------


def test_keys_are_listed_by_scope(tempo: Tempo):
    scopes = {one["name"]: one["tags"] for one in tempo.get("/api/v2/search/tags").json["scopes"]}
    assert {"service.name", "service.version"} <= set(scopes["resource"])
    assert {"it's", "http.route", "observatory.cost_usd"} <= set(scopes["span"])
    assert "reason" in scopes["event"]
    assert {"name", "status", "duration", "rootServiceName"} <= set(scopes["intrinsic"])
    only = tempo.get("/api/v2/search/tags", scope="resource").json["scopes"]
    assert [one["name"] for one in only] == ["resource"]
    assert "http.route" in tempo.get("/api/search/tags").json["tagNames"]


SERVICES = {("string", "shop"), ("string", "search"), ("string", "batch")}


@pytest.mark.parametrize(
    ("tag", "q", "expected"),
    [
        ("resource.service.name", "", SERVICES),
        ("resource.service.name", '{name="find"}', {("string", "search")}),
        ("resource.service.name", '{name="find" && .x=', SERVICES),
        ("span.http.response.status_code", "{}", {("int", "500")}),
        ("span.ratio", "", {("float", "0.5")}),
        ("span.hot", "", {("bool", "true")}),
        (".http.route", "", {("string", "/chat")}),
        ("span.it's", "", {("string", "odd")}),
        ("span.nobody/has", "", set()),
        ("status", "", {("keyword", "ok"), ("keyword", "error"), ("keyword", "unset")}),
        ("rootServiceName", "", {("string", "shop"), ("string", "batch")}),
        ("event:name", "", {("string", "retry")}),
        ("duration", "", set()),
    ],
)  # fmt: skip
def test_values_are_listed(tempo: Tempo, tag: str, q: str, expected: set[tuple[str, str]]):
    end = tempo.start_ns // NS + 30
    path = f"/api/v2/search/tag/{quote(tag, safe='/')}/values"
    answer = tempo.get(path, q=q, start=end - 300, end=end)
    assert {(one["type"], one["value"]) for one in answer.json["tagValues"]} == expected
    old = tempo.get(path.replace("/v2", ""), start=end - 300, end=end).json["tagValues"]
    assert {value for _, value in expected} <= set(old)


# Metrics --------------------------------------------------------------------------------------


def labels(series: dict[str, Any]) -> dict[str, Any]:
    return {one["key"]: next(iter(one["value"].values())) for one in series["labels"]}


def test_spans_are_counted_over_time(tempo: Tempo):
    (one,) = tempo.series('{trace:id="a1" || trace:id="b2"} | count_over_time()', step="15s")
    assert labels(one) == {"__name__": "count_over_time"}
    values = [sample["value"] for sample in one["samples"]]
    assert sum(values) == 5  # The span that came twice is one.
    times = [int(sample["timestampMs"]) for sample in one["samples"]]
    assert {later - first for first, later in pairwise(times)} == {15_000}
    assert times[0] % 15_000 == 0


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        ("rate()", {"POST /chat": 1 / 90, "plan": 1 / 90}),
        ("sum_over_time(duration)", {"POST /chat": 4.0, "plan": 1.0}),
        ("avg_over_time(span.http.response.status_code)", {"POST /chat": 500.0}),
        ("min_over_time(.ratio)", {"POST /chat": 0.5}),
        ("max_over_time(span.step)", {"plan": 1.0}),
    ],
)
def test_numbers_are_computed_by_labels(tempo: Tempo, measure: str, expected: dict[str, float]):
    q = f'{{trace:id="a1" && (name="plan" || name="POST /chat")}} | {measure} by (name)'
    found = tempo.series(q, "/api/metrics/query")
    assert {labels(one)["name"]: one["value"] for one in found} == pytest.approx(expected)


def test_quantiles_and_histograms(tempo: Tempo):
    every = '{trace:id="a1" && resource.service.name="shop"}'
    found = tempo.series(f"{every} | quantile_over_time(duration, 0, .5, 1)", "/api/metrics/query")
    assert {labels(one)["p"]: one["value"] for one in found} == {0.0: 0.5, 0.5: 1.0, 1.0: 4.0}
    found = tempo.series(f"{every} | histogram_over_time(duration)", "/api/metrics/query")
    assert {labels(one)["__bucket"]: one["value"] for one in found} == {0.5: 1, 1.0: 1, 4.0: 1}


def test_numbers_point_at_spans(tempo: Tempo):
    (one,) = tempo.series('{name="nightly"} | rate()', exemplars=5)
    (exemplar,) = one["exemplars"]
    named = {each["key"]: each["value"]["stringValue"] for each in exemplar["labels"]}
    assert named["trace:id"] == "c3".zfill(32)


# Trace by id ----------------------------------------------------------------------------------


def trace(tempo: Tempo, trace_id: str, path: str = "/api/v2/traces/") -> TracesData:
    answer = tempo.get(f"{path}{trace_id}", PROTOBUF)
    assert (answer.status, answer.media) == (200, "application/protobuf")
    if "v2" not in path:
        return TracesData.FromString(answer.body)
    # A TraceByIDResponse has the trace in its field 1, and here nothing else.
    length, after = _DecodeVarint(answer.body, 1)
    assert (answer.body[:1], len(answer.body)) == (b"\x0a", after + length)
    return TracesData.FromString(answer.body[after:])


@pytest.mark.parametrize("path", ["/api/v2/traces/", "/api/traces/"])
@pytest.mark.parametrize("trace_id", ["a1", "A1", "a1".zfill(32)])
def test_a_trace_has_all_that_grafana_needs(tempo: Tempo, path: str, trace_id: str):
    found = trace(tempo, trace_id, path)
    spans = [s for r in found.resource_spans for one in r.scope_spans for s in one.spans]
    assert sorted(s.span_id[-1] for s in spans) == [1, 2, 3, 4]
    for resource in found.resource_spans:
        assert resource.HasField("resource")
        assert "service.name" in {one.key for one in resource.resource.attributes}
        assert all(one.HasField("scope") for one in resource.scope_spans)
    for one in spans:
        assert one.HasField("status")
        assert one.attributes[-1] == KeyValue(key=PROFILE_ID, value=any_value(one.span_id.hex()))


def test_a_trace_as_json(tempo: Tempo):
    found = tempo.get("/api/v2/traces/a1").json["trace"]["resourceSpans"]
    assert {one["scopeSpans"][0]["spans"][0]["traceId"] for one in found} == {
        b64encode((0xA1).to_bytes(16, "big")).decode()
    }
    assert len(tempo.get("/api/traces/a1").json["batches"]) == len(found)


def test_a_trace_that_is_not_there(tempo: Tempo):
    assert trace(tempo, "f" * 32) == TracesData()
    assert tempo.get("/api/v2/traces/ffff").status == 404
    assert tempo.get("/api/traces/ffff", PROTOBUF).status == 404


# Cancellation ---------------------------------------------------------------------------------

RUNNING_SQL = (
    "SELECT count() FROM system.processes "
    "WHERE query LIKE '%HAVING 1%' AND query NOT LIKE '%system.processes%'"
)


def test_a_question_ends_when_its_client_hangs_up(tempo: Tempo):
    days_ago_ns = tempo.start_ns - 3 * 86_400 * NS
    with closing(clickhouse_connect.get_client(dsn=tempo.service.clickhouse_url)) as client:
        client.command(
            "INSERT INTO otel_traces (Timestamp, TraceId, SpanId, StatusMessage) "
            "SELECT fromUnixTimestamp64Nano({at:Int64}), 'old', toString(number), "
            "repeat('ab', 9999) FROM numbers(30000)",
            parameters={"at": days_ago_ns},
        )
    # Minutes of work: every pattern goes through every letter.
    patterns = " || ".join(f'statusMessage=~"(a|b|ab)*[c-x]{{{n}}}"' for n in range(1, 100))
    at_s = days_ago_ns // NS
    query = urlencode({"q": f"{{{patterns}}}", "start": at_s - 60, "end": at_s + 60})
    host, port = tempo.service.endpoints.api.removeprefix("http://").split(":")

    def running() -> bool:
        return tempo.service.query(RUNNING_SQL)[0][0] > 0

    with socket.create_connection((host, int(port))) as connection:
        head = f"GET /tempo/api/search?{query} HTTP/1.1\r\nHost: {host}\r\n\r\n"
        connection.sendall(head.encode())
        wait_until(running, WAIT_TIMEOUT_S, lambda: "the question never began")
    wait_until(lambda: not running(), WAIT_TIMEOUT_S, lambda: "the question goes on")
