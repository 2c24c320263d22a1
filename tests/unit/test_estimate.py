"""What is estimated, from which text, by which rule; and what is never touched."""

import json
import logging
import socket
from base64 import b64encode
from collections.abc import Sequence
from fractions import Fraction
from io import BytesIO
from math import ceil
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pyarrow as pa
import pytest
import tiktoken_ext.openai_public as published
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from exporter.errors import ConfigurationError
from exporter.genai import tokenizers
from exporter.genai.estimate import Estimator, text_of
from exporter.genai.tokenizers import Method, Tokenizers, by_characters, catalogue, install, read
from exporter.spans.batch import SpanBatch
from exporter.spans.schema import TOKEN_KINDS
from tests.support.otlp import ERROR, span
from tests.unit.pipeline import PRICE, chat, normalise, row

# An encoding whose tokens are the bytes: "ab" has 2, "é" has 2.
BYTES = b"\n".join(b"%s %d" % (b64encode(bytes([n])), n) for n in range(256))
BY_BYTES = {"o200k_base": BYTES, "cl100k_base": BYTES}
CHAT = 3 + 3  # What a chat of one message adds.


def estimator(contents: dict[str, bytes] | None = None, **limits: int) -> Estimator:
    contents = BY_BYTES if contents is None else contents
    return Estimator(
        Tokenizers(contents), **{"span_max_chars": 1000, "batch_max_chars": 10_000, **limits}
    )


def text(given: str | None, answer: str | None = None, **more: Any) -> dict[str, Any]:
    keys = {"gen_ai.input.messages": given, "gen_ai.output.messages": answer}
    return {key: value for key, value in keys.items() if value is not None} | more


def tokens(batch: SpanBatch, at: int = 0) -> tuple[int | None, int | None, str | None]:
    """Return the input and output tokens and their source, of one span."""
    return tuple(batch[name][at].as_py() for name in ("TokensInput", "TokensOutput", "UsageSource"))


def estimate(attributes: dict[str, Any], **of_estimator: Any) -> tuple[Any, ...]:
    return tokens(estimator(**of_estimator)(normalise(chat(attributes))))


# Which calls ------------------------------------------------------------------------------------


def test_a_call_without_usage_is_estimated_from_its_text() -> None:
    assert estimate(text("x" * 20, "y" * 8)) == (20 + CHAT, 8, "estimated")


@pytest.mark.parametrize(
    ("given", "answer", "expected"),
    [
        pytest.param("abcd", None, (4 + CHAT, None), id="no answer is not known, not 0"),
        pytest.param(None, "abcd", (None, 4), id="an answer alone"),
        pytest.param("", "abcd", (None, 4), id="empty text is no text"),
    ],
)
def test_one_side_alone(given: str | None, answer: str | None, expected: tuple[Any, Any]) -> None:
    assert estimate(text(given, answer)) == (*expected, "estimated")


USAGE = {"gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": 5}


@pytest.mark.parametrize(
    "untouched",
    [
        pytest.param(chat(text("abc") | USAGE), id="usage was reported"),
        pytest.param(chat(text("abc") | {"gen_ai.usage.output_tokens": 5}), id="a part of it was"),
        pytest.param(
            chat(text("abc") | {"gen_ai.usage.cache_read.input_tokens": 5}), id="cached tokens were"
        ),
        pytest.param(chat(text("abc") | {"gen_ai.usage.cost": 0.5}), id="its cost was"),
        pytest.param(chat(text("abc"), status=ERROR), id="it failed"),
        pytest.param(chat(), id="it has no text"),
        pytest.param(chat(text("", "")), id="its text is empty"),
        pytest.param(
            chat(text("abc") | {"gen_ai.operation.name": "image_generation"}),
            id="its tokens are no text",
        ),
        pytest.param(
            span(text("abc") | {"gen_ai.operation.name": "invoke_agent"}), id="it is no call"
        ),
        pytest.param(span({"http.route": "/"}), id="it is no GenAI span"),
    ],
)
def test_everything_else_is_untouched(untouched: Span) -> None:
    estimate = estimator()
    alone = normalise(untouched)
    assert estimate(alone) is alone
    mixed = normalise(untouched, chat(text("abc"), number=2))
    done = estimate(mixed)
    assert row(done, 0) == row(mixed, 0)
    assert tokens(done, 1) == (3 + CHAT, None, "estimated")
    assert sum(estimate.estimated.values()) == 1


