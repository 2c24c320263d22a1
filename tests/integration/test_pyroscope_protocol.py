"""The Connect protocol of the Pyroscope API: forms, compression, refusals."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest

from exporter.api.pyroscope.messages import new
from tests.support.clickhouse_http import ClickHouseServer
from tests.support.pyroscope import COST, JSON, PROTO, PyroscopeApi, as_json, profile, unpacked
from tests.support.pyroscope_shop import RANGE, shop
from tests.support.service import Service


@pytest.fixture(scope="module")
def stored(
    clickhouse: ClickHouseServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    with shop(clickhouse, tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture(scope="module")
def api(stored: Service) -> PyroscopeApi:
    return PyroscopeApi(f"{stored.endpoints.api}/pyroscope")


REQUESTS: list[Any] = [
    pytest.param("ProfileTypes", {}, id="ProfileTypes"),
    pytest.param("LabelNames", {"matchers": ["{}"]}, id="LabelNames"),
    pytest.param("LabelValues", {"name": "model"}, id="LabelValues"),
    pytest.param("Series", {"label_names": ["model"]}, id="Series"),
    pytest.param("SelectMergeStacktraces", {}, id="SelectMergeStacktraces"),
    pytest.param("SelectMergeSpanProfile", {"span_selector": [f"{102:016x}"]},
                 id="SelectMergeSpanProfile"),
    pytest.param("SelectMergeProfile", {}, id="SelectMergeProfile"),
    pytest.param("SelectSeries", {"step": 60.0, "group_by": ["model"]}, id="SelectSeries"),
    pytest.param("SelectHeatmap", {"step": 60.0}, id="SelectHeatmap"),
    pytest.param("GetProfileStats", None, id="GetProfileStats"),
    pytest.param("AnalyzeQuery", {"query": COST}, id="AnalyzeQuery"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "fields"), REQUESTS)
def test_protobuf_and_json_say_the_same(
    api: PyroscopeApi, method: str, fields: dict[str, Any] | None
) -> None:
    package = "types" if method in {"LabelNames", "LabelValues", "GetProfileStats"} else "querier"
    asked = new(f"{package}.v1.{method}Request")
    if fields is not None:
        asked.start, asked.end = (int(RANGE[name]) for name in ("start", "end"))
        for name, value in fields.items():
            if isinstance(value, list):
                getattr(asked, name).extend(value)
            else:
                setattr(asked, name, value)
        if method.startswith("Select"):
            asked.profile_typeID, asked.label_selector = COST, "{}"
    answer = f"{package}.v1.{method}Response"
    answer = "google.v1.Profile" if method == "SelectMergeProfile" else answer
    found = as_json(api.ask_proto(method, asked, answer))
    assert found
    assert found == api.ask(method, **as_json(asked))


def test_answers_are_compressed_for_those_who_take_it(api: PyroscopeApi) -> None:
    asked = json.dumps({"profileTypeID": COST, "labelSelector": "{}", **RANGE}).encode()
    asked_of_types = b"{}"
    plain = api.post("ProfileTypes", asked_of_types)
    packed = api.post("ProfileTypes", asked_of_types, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert unpacked(packed) == plain.body
    sent = {"Content-Encoding": "gzip"}
    found = api.post("SelectMergeStacktraces", gzip.compress(asked), headers=sent)
    assert found.body == api.post("SelectMergeStacktraces", asked).body


def test_what_a_client_adds_is_passed_over(api: PyroscopeApi) -> None:
    unknown_field = bytes([0x9A, 0x06, 0x01, 0x41])  # number 99, a text
    headers = {
        "Connect-Protocol-Version": "1",
        "Connect-Timeout-Ms": "30000",
        "Accept": "*/*; allow-utf8-labelnames=true",
    }
    assert api.post("ProfileTypes", unknown_field, PROTO, headers).status == 200
    found = api.post("ProfileTypes", b'{"later": 1}', f"{JSON}; charset=utf-8", headers)
    assert found.status == 200
    assert found.media == JSON


@pytest.mark.parametrize(
    ("body", "content_type", "headers", "expected"),
    [
        pytest.param(b"\xff", PROTO, {}, (400, "invalid_argument"), id="no protobuf"),
        pytest.param(b"{", JSON, {}, (400, "invalid_argument"), id="no JSON"),
        pytest.param(b'{"start": "x"}', JSON, {}, (400, "invalid_argument"), id="wrong field"),
        pytest.param(b"\xff\xfe", JSON, {}, (400, "invalid_argument"), id="no text"),
        pytest.param(b"{}", JSON, {"Content-Encoding": "gzip"}, (400, "invalid_argument"),
                     id="no gzip"),
        pytest.param(b"{}", JSON, {"Content-Encoding": "br"}, (501, "unimplemented"),
                     id="other compression"),
        pytest.param(b"{}", JSON, {"Connect-Protocol-Version": "2"}, (400, "invalid_argument"),
                     id="other version"),
        pytest.param(b"{}", JSON, {"Connect-Timeout-Ms": "soon"}, (400, "invalid_argument"),
                     id="no time"),
        pytest.param(b"{}" + b" " * (1 << 20), JSON, {}, (429, "resource_exhausted"), id="large"),
        pytest.param(gzip.compress(b" " * (1 << 24)), JSON, {"Content-Encoding": "gzip"},
                     (429, "resource_exhausted"), id="large when unpacked"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(
    api: PyroscopeApi,
    body: bytes,
    content_type: str,
    headers: dict[str, str],
    expected: tuple[int, str],
) -> None:
    answer = api.post("ProfileTypes", body, content_type, headers)
    assert (answer.status, answer.json["code"]) == expected
    assert answer.json["message"]
    assert answer.media == JSON


@pytest.mark.parametrize("form", ["application/grpc", "application/connect+proto", "text/plain"])
def test_other_protocols_are_told_what_to_send(api: PyroscopeApi, form: str) -> None:
    answer = api.post("ProfileTypes", b"", form)
    assert answer.status == 415
    assert answer.headers["Accept-Post"] == f"{PROTO}, {JSON}"


@pytest.mark.parametrize(
    ("service", "method"),
    [
        ("querier.v1.QuerierService", "SelectMergeNothing"),
        ("settings.v1.SettingsService", "Set"),
        ("settings.v1.RecordingRulesService", "ListRecordingRules"),
        ("vcs.v1.VCSService", "GithubApp"),
        ("adhocprofiles.v1.AdHocProfileService", "List"),
    ],
)
def test_what_is_not_served_is_unimplemented(api: PyroscopeApi, service: str, method: str) -> None:
    answer = api.post(method, b"{}", service=service)
    assert (answer.status, answer.json["code"]) == (501, "unimplemented")


def test_drilldown_finds_no_settings(api: PyroscopeApi) -> None:
    answer = api.post("Get", b"{}", service="settings.v1.SettingsService")
    assert (answer.status, answer.json) == (200, {})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"labelSelector": '{model="x"'}, '{model="x"\n          ^',
                     id="the place in a selector"),
        pytest.param({"labelSelector": '{colour="x"}'}, "unknown label colour",
                     id="unknown label"),
        pytest.param({"labelSelector": '{model=~"("}'}, "pattern", id="broken pattern"),
        pytest.param({"profileTypeID": "process_cpu:cpu:nanoseconds:cpu:nanoseconds"},
                     "unknown profile type", id="unknown type"),
        pytest.param({"start": "2", "end": "1"}, "before its start", id="time"),
        pytest.param({"traceIdSelector": ["xyz"]}, "32 hex digits", id="trace id"),
        pytest.param({"spanSelector": ["xyz"]}, "16 hex digits", id="span id"),
        pytest.param({"profileIdSelector": ["xyz"]}, "UUID", id="profile id"),
        pytest.param({"labelSelector": '{__group_by__="colour"}'}, "cannot group by colour",
                     id="unknown dimension"),
        pytest.param({"labelSelector": '{__group_by__=~"model"}'}, "write __group_by__",
                     id="dimension by pattern"),
        pytest.param({"profileTypeID": profile("calls"),
                      "labelSelector": '{__group_by__="token_type"}'}, "cost and tokens only",
                     id="calls have no token type"),
        pytest.param({"labelSelector": '{__profile_type__="other"}'}, "another than",
                     id="another type"),
    ],
)  # fmt: skip
def test_a_wrong_question_is_told_what_is_wrong(
    api: PyroscopeApi, fields: dict[str, Any], message: str
) -> None:
    asked = {"profileTypeID": COST, "labelSelector": "{}", **RANGE} | fields
    status, code, said = api.refusal("SelectMergeStacktraces", **asked)
    assert (status, code) == (400, "invalid_argument"), said
    assert message in said


@pytest.mark.parametrize(
    ("method", "fields", "code"),
    [
        pytest.param("SelectSeries", {"step": 0}, "invalid_argument", id="no step"),
        pytest.param("SelectSeries", {"step": "NaN"}, "invalid_argument", id="step is no number"),
        pytest.param("SelectSeries", {"step": 0.001}, "invalid_argument", id="too many points"),
        pytest.param("SelectSeries", {"step": 60, "groupBy": ["pod"]}, "invalid_argument",
                     id="unknown label"),
        pytest.param("SelectMergeStacktraces", {"format": "PROFILE_FORMAT_TREE"}, "unimplemented",
                     id="Pyroscope's own form"),
        pytest.param("SelectMergeStacktraces",
                     {"stackTraceSelector": {"callSite": [{"name": "a"}]}}, "unimplemented",
                     id="call site"),
    ],
)  # fmt: skip
def test_a_question_that_is_not_answered_is_refused(
    api: PyroscopeApi, method: str, fields: dict[str, Any], code: str
) -> None:
    asked = {"profileTypeID": COST, "labelSelector": "{}", **RANGE} | fields
    assert api.refusal(method, **asked)[1] == code
