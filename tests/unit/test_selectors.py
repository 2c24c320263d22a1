"""Label selectors: what can be written, and where a wrong one is wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import WrongQueryError
from exporter.query.grammar import TEXT_CHARS_MAX
from exporter.query.selectors import LABELS, matchers, selected
from exporter.spans.condition import EVERY_SPAN, AllOf, ColumnField, Compare, Comparison
from exporter.spans.schema import SPAN_COLUMNS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param("{}", [], id="empty"),
        pytest.param(" {\n} ", [], id="spaces"),
        pytest.param('{model="x"}', [("model", "=", "x")], id="one"),
        pytest.param('{model="x",}', [("model", "=", "x")], id="a comma at the end"),
        pytest.param(
            "{ a = 'b', c!=`d`, e =~ \"f\", g!~\"h\" }",
            [("a", "=", "b"), ("c", "!=", "d"), ("e", "=~", "f"), ("g", "!~", "h")],
            id="every operator and quote",
        ),
        pytest.param('{"gen_ai.system"="x"}', [("gen_ai.system", "=", "x")], id="a quoted name"),
        pytest.param('{"ключ 🎉"="日本"}', [("ключ 🎉", "=", "日本")], id="any character"),
        pytest.param(
            r'{a="\"\\\n\x41\u00e9\U0001F389\101"}', [("a", "=", '"\\\nAé🎉A')], id="escapes"
        ),
        pytest.param(r"{a=`\d+`}", [("a", "=", r"\d+")], id="raw text"),
        pytest.param('{a="}"}', [("a", "=", "}")], id="a brace in text"),
        pytest.param(
            '{__profile_type__="a:b:c:d:e"}', [("__profile_type__", "=", "a:b:c:d:e")], id="inner"
        ),
    ],
)  # fmt: skip
def test_what_a_selector_says(text: str, expected: list[tuple[str, str, str]]):
    assert [(m.label, m.comparison.value, m.value) for m in matchers(text)] == expected


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ('{model="x"', 10, "the text ends where , or } is expected (line 1, column 11)"),
        ("{model=}", 7, "} stands where quoted text is expected (line 1, column 8)"),
        ('{model="x" tool="y"}', 11, "tool stands where , or } is expected (line 1, column 12)"),
        ('{model=="x"}', 7, "= stands where quoted text is expected (line 1, column 8)"),
        ('{model="x}', 7, "this quote is never closed (line 1, column 8)"),
        ('model="x"', 0, "model stands where { is expected (line 1, column 1)"),
        (r'{model="\d"}', 8, r"\d is no escape; write \\d for both characters"),
        (r'{model="\ud800"}', 8, "no such character"),
        ('{model="x"} {}', 12, "{ stands where the end is expected"),
        ('{\n  model="x",\n\t$="y"}', 16, "(line 3, column 2)"),
        ("{,}", 1, ", stands where"),
        ("{" + " " * TEXT_CHARS_MAX + "}", None, f"more than {TEXT_CHARS_MAX} characters"),
    ],
)
def test_a_wrong_selector_says_where(text: str, position: int | None, message: str):
    with pytest.raises(WrongQueryError) as error:
        matchers(text)
    assert message in str(error.value)
    assert error.value.position == position


def test_the_place_is_shown_below_the_line():
    with pytest.raises(WrongQueryError) as error:
        selected('{service_name="x",\n\tmodle="y"}')
    *_, line, mark = str(error.value).split("\n")
    assert (line, mark) == ('\tmodle="y"}', "\t^")
    assert "unknown label modle; known are service_name, provider, model" in str(error.value)
    assert error.value.position == 20


def test_a_selector_is_a_condition_on_columns():
    assert selected("{}") == EVERY_SPAN
    assert selected('{model=~"gpt.*", feature!=""}') == AllOf((
        Compare(ColumnField("Model"), Comparison.MATCHES, "gpt.*"),
        Compare(ColumnField("Feature"), Comparison.NOT_EQUAL, ""),
    ))  # fmt: skip


def test_every_label_is_a_text_column():
    text = {column.name for column in SPAN_COLUMNS if column.clickhouse.endswith("String)")}
    text |= {column.name for column in SPAN_COLUMNS if column.clickhouse == "String"}
    assert set(LABELS.values()) <= text


@given(value=st.text(), name=st.text(min_size=1))
def test_any_text_can_be_quoted(value: str, name: str):
    def quoted(text: str) -> str:
        return '"' + "".join(rf"\U{ord(c):08x}" if c in '\\"\n' else c for c in text) + '"'

    (found,) = matchers(f"{{{quoted(name)}!={quoted(value)}}}")
    assert (found.label, found.value) == (name, value)


@given(text=st.text(alphabet="{}=!~,\"'`\\ax1 \n", max_size=40))
def test_whatever_is_written_is_read_or_refused_with_a_place(text: str):
    position: int | None = 0
    try:
        matchers(text)
    except WrongQueryError as error:
        position = error.position
    assert position is not None
    assert 0 <= position <= len(text)