def test_usage_that_another_span_owns_is_not_estimated() -> None:
    batch = normalise(chat(text("abc")))
    batch = batch.with_columns({"UsageRole": pa.array(["duplicate"]).dictionary_encode()})
    assert estimator()(batch) is batch


def test_only_three_columns_change() -> None:
    batch = normalise(chat(text("abc", "d")), chat(USAGE, number=2))
    done = estimator()(batch)
    changed = {name for name in batch.columns if not done[name].equals(batch[name])}
    assert changed == {"TokensInput", "TokensOutput", "UsageSource"}
    for name in changed:
        assert done[name].type == batch[name].type
    assert done["UsageSource"].to_pylist() == ["estimated", "reported"]


def test_an_estimate_is_priced_like_a_count() -> None:
    priced = PRICE(estimator()(normalise(chat(text("x" * 994, "y" * 100)))))
    assert str(priced["CostUsd"][0].as_py()) == "0.003500000"
    assert priced["UnpricedReason"].to_pylist() == [None]
    assert PRICE(normalise(chat(USAGE)))["PriceVersion"] == priced["PriceVersion"]


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("chat", (4 + CHAT, 2)),
        ("generate_content", (4 + CHAT, 2)),
        ("text_completion", (4, 2)),
        pytest.param("embeddings", (4, None), id="embeddings have no output"),
        pytest.param("rerank", (4, None), id="nor has reranking"),
    ],
)
def test_operations(operation: str, expected: tuple[int, int | None]) -> None:
    attributes = text("abcd", "ef") | {"gen_ai.operation.name": operation}
    assert estimate(attributes)[:2] == expected


# Which text ---------------------------------------------------------------------------------------

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
BLOB = {"type": "blob", "mime_type": "image/png", "content": "AAAA"}


@pytest.mark.parametrize(
    ("content", "pieces", "messages"),
    [
        pytest.param("", [], 0, id="nothing"),
        pytest.param("plain text", ["plain text"], 1, id="plain text"),
        pytest.param("[not json", ["[not json"], 1, id="what only looks like JSON"),
        pytest.param({"city": "Oslo"}, ['{"city": "Oslo"}'], 1, id="an answer in JSON is text"),
        pytest.param([1, 2], ["[1, 2]"], 1, id="a list of numbers"),
        pytest.param([], ["[]"], 1, id="an empty list"),
        pytest.param(["a", "b"], ["a", "b"], 1, id="a list of inputs"),
        pytest.param(
            [
                {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
                {"role": "user", "parts": [{"type": "text", "content": "Hi"}, BLOB]},
            ],
            ["Be brief.", "Hi"],
            2,
            id="OpenTelemetry",
        ),
        pytest.param(
            [{"role": "user", "content": "Hi"}, {"role": "user", "content": [IMAGE]}],
            ["Hi"],
            2,
            id="OpenAI",
        ),
        pytest.param(
            [
                {
                    "role": "assistant",
                    "parts": [{"type": "tool_call", "id": "c", "name": "f", "arguments": {"a": 1}}],
                    "finish_reason": "tool_calls",
                }
            ],
            ["f", '{"a":1}'],
            1,
            id="a tool call",
        ),
        pytest.param(
            {"choices": [{"message": {"role": "assistant", "content": "Hi"}}], "model": "m"},
            ["Hi"],
            1,
            id="a response of OpenAI",
        ),
        pytest.param(
            {
                "model": "m",
                "tools": [{"name": "f"}],
                "messages": [{"role": "user", "content": "Hi"}],
                "temperature": 0,
            },
            ['[{"name":"f"}]', "Hi"],
            1,
            id="a request with tools",
        ),
        pytest.param({"model": "m", "input": "Hi"}, ["Hi"], 1, id="a request for embeddings"),
        pytest.param(
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "name": "f", "input": {"a": 1}}],
            },
            ["f", '{"a":1}'],
            1,
            id="Anthropic's tool use",
        ),
        pytest.param(
            {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}, ["Hi"], 1, id="Gemini"
        ),
        pytest.param(
            {"system": "Be brief.", "messages": [{"role": "user", "content": "Hi"}]},
            ["Be brief.", "Hi"],
            1,
            id="Vercel's ai.prompt",
        ),
        pytest.param([[{"role": "user", "content": "Hi"}]], ["Hi"], 1, id="lists in lists"),
    ],
)
def test_the_text_of_a_value(content: Any, pieces: list[str], messages: int) -> None:
    found = text_of(content if isinstance(content, str) else json.dumps(content))
    assert (found.pieces, found.messages) == (pieces, messages)


