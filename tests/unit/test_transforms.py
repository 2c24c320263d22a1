"""Texts as senders write them, and what is kept of them."""

import pytest

from exporter.genai.json_text import member, read_json, scalar_text
from exporter.genai.transforms import (
    after_slash,
    duration_ns,
    json_text,
    model,
    number,
    provider_before_slash,
    time_ns,
)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('"LLM"', "LLM"),
        ("LLM", "LLM"),
        ('"LLM', '"LLM'),
        ('""', None),
        ("", None),
        ('"\\ud800"', "?"),
    ],
)
def test_json_text(text: str, kept: str | None) -> None:
    assert json_text(text) == kept


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("claude-opus-4-6\x1b[1m", "claude-opus-4-6"),
        ("\x1b[1mclaude-opus-4-6\x1b[22m", "claude-opus-4-6"),
        ("claude-opus-4-6[1m]", "claude-opus-4-6"),
        ("claude-opus-4-6[1M]", "claude-opus-4-6"),
        ("claude-opus-4-6[1m", "claude-opus-4-6"),
        ("model[x]", "model[x]"),
        (" gpt-4o ", "gpt-4o"),
        ("\x1b[1m", None),
    ],
)
def test_model(sent: str, name: str | None) -> None:
    assert model(sent) == name


@pytest.mark.parametrize(
    ("sent", "provider", "name"),
    [
        ("openai/gpt-5-mini", "openai", "gpt-5-mini"),
        ("googleai/gemini-2.5-flash", "gcp.gemini", "gemini-2.5-flash"),
        ("a/b/c", "a", "b/c"),
        ("gpt-5-mini", None, "gpt-5-mini"),
        ("openai/", "openai", "openai/"),
        ("/x", None, "x"),
    ],
)
def test_a_model_behind_its_provider(sent: str, provider: str | None, name: str) -> None:
    assert (provider_before_slash(sent), after_slash(sent)) == (provider, name)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.5", 1.5),
        (" 1e3 ", 1000.0),
        ("-2", -2.0),
        ("1_000", None),
        ("inf", None),
        ("true", None),
        ("", None),
        ("1" * 65, None),
    ],
)
def test_number(text: str, value: float | None) -> None:
    assert number(text) == value


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1.5s", 1.5e9),
        ("15.3ms", 15.3e6),
        ("870µs", 870e3),
        ("870us", 870e3),
        ("12ns", 12.0),
        ("0s", 0.0),
        ("15", None),
        ("15 ms", None),
        ("-1s", None),
        ("1m", None),
        ("", None),
        ("9" * 100 + "s", None),
    ],
)
def test_duration(text: str, nanoseconds: float | None) -> None:
    assert duration_ns(text) == (None if nanoseconds is None else pytest.approx(nanoseconds))


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1970-01-01T00:00:01.000001Z", 1_000_001_000),
        ('"1970-01-01T00:00:01Z"', 1_000_000_000),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01", 0),
        ("never", None),
        ("", None),
    ],
)
def test_time(text: str, nanoseconds: int | None) -> None:
    assert time_ns(text) == nanoseconds


@pytest.mark.parametrize(
    ("text", "path", "found"),
    [
        ('{"a": {"b": 5}}', "a.b", 5),
        ('{"a": "{\\"b\\": 5}"}', "a.b", 5),
        ('{"a": [{"b": 5}]}', "a.0.b", 5),
        ('{"a": [1]}', "a.7", None),
        ('{"a": [1]}', "a.b", None),
        ('{"a": 1}', "a.b", None),
        ('{"a": "text"}', "a.b", None),
        ('{"a": 1, "b": 2.5, "c": true, "d": "3"}', "*", 3.5),
        ('{"x": {"a": 1, "b": 2}}', "x.*", 3),
        ('{"a": "x"}', "*", None),
        ("{}", "*", None),
        ('{"a": 1e308, "b": 1e308}', "*", None),
        ('"LLM"', "", "LLM"),
        ("", "a", None),
    ],
)
def test_a_path_into_json(text: str, path: str, found: object) -> None:
    assert member(read_json(text), path) == found


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (5, "5"),
        (0.1, "0.1"),
        ("a", "a"),
        (None, None),
        ([], None),
    ],
)
def test_json_scalars_as_text(value: object, text: str | None) -> None:
    assert scalar_text(value) == text
