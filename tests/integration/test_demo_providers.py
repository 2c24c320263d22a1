"""The stand-in providers, as the real SDKs see them."""

from collections.abc import Iterator

import anthropic
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from exporter.demo.answers import USAGE_HEADER, count_tokens
from exporter.demo.faults import FAULT_HEADER, Fault, fault_headers
from exporter.demo.providers import ProviderServer

QUESTION = "Where is my parcel, please?"
ASK: list[ChatCompletionMessageParam] = [{"role": "user", "content": QUESTION}]
SCHEMA = {
    "type": "object",
    "properties": {"order": {"type": "string"}, "copies": {"type": "integer"}},
    "required": ["order", "copies"],
}


@pytest.fixture(scope="module")
def server() -> Iterator[ProviderServer]:
    with ProviderServer(seed=3) as running:
        yield running


@pytest.fixture(scope="module")
def gpt(server: ProviderServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="test", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def claude(server: ProviderServer) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=server.url, api_key="test", max_retries=0) as client:
        yield client


def test_chat_counts_the_text_that_was_sent(gpt: openai.OpenAI) -> None:
    answer = gpt.chat.completions.create(model="gpt-4o-mini", messages=ASK)
    assert answer.model == "gpt-4o-mini-2024-07-18"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == count_tokens(QUESTION)
    assert answer.usage.completion_tokens == count_tokens(answer.choices[0].message.content or "")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_same_seed_and_text_give_the_same_answer_under_another_id(gpt: openai.OpenAI) -> None:
    one, other = (gpt.chat.completions.create(model="gpt-4o-mini", messages=ASK) for _ in range(2))
    assert one.choices == other.choices
    assert one.id != other.id


def test_stream_says_what_the_whole_answer_says(gpt: openai.OpenAI) -> None:
    whole = gpt.chat.completions.create(model="gpt-5.4-mini", messages=ASK)
    with gpt.chat.completions.create(
        model="gpt-5.4-mini", messages=ASK, stream=True, stream_options={"include_usage": True}
    ) as stream:
        chunks = list(stream)
    deltas = [choice.delta.content or "" for chunk in chunks for choice in chunk.choices]
    assert "".join(deltas) == whole.choices[0].message.content
    assert [chunk.usage for chunk in chunks if chunk.usage] == [whole.usage]
    assert chunks[-1].usage == whole.usage
    assert whole.usage is not None
    details = whole.usage.completion_tokens_details
    assert details is not None
    assert details.reasoning_tokens


def test_stream_has_no_usage_unless_asked(gpt: openai.OpenAI) -> None:
    with gpt.chat.completions.create(model="gpt-4o-mini", messages=ASK, stream=True) as stream:
        assert not any(chunk.usage for chunk in stream)


@pytest.mark.parametrize("streamed", [False, True])
def test_chat_calls_a_tool_with_the_arguments_it_requires(
    gpt: openai.OpenAI, *, streamed: bool
) -> None:
    tool = {"type": "function", "function": {"name": "reprint", "parameters": SCHEMA}}
    answer = gpt.chat.completions.create(
        model="gpt-4o-mini", messages=ASK, tools=[tool], stream=streamed
    )
    if streamed:
        chunks = list(answer)
        calls = [c for chunk in chunks for c in chunk.choices[0].delta.tool_calls or []]
        assert chunks[-1].choices[0].finish_reason == "tool_calls"
    else:
        calls = answer.choices[0].message.tool_calls or []
        assert answer.choices[0].finish_reason == "tool_calls"
    assert [call.function.name for call in calls] == ["reprint"]
    assert calls[0].function.arguments.startswith('{"order": "A-')


def test_a_tool_that_has_answered_is_not_called_again(gpt: openai.OpenAI) -> None:
    answer = gpt.chat.completions.create(
        model="gpt-4o-mini",
        messages=[*ASK, {"role": "tool", "tool_call_id": "call_1", "content": "Done."}],
        tools=[{"type": "function", "function": {"name": "reprint", "parameters": SCHEMA}}],
    )
    assert answer.choices[0].finish_reason == "stop"


def test_usage_can_be_dictated(gpt: openai.OpenAI, server: ProviderServer) -> None:
    script = "input=1200 cache_read=1100 output=80 reasoning=64"
    before = server.ledger.input_tokens["o4-mini-2025-04-16"]
    answer = gpt.chat.completions.create(
        model="o4-mini", messages=ASK, extra_headers={USAGE_HEADER: script}
    )
    usage = answer.usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    assert usage.completion_tokens_details is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (1200, 80)
    assert usage.prompt_tokens_details.cached_tokens == 1024  # In steps of 128.
    assert usage.completion_tokens_details.reasoning_tokens == 64
    assert server.ledger.input_tokens["o4-mini-2025-04-16"] - before == 1200


def test_embeddings_of_similar_texts_are_near(gpt: openai.OpenAI) -> None:
    texts = ["blue mug broken", "the blue mug is broken", "refund please"]
    answer = gpt.embeddings.create(model="text-embedding-3-small", input=texts)
    first, near, far = (item.embedding for item in answer.data)
    assert len(first) == 1536
    assert sum(map(float.__mul__, first, near)) > sum(map(float.__mul__, first, far))
    assert answer.usage.total_tokens == sum(map(count_tokens, texts))
    plain = gpt.embeddings.create(
        model="text-embedding-3-small", input=texts[0], encoding_format="float"
    )
    assert plain.data[0].embedding == pytest.approx(first, abs=1e-6)