@pytest.mark.parametrize(
    "odd",
    [
        '[{"role": "user", "content": "\\ud800"}]',
        '[{"role": "user", "type": ["blob"], "content": {"a": null, "b": 1e400}}]',
        "[" * 100_000,
        '{"role":' * 900 + "1" + "}" * 900,
        '{"role": "user", "arguments": ' + "[" * 900 + "]" * 900 + "}",
        "[" + "9" * 5000 + "]",
        '{"messages": ' + "x" * 2_000_000,
    ],
    ids=["half a character", "odd types", "open", "deep", "deep literal", "a long number", "long"],
)
def test_odd_json_is_counted_somehow(odd: str) -> None:
    given, _, source = estimate(text(odd))
    assert source == "estimated" or given is None


SYSTEM = "gen_ai.system_instructions"


def test_system_instructions_are_a_message_of_the_input() -> None:
    assert estimate(text("abcd") | {SYSTEM: "xy"})[0] == 4 + 2 + 3 + 2 * 3


def test_system_instructions_that_are_a_message_already_are_counted_once() -> None:
    messages = [{"role": "system", "content": "xy"}, {"role": "user", "content": "abcd"}]
    assert estimate(text(json.dumps(messages)) | {SYSTEM: "xy"})[0] == 4 + 2 + 3 + 2 * 3


