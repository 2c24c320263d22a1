"""Answers as JSON and CSV, and the cursor of the next page."""

import base64
import csv
import io
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.api.data.cursor import Cursor, decode, encode
from exporter.errors import WrongQueryError
from exporter.query.asked import TimeRange
from exporter.query.form import as_csv, as_json

MONEY = st.decimals(-(10**9), 10**9, places=9, allow_nan=False)
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT | MONEY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_json_gives_back_every_value_and_decimals_to_the_last_digit(value: object) -> None:
    assert json.loads(as_json(value), parse_float=Decimal) == value


def test_money_is_a_number_without_a_trace_of_floats() -> None:
    assert as_json({"usd": Decimal("0.1") + Decimal("0.2")}) == '{"usd":0.300000000}'
    assert as_json(Decimal("1E-9")) == "0.000000001"
    assert as_json(Decimal("9007199254740993.000000001")) == "9007199254740993.000000001"


def test_what_json_cannot_say_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        as_json(float("nan"))


@given(st.lists(st.fixed_dictionaries({"a": TEXT, "b": st.integers() | st.none()}), max_size=5))
def test_csv_is_read_as_what_was_written(rows: list[dict[str, object]]) -> None:
    read = list(csv.DictReader(io.StringIO(as_csv(rows, ["a", "b"]), newline="")))
    for wrote, found in zip(rows, read, strict=True):
        assert found["a"].removeprefix("'") == str(wrote["a"]).removeprefix("'")
        assert found["b"] == ("" if wrote["b"] is None else str(wrote["b"]))


@given(st.sampled_from("=+-@\t\r\n"), TEXT)
def test_no_text_of_a_sender_begins_a_formula(first: str, rest: str) -> None:
    [row] = list(csv.DictReader(io.StringIO(as_csv([{"a": first + rest}], ["a"]), newline="")))
    assert row["a"] == f"'{first}{rest}"


def test_a_negative_number_is_no_formula() -> None:
    assert as_csv([{"a": -5, "b": Decimal(-1)}], ["a", "b"]).endswith("-5,-1.000000000\r\n")


INT64 = st.integers(-(2**63), 2**63 - 1)
CURSORS = st.builds(
    lambda start, length, key: Cursor(TimeRange(start, start + length), tuple(key)),
    st.integers(0, 2**62),
    st.integers(1, 2**61),
    st.lists(INT64 | TEXT, min_size=1, max_size=5),
)


@given(CURSORS, TEXT)
def test_a_cursor_comes_back_as_it_was(cursor: Cursor, question: str) -> None:
    assert decode(encode(cursor, question), question) == cursor


def forged(*content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


MARK = json.loads(base64.urlsafe_b64decode(encode(Cursor(TimeRange(0, 1), (1,)), "q") + "=="))[0]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("x", id="no base64"),
        pytest.param("a" * 100_000, id="long"),
        pytest.param("ü", id="no ascii"),
        pytest.param(forged(1), id="too short"),
        pytest.param(encode(Cursor(TimeRange(0, 1), (1,)), "another"), id="of another question"),
        pytest.param(forged(MARK, 5, 1, "k"), id="ends before it starts"),
        pytest.param(forged(MARK, "0", 1, "k"), id="time is text"),
        pytest.param(forged(MARK, 0, 2**70, "k"), id="time too large"),
        pytest.param(forged(MARK, 0, 1, 2**70), id="key too large"),
        pytest.param(forged(MARK, 0, 1, [1]), id="key is a list"),
        pytest.param(forged(MARK, 0, 1, True), id="key is a truth"),
        pytest.param(forged(MARK, 0, 1, 1.5), id="key is a float"),
        pytest.param("W" * 30_000, id="deeply nested or not json"),
    ],
)
def test_a_cursor_that_was_not_given_out_is_refused(text: str) -> None:
    with pytest.raises(WrongQueryError, match="cursor does not belong"):
        decode(text, "q")