def test_responses_report_reasoning(gpt: openai.OpenAI) -> None:
    answer = gpt.responses.create(model="o4-mini", instructions="Be brief.", input=QUESTION)
    assert answer.usage is not None
    assert answer.usage.input_tokens == count_tokens("Be brief." + QUESTION)
    reasoning = answer.usage.output_tokens_details.reasoning_tokens
    assert answer.usage.output_tokens == count_tokens(answer.output_text) + reasoning


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        (Fault.RATE_LIMIT, openai.RateLimitError, "rate_limit_exceeded"),
        (Fault.SERVER_ERROR, openai.InternalServerError, None),
    ],
)
def test_openai_refuses_on_demand(
    gpt: openai.OpenAI,
    server: ProviderServer,
    fault: Fault,
    error: type[openai.APIStatusError],
    code: str | None,
) -> None:
    refused_before, calls_before = server.ledger.refused.total(), server.ledger.calls.total()
    with pytest.raises(error) as refused:
        gpt.chat.completions.create(
            model="gpt-4o-mini", messages=ASK, stream=True, extra_headers=fault_headers(fault)
        )
    assert refused.value.code == code
    assert ("retry-after" in refused.value.response.headers) is (fault is Fault.RATE_LIMIT)
    assert server.ledger.refused.total() - refused_before == 1
    assert server.ledger.calls.total() == calls_before


@pytest.mark.parametrize("call", ["chat", "embeddings", "responses"])
def test_openai_knows_no_other_models(gpt: openai.OpenAI, call: str) -> None:
    calls = {
        "chat": lambda: gpt.chat.completions.create(model="gpt-0", messages=ASK),
        "embeddings": lambda: gpt.embeddings.create(model="gpt-0", input=QUESTION),
        "responses": lambda: gpt.responses.create(model="gpt-0", input=QUESTION),
    }
    with pytest.raises(openai.NotFoundError) as refused:
        calls[call]()
    assert refused.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("fault", "openai_reason", "anthropic_reason"),
    [
        (Fault.LENGTH, "length", "max_tokens"),
        (Fault.CONTENT_FILTER, "content_filter", "refusal"),
    ],
)
def test_answers_are_cut_short_on_demand(
    gpt: openai.OpenAI,
    claude: anthropic.Anthropic,
    fault: Fault,
    openai_reason: str,
    anthropic_reason: str,
) -> None:
    headers = {FAULT_HEADER: fault.value}
    chat = gpt.chat.completions.create(model="gpt-4o-mini", messages=ASK, extra_headers=headers)
    assert chat.choices[0].finish_reason == openai_reason
    response = gpt.responses.create(model="o4-mini", input=QUESTION, extra_headers=headers)
    assert response.status == "incomplete"
    message = claude.messages.create(
        model="claude-haiku-4-5",
        max_tokens=500,
        messages=[{"role": "user", "content": QUESTION}],
        extra_headers=headers,
    )
    assert message.stop_reason == anthropic_reason


def test_answers_respect_their_limit(gpt: openai.OpenAI) -> None:
    answer = gpt.chat.completions.create(
        model="gpt-4o-mini", messages=ASK, max_completion_tokens=10
    )
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 10


def test_claude_writes_its_cache_then_reads_it(claude: anthropic.Anthropic) -> None:
    instructions = "Be kind. " * 600
    usages = [
        claude.messages.create(
            model="claude-sonnet-4-6",
            max_tokens=500,
            system=[{"type": "text", "text": instructions, "cache_control": {"type": "ephemeral"}}],
            messages=[{"role": "user", "content": QUESTION}],
        ).usage
        for _ in range(2)
    ]
    cached = count_tokens(instructions)
    assert [usage.cache_creation_input_tokens for usage in usages] == [cached, 0]
    assert [usage.cache_read_input_tokens for usage in usages] == [0, cached]
    plain = count_tokens(instructions + QUESTION) - cached
    assert [usage.input_tokens for usage in usages] == [plain, plain]


def test_claude_streams_what_it_says_whole(claude: anthropic.Anthropic) -> None:
    request = {
        "model": "claude-haiku-4-5",
        "max_tokens": 500,
        "messages": [{"role": "user", "content": QUESTION}],
        "tools": [{"name": "reprint", "input_schema": SCHEMA}],
    }
    whole = claude.messages.create(**request)
    with claude.messages.stream(**request) as stream:
        streamed = stream.get_final_message()
    assert whole.stop_reason == streamed.stop_reason == "tool_use"
    assert whole.usage == streamed.usage
    assert [block.type for block in streamed.content] == ["text", "tool_use"]
    assert streamed.content[0].text == whole.content[0].text
    assert streamed.content[1].input == whole.content[1].input


@pytest.mark.parametrize(
    ("model", "fault", "status", "kind"),
    [
        ("claude-haiku-4-5", Fault.RATE_LIMIT, 429, "rate_limit_error"),
        ("claude-haiku-4-5", Fault.OVERLOADED, 529, "overloaded_error"),
        ("claude-haiku-4-5", Fault.SERVER_ERROR, 500, "api_error"),
        ("claude-0", None, 404, "not_found_error"),
    ],
)
def test_anthropic_refuses_on_demand(
    claude: anthropic.Anthropic, model: str, fault: Fault | None, status: int, kind: str
) -> None:
    with pytest.raises(anthropic.APIStatusError) as refused:
        claude.messages.create(
            model=model,
            max_tokens=500,
            messages=[{"role": "user", "content": QUESTION}],
            extra_headers=fault_headers(fault),
        )
    assert refused.value.status_code == status
    assert refused.value.type == kind