# Families -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "model", "family"),
    [
        ("openai", "gpt-4", "openai_cl100k"),
        ("openai", "gpt-4-turbo-2024-04-09", "openai_cl100k"),
        ("openai", "gpt-4-0613", "openai_cl100k"),
        ("openai", "gpt-3.5-turbo", "openai_cl100k"),
        ("azure.ai.openai", "gpt-35-turbo", "openai_cl100k"),
        ("openai", "ft:gpt-3.5-turbo-0125:acme::x", "openai_cl100k"),
        ("openai", "text-embedding-3-small", "openai_cl100k"),
        ("openai", "gpt-4o", "openai_o200k"),
        ("openai", "GPT-4o-mini", "openai_o200k"),
        ("openai", "gpt-4.1-nano", "openai_o200k"),
        ("openai", "gpt-4.5-preview", "openai_o200k"),
        ("openai", "ft:gpt-4o-mini:acme::x", "openai_o200k"),
        ("openrouter", "openai/gpt-5.2", "openai_o200k"),
        ("openai", "o3-mini", "openai_o200k"),
        ("openai", "chatgpt-4o-latest", "openai_o200k"),
        ("anthropic", "claude-2.1", "claude"),
        ("anthropic", "claude-instant-1.2", "claude"),
        ("anthropic", "claude-3-5-sonnet-20241022", "claude"),
        ("anthropic", "claude-3-7-sonnet-latest", "claude"),
        ("anthropic", "claude-opus-4-20250514", "claude"),
        ("gcp.vertex_ai", "claude-opus-4@20250514", "claude"),
        ("anthropic", "claude-opus-4-1-20250805", "claude"),
        ("anthropic", "claude-sonnet-4-5", "claude"),
        ("anthropic", "claude-opus-4-6", "claude"),
        ("openrouter", "anthropic/claude-sonnet-4.6", "claude"),
        ("aws.bedrock", "us.anthropic.claude-sonnet-4-20250514-v1:0", "claude"),
        ("aws.bedrock", "anthropic.claude-v2:1", "claude"),
        ("anthropic", "claude-opus-4-7", "claude_4_7"),
        ("anthropic", "claude-opus-4-7-20260416", "claude_4_7"),
        ("openrouter", "anthropic/claude-opus-4.8", "claude_4_7"),
        ("anthropic", "claude-opus-4-10", "claude_4_7"),
        ("anthropic", "claude-sonnet-5", "claude_4_7"),
        ("anthropic", None, "claude_4_7"),
        ("gcp.gemini", "gemini-3-pro", "gemini"),
        ("ollama", "gemma3:27b", "gemini"),
        ("gcp.vertex_ai", "my-tuned-model", "gemini"),
        ("groq", "llama-3.3-70b-versatile", "llama"),
        ("fireworks_ai", "accounts/fireworks/models/llama-v3p1-8b-instruct", "llama"),
        ("deepseek", "deepseek-chat", "deepseek"),
        ("groq", "deepseek-r1-distill-llama-70b", "llama"),
        ("ollama", "qwen3:8b", "qwen"),
        ("mistral_ai", "mistral-large-latest", "other"),
        (None, "my-model", "other"),
        (None, None, "other"),
    ],
)
def test_the_family_of_a_model(provider: str | None, model: str | None, family: str) -> None:
    assert catalogue().family(provider, model).name == family


@pytest.mark.parametrize(
    ("model", "factor"),
    [
        ("gpt-4o", "1"),
        ("gpt-4", "1"),
        ("claude-sonnet-4-6", "1.3"),
        ("claude-opus-4-7", "1.6"),
        ("gemini-3-pro", "1.15"),
        ("llama-3.3-70b", "1"),
        ("deepseek-chat", "1.05"),
        ("qwen3", "1.03"),
        ("mine", "1"),
    ],
)
@pytest.mark.parametrize("contents", [BY_BYTES, {}], ids=["tiktoken", "characters"])
def test_a_family_is_counted_by_its_factor(
    model: str, factor: str, contents: dict[str, bytes]
) -> None:
    units = 400 if contents else 100
    given, answer, _ = estimate(
        text("x" * 400, "y" * 400) | {"gen_ai.request.model": model}, contents=contents
    )
    assert answer == ceil(units * Fraction(factor))
    assert given == answer + CHAT


def test_the_model_that_answered_decides() -> None:
    asked = {"gen_ai.request.model": "my-deployment", "gen_ai.response.model": "claude-opus-4-7"}
    assert estimate(text(None, "y" * 100) | asked)[1] == 160


def test_the_last_family_takes_everything() -> None:
    *_, last = catalogue().families
    assert not last.models
    assert {family.encoding for family in catalogue().families} == set(catalogue().encodings)


def test_addresses_hashes_and_patterns_are_tiktokens_own(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, str] = {}

    def load(url: str, expected_hash: str) -> dict[bytes, int]:
        asked.update(url=url, sha256=expected_hash)
        return {}

    monkeypatch.setattr(published, "load_tiktoken_bpe", load)
    urls = {
        "o200k_base": "fb374d419588a4632f3f557e76b4b70aebbca790",
        "cl100k_base": "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
    }
    for name, file in catalogue().encodings.items():
        constructed = published.ENCODING_CONSTRUCTORS[name]()
        assert file.pattern == constructed["pat_str"]
        assert file.sha256 == asked["sha256"]
        assert file.file_name == urls[name]
        assert asked["url"].endswith(f"/{name}.tiktoken")


