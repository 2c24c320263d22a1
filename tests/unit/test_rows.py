"""Rows: what goes in through a batch comes out of the tables, exactly."""

import json
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from google.protobuf import json_format
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from clickhouse.client import Address, Writer, connect, parse_address
from clickhouse.migrate import Retention, migrate
from exporter.spans.rows import rows
from exporter.spans.schema import TABLES
from tests.support.clickhouse_http import clickhouse_http_server
from tests.support.otlp import NOON_NS, any_value, event, key_values
from tests.support.service import store_url
from tests.unit.pipeline import chat, decode, price, span

RETENTION = Retention(spans_days=3650, content_days=3650, minutes_days=3650, hours_days=3650)
# Each is an attribute's value, its text, and what its `...Types` map says of it.
VALUES: dict[str, tuple[Any, str, str | None]] = {
    "text": ("plain", "plain", None),
    "text with everything": ("Zürich\n\t'\"\\ \0 日本 🎉", "Zürich\n\t'\"\\ \0 日本 🎉", None),
    "empty text": ("", "", None),
    "true": (True, "true", "bool"),
    "false": (False, "false", "bool"),
    "largest int": (2**63 - 1, "9223372036854775807", "int"),
    "smallest int": (-(2**63), "-9223372036854775808", "int"),
    "double": (0.1, "0.1", "double"),
    "tiny double": (5e-324, "5e-324", "double"),
    "nan": (float("nan"), "nan", "double"),
    "infinity": (float("-inf"), "-inf", "double"),
    "bytes": (b"\0\xff", "AP8=", "bytes"),
    "nothing": (None, "", "empty"),
    "list": (["a", 1, 1.0], '["a",1,1.0]', "arrayValue"),
    "empty list": ([], "[]", "arrayValue"),
    "map": ({"k": [True]}, '{"k":[true]}', "kvlistValue"),
}
ATTRIBUTES = [(key, value) for key, (value, _, _) in VALUES.items()]
TEXTS = {key: text for key, (_, text, _) in VALUES.items()}
KINDS = {key: kind for key, (_, _, kind) in VALUES.items() if kind is not None}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    with clickhouse_http_server(tmp_path_factory.mktemp("rows") / "engine") as server:
        found = parse_address(store_url(server))
        migrate(found, RETENTION)
        yield found


def stored(address: Address, table: str, *spans: Span, **of_request: Any) -> list[dict[str, Any]]:
    """Write spans as the service does; return their rows by column."""
    tables = rows(price(*spans, **of_request)).tables
    with closing(connect(address)) as client:
        for name, batch in tables.items():
            client.command(f"TRUNCATE TABLE {name}")
            if batch.num_rows:
                Writer(client).insert_arrow(name, pa.Table.from_batches([batch]), {})
        result = client.query(
            f"SELECT * EXCEPT(Timestamp), toUnixTimestamp64Nano(Timestamp) AS Ns FROM {table} "
            "ORDER BY Ns, SpanId"
        )
        return list(result.named_results())


def check(texts: dict[str, str], kinds: dict[str, str]) -> None:
    """Compare text and kinds of a map that holds all of `VALUES`."""
    assert texts == TEXTS
    assert kinds.keys() == KINDS.keys()
    for key, kind in KINDS.items():
        if kind.endswith("Value"):
            assert kind in kinds[key]
            assert json_format.Parse(kinds[key], AnyValue()) == any_value(VALUES[key][0])
        else:
            assert kinds[key] == kind, key


def test_everything_that_a_span_holds_comes_out(address: Address):
    rich = span(
        ATTRIBUTES,
        trace=0x0AF7651916CD43DD8448EB211C80319C,
        number=0xB7AD6B7169203331,
        parent=0x00F067AA0BA902B7,
        name="POST /chat",
        start_ns=NOON_NS + 123_456_789,
        duration_ns=987_654_321,
        kind=Span.SPAN_KIND_CLIENT,
        trace_state="a=1,b=2",
        flags=0x301,
        dropped_attributes_count=1,
        dropped_events_count=2,
        dropped_links_count=3,
    )
    rich.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message="it failed"))
    rich.events.append(event("first", ATTRIBUTES, at_ns=NOON_NS + 1))
    rich.events.append(
        Span.Event(name="second", time_unix_nano=NOON_NS + 2, dropped_attributes_count=4)
    )
    rich.links.append(
        Span.Link(
            trace_id=bytes(15) + b"\1",
            span_id=bytes(7) + b"\2",
            trace_state="l=1",
            flags=1,
            dropped_attributes_count=5,
            attributes=key_values(ATTRIBUTES),
        )
    )
    (row,) = stored(
        address, "otel_traces", rich, resource=[("service.name", "s"), *ATTRIBUTES], scope="lib"
    )
    check(row["SpanAttributes"], row["SpanAttributeTypes"])
    row["ResourceAttributes"].pop("service.name")
    check(row["ResourceAttributes"], row["ResourceAttributeTypes"])
    check(row["Events.Attributes"][0], row["Events.AttributeTypes"][0])
    check(row["Links.Attributes"][0], row["Links.AttributeTypes"][0])
    expected = {
        "Ns": NOON_NS + 123_456_789,
        "TraceId": "0af7651916cd43dd8448eb211c80319c",
        "SpanId": "b7ad6b7169203331",
        "ParentSpanId": "00f067aa0ba902b7",
        "TraceState": "a=1,b=2",
        "SpanName": "POST /chat",
        "SpanKind": "Client",
        "ServiceName": "s",
        "ScopeName": "lib",
        "Duration": 987_654_321,
        "StatusCode": "Error",
        "StatusMessage": "it failed",
        "Flags": 0x301,
        "DroppedAttributesCount": 1,
        "DroppedEventsCount": 2,
        "DroppedLinksCount": 3,
        "Events.Name": ["first", "second"],
        "Events.DroppedAttributesCount": [0, 4],
        "Links.TraceId": ["0" * 31 + "1"],
        "Links.SpanId": ["0" * 15 + "2"],
        "Links.TraceState": ["l=1"],
        "Links.Flags": [1],
        "Links.DroppedAttributesCount": [5],
    }
    assert {name: row[name] for name in expected} == expected


