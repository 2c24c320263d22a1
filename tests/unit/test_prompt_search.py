"""What is searched for in prompts, and where a text has it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import WrongQueryError
from exporter.query.prompt_search import Search, highlights, search


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Refund", Search(("refund",), ())),
        ('refund "Credit card"', Search(("refund", "credit", "card"), ("credit card",))),
        ("a-b a", Search(("a", "b"), ())),
        ("Zürich ÜBER", Search(("zürich", "Über"), ())),
        ('un"closed', Search(("un", "closed"), ())),
        ('"" x', Search(("x",), ())),
    ],
)  # fmt: skip
def test_words_and_phrases(text: str, expected: Search) -> None:
    assert search(text) == expected


@pytest.mark.parametrize("text", ["", "  ", "?!", '"---"'])
def test_a_search_without_a_word_is_refused(text: str) -> None:
    with pytest.raises(WrongQueryError, match="write words"):
        search(text)


def test_a_search_for_very_many_words_is_refused() -> None:
    with pytest.raises(WrongQueryError, match="at most 32"):
        search(" ".join(f"w{i}" for i in range(33)))


@pytest.mark.parametrize(
    ("text", "wanted", "expected"),
    [
        pytest.param("Refund me", "refund", [(0, 6)], id="case"),
        pytest.param("refunds", "refund", [], id="whole words only"),
        pytest.param("a b a", "a b", [(0, 1), (2, 3), (4, 5)], id="each place"),
        pytest.param("credit card", '"credit card"', [(0, 11)], id="a phrase is one range"),
        pytest.param("🎉 Zürich", "zürich", [(2, 8)], id="counted in code points"),
        pytest.param("a.*b", '"a.*b"', [(0, 4)], id="a phrase is no pattern"),
    ],
)
def test_highlights(text: str, wanted: str, expected: list[tuple[int, int]]) -> None:
    assert highlights(text, search(wanted)) == expected


@given(st.text(alphabet='ab c-Zü"', max_size=60), st.text(alphabet="abcZü ", min_size=1))
def test_highlights_are_in_order_apart_and_inside_the_text(text: str, words: str) -> None:
    if not words.strip():
        return
    places = highlights(text, search(words))
    flat = [edge for place in places for edge in place]
    assert flat == sorted(set(flat))
    assert all(0 <= start < end <= len(text) for start, end in places)
    wanted = set(search(words).words)
    lower = "".join(c.lower() if c.isascii() else c for c in text)
    assert all(lower[start:end] in wanted for start, end in places)