# The rule of characters ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        pytest.param([], 0, id="nothing"),
        pytest.param([""], 0, id="no character"),
        pytest.param(["a"], 1, id="rounded up"),
        pytest.param(["abcd"], 1, id="four characters"),
        pytest.param(["abcd", "e"], 2, id="all texts together"),
        pytest.param(["漢"], 1, id="0.6, rounded up"),
        pytest.param(["漢字仮名交じり文字列です"], 8, id="12 CJK characters"),
        pytest.param(["한국어"], 2, id="Hangul"),
        pytest.param(["ééé"], 1, id="accents are ordinary characters"),
        pytest.param(["漢字 abcdef"], 3, id="both"),
    ],
)
def test_by_characters(texts: Sequence[str], expected: int) -> None:
    assert by_characters(texts) == expected


def test_without_files_characters_are_counted_and_that_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    estimate = estimator({})
    assert tokens(estimate(normalise(chat(text("x" * 400)))))[0] == 100 + CHAT
    assert set(estimate.methods.values()) == {Method.CHARACTERS}
    assert estimate.estimated == {Method.TIKTOKEN: 0, Method.CHARACTERS: 1}
    [line] = [record for record in caplog.records if record.name == "exporter.genai.estimate"]
    assert line.__dict__["methods"] == {"o200k_base": "characters", "cl100k_base": "characters"}


def test_each_encoding_has_its_own_method() -> None:
    methods = estimator({"o200k_base": BYTES}).methods
    assert methods == {"o200k_base": Method.TIKTOKEN, "cl100k_base": Method.CHARACTERS}


# Limits -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "answer", "expected"),
    [
        pytest.param("x" * 100, None, (100, None), id="at the limit"),
        pytest.param("x" * 100 + "é" * 100, None, (200, None), id="twice of what was counted"),
        pytest.param("é" * 100 + "x" * 50, None, (300, None), id="1.5 times of it"),
        pytest.param("x" * 90, "é" * 90, (90, 180), id="both beyond"),
        pytest.param("é" * 30 + "x" * 300, "éé", (432, 4), id="a short answer is counted whole"),
        pytest.param("éé", "é" * 30 + "x" * 300, (4, 432), id="a short question too"),
    ],
)
def test_a_longer_text_is_extrapolated(
    given: str, answer: str | None, expected: tuple[int, int | None]
) -> None:
    attributes = text(given, answer) | {"gen_ai.operation.name": "text_completion"}
    assert estimate(attributes, span_max_chars=100)[:2] == expected


def test_messages_are_counted_up_to_the_limit() -> None:
    messages = [{"role": "user", "content": "é" * 60}, {"role": "user", "content": "x" * 140}]
    given, _, _ = estimate(text(json.dumps(messages)), span_max_chars=100)
    assert given == (120 + 40) * 2 + 3 + 2 * 3


def test_beyond_the_limit_of_a_batch_characters_are_counted() -> None:
    estimate = estimator(batch_max_chars=250)
    lengths = [100, 100, 100, 40]
    spans = [chat(text("x" * length), number=n + 1) for n, length in enumerate(lengths)]
    done = estimate(normalise(*spans))
    counted = [count - CHAT for count in done["TokensInput"].to_pylist()]
    assert counted == [100, 100, 25, 40]
    assert estimate.estimated == {Method.TIKTOKEN: 3, Method.CHARACTERS: 1}
    # The next batch has its own.
    assert tokens(estimate(normalise(spans[0])))[0] == 100 + CHAT


# Whatever is sent ---------------------------------------------------------------------------------