def test_times_of_events_are_exact(address: Address):
    times = [NOON_NS + 1, 0, 1, NOON_NS + 999_999_999]
    one = span({"a": 1}, events=[Span.Event(name="e", time_unix_nano=time) for time in times])
    stored(address, "otel_traces", one)
    with closing(connect(address)) as client:
        found = client.query(
            "SELECT arrayMap(t -> toUnixTimestamp64Nano(t), Events.Timestamp) FROM otel_traces"
        ).result_rows
    assert found == [(times,)]


def test_money_and_tokens_are_exact(address: Address):
    usage = {"gen_ai.usage.input_tokens": 1_234_567, "gen_ai.usage.output_tokens": 7}
    (row,) = stored(address, "otel_traces", chat(usage))
    # 2.50 and 10 dollars for a million tokens.
    assert row["CostInputUsd"] == Decimal("3.0864175")
    assert row["CostOutputUsd"] == Decimal("0.00007")
    assert row["CostUsd"] == Decimal("3.0864875")
    assert (row["TokensInput"], row["TokensOutput"], row["TokensReasoning"]) == (1_234_567, 7, None)
    assert sorted(row["ReportedUsage"].values()) == [7, 1_234_567]


def test_what_is_not_known_is_null_and_not_zero(address: Address):
    (row,) = stored(address, "otel_traces", span({"a": 1}))
    for column in ("CostUsd", "TokensInput", "TimeToFirstToken", "ReportedCostUsd"):
        assert row[column] is None, column
    assert (row["Provider"], row["Model"], row["SpanClass"]) == ("", "", "")


def test_content_is_in_its_own_table_only(address: Address):
    prompt = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Blue Whale?"}]}])
    call = chat({"gen_ai.input.messages": prompt, "gen_ai.output.messages": "Yes", "kept": "x"})
    (row,) = stored(address, "otel_traces", call, span({"a": 1}, number=2))[:1]
    assert not any(key.endswith(".messages") for key in row["SpanAttributes"])
    assert row["SpanAttributes"]["kept"] == "x"
    assert "Whale" not in str(row)
    (content,) = stored(address, "llm_content", call, span({"a": 1}, number=2))
    assert "Blue Whale?" in content["Input"]
    assert content["Output"] == "Yes"
    assert content["Attributes"] == {
        "gen_ai.input.messages": prompt,
        "gen_ai.output.messages": "Yes",
    }
    assert (content["SpanId"], content["ServiceName"]) == (row["SpanId"], "shop")
    assert content["Model"] == row["Model"]


@pytest.mark.parametrize(
    ("words", "found"),
    [("whale", 1), ("BLUE whale", 1), ("whale blue", 1), ("blue shark", 0), ("whal", 0)],
)
def test_content_is_found_by_its_words(address: Address, words: str, found: int):
    stored(address, "llm_content", chat({"gen_ai.input.messages": "Is the Blue Whale large?"}))
    sql = "SELECT count() FROM llm_content WHERE hasAllTokens(lower(Input), lower(%(words)s))"
    with closing(connect(address)) as client:
        assert client.query(sql, parameters={"words": words}).result_rows == [(found,)]


def test_rows_are_the_declared_columns_in_their_order():
    for batch in (price(span({"a": 1})), price(chat({"gen_ai.input.messages": "x"}))):
        for name, table in rows(batch).tables.items():
            assert table.schema.names == [column.name for column in TABLES[name]]
            assert table.schema.types == [column.arrow for column in TABLES[name]]


def test_a_batch_of_no_spans_has_no_rows():
    assert len(decode(b"")) == 0
    assert rows(price()).spans == 0


@pytest.mark.parametrize(
    ("attributes", "resource"),
    [
        pytest.param({}, {}, id="none anywhere"),
        pytest.param({}, {"service.name": "s"}, id="of the resource only"),
        pytest.param({"a": 1}, {}, id="of the span only"),
    ],
)
def test_attributes_may_be_missing(
    address: Address, attributes: dict[str, Any], resource: dict[str, Any]
):
    (row,) = stored(address, "otel_traces", span(attributes), resource=resource)
    assert row["SpanAttributes"] == {key: str(value) for key, value in attributes.items()}
    assert row["ResourceAttributes"] == resource


def test_the_size_of_rows_grows_with_them():
    one, many = rows(price(chat())), rows(price(*(chat(number=n) for n in range(1, 50))))
    assert (one.spans, many.spans) == (1, 49)
    assert 0 < one.size_bytes < many.size_bytes