TEXTS = st.text(max_size=300)
KEYS = st.sampled_from(["role", "content", "parts", "text", "type", "arguments", "messages", "x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
COLUMN = st.none() | TEXTS | JSON.map(json.dumps)
BLANK = normalise(*(chat(number=n + 1) for n in range(3)))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(COLUMN, min_size=9, max_size=9),
    st.sampled_from([BY_BYTES, {}]),
    st.integers(2, 400),
    st.integers(0, 1000),
)
def test_no_text_raises_or_counts_less_than_nothing(
    columns: list[str | None], contents: dict[str, bytes], span_max: int, batch_max: int
) -> None:
    batch = BLANK.with_columns({
        name: pa.array(columns[i : i + 3], pa.string())
        for i, name in zip((0, 3, 6), ("Input", "Output", "System"), strict=True)
    })  # fmt: skip
    estimate = estimator(contents, span_max_chars=span_max, batch_max_chars=batch_max)
    done = estimate(batch)
    for at in range(3):
        given, answer, source = tokens(done, at)
        assert (source == "estimated") == (given is not None or answer is not None)
        assert given is None or CHAT <= given <= 10 * (sum(len(c or "") for c in columns) + 10)
    others = [kind.column for kind in TOKEN_KINDS if kind.name not in {"input", "output"}]
    assert all(done[name].null_count == len(done) for name in others)


@settings(max_examples=100, deadline=None)
@given(TEXTS, TEXTS)
def test_more_text_is_never_fewer_tokens(some: str, more: str) -> None:
    assert by_characters([some + more]) >= by_characters([some])
    for contents in (BY_BYTES, {}):
        counted = [
            estimate(text(None, f"x{answer}"), contents=contents)[1]
            for answer in (some, some + more)
        ]
        assert counted == sorted(counted)


# Files --------------------------------------------------------------------------------------------


def wheel(files: dict[str, bytes]) -> bytes:
    packed = BytesIO()
    with ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"llama_index/core/_static/tiktoken_cache/{name}", content)
    return packed.getvalue()


NAMES = [file.file_name for file in catalogue().encodings.values()]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(b"no wheel", r"it\.whl: not a wheel", id="not a zip file"),
        pytest.param(wheel({}), r"it\.whl: holds no o200k_base \(fb37", id="without the files"),
        pytest.param(
            wheel(dict.fromkeys(NAMES, BYTES)),
            r"it\.whl: .*fb37.*: not the file of o200k_base: its SHA-256 is .*, expected 446a",
            id="with other files",
        ),
        pytest.param(
            wheel(dict.fromkeys(NAMES, b"\0" * (17 * 1024 * 1024))),
            "holds no o200k_base",
            id="with files that are too large",
        ),
    ],
)
def test_a_wheel_that_does_not_hold_the_files_installs_nothing(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        install(content, tmp_path / "files", where="it.whl")
    assert not (tmp_path / "files").exists()


def test_a_file_with_another_hash_is_refused(tmp_path: Path) -> None:
    path = tmp_path / NAMES[0]
    path.write_bytes(BYTES)
    with pytest.raises(ConfigurationError, match=f"{NAMES[0]}: not the file of .* replaces it"):
        read(tmp_path)


def test_a_directory_that_does_not_exist_holds_no_files(tmp_path: Path) -> None:
    assert set(read(tmp_path / "none").methods.values()) == {Method.CHARACTERS}


def test_a_file_that_cannot_be_read_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / NAMES[0]).mkdir()
    with pytest.raises(ConfigurationError, match="Is a directory"):
        read(tmp_path)


def test_nothing_is_fetched_for_want_of_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        pytest.fail("a socket was asked for")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    counters = [Tokenizers(BY_BYTES), read(tmp_path)]
    assert [each.counter("o200k_base")(["abcd"]) for each in counters] == [4, 1]


def test_a_panic_of_the_tokenizer_falls_back_to_characters() -> None:
    class PanicException(BaseException):
        pass

    class Encoding:
        def __init__(self, error: type[BaseException]) -> None:
            self._error = error

        def encode_ordinary(self, _: str) -> list[int]:
            raise self._error

    assert tokenizers._by_tiktoken(Encoding(PanicException), ["abcd"]) == 1
    with pytest.raises(KeyboardInterrupt):
        tokenizers._by_tiktoken(Encoding(KeyboardInterrupt), ["abcd"])
