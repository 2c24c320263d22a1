"""Every way in which a span can end is one of a few words."""

from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from exporter.genai.outcome import OUTCOMES, of_error_name, of_finish_reason, of_http_status
from exporter.metrics.catalog import REQUESTS
from tests.support.otlp import ERROR, OK, event, span
from tests.unit.pipeline import chat, normalise


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("RateLimitError", "rate_limited"),
        ("openai.RateLimitError", "rate_limited"),
        ("rate_limit_error", "rate_limited"),
        ("rate_limit_exceeded", "rate_limited"),
        ("rate_limited", "rate_limited"),
        ("google.api_core.exceptions.ResourceExhausted", "rate_limited"),
        ("botocore.errorfactory.ThrottlingException", "rate_limited"),
        ("insufficient_quota", "rate_limited"),
        ("litellm.BudgetExceededError", "rate_limited"),
        ("429", "rate_limited"),
        ("TimeoutError", "timeout"),
        ("openai.APITimeoutError", "timeout"),
        ("httpx.ConnectTimeout", "timeout"),
        ("DEADLINE_EXCEEDED", "timeout"),
        ("ETIMEDOUT", "timeout"),
        ("504", "timeout"),
        ("asyncio.exceptions.CancelledError", "cancelled"),
        ("AbortError", "cancelled"),
        ("starlette.requests.ClientDisconnect", "cancelled"),
        ("499", "cancelled"),
        ("openai.BadRequestError", "invalid_request"),
        ("invalid_request_error", "invalid_request"),
        ("context_length_exceeded", "invalid_request"),
        ("litellm.ContextWindowExceededError", "invalid_request"),
        ("NotFoundError", "invalid_request"),
        ("ValidationException", "invalid_request"),
        ("400", "invalid_request"),
        ("openai.AuthenticationError", "auth"),
        ("authentication", "auth"),
        ("PermissionDeniedError", "auth"),
        ("AccessDeniedException", "auth"),
        ("invalid_api_key", "auth"),
        ("UNAUTHENTICATED", "auth"),
        ("401", "auth"),
        ("litellm.ContentPolicyViolationError", "content_filter"),
        ("content_filter", "content_filter"),
        ("overloaded_error", "server_error"),
        ("529", "server_error"),
        ("InternalServerError", "server_error"),
        ("ServiceUnavailableException", "server_error"),
        ("openai.APIConnectionError", "server_error"),
        ("ConnectionAbortedError", "server_error"),
        ("UNAVAILABLE", "server_error"),
        ("500", "server_error"),
        ("ValueError", None),
        ("_OTHER", None),
        ("200", None),
        ("12345678", None),
        ("", None),
        ("...", None),
        ("x" * 100_000, None),
        ("²", None),
    ],
)
def test_names_of_errors(name: str, outcome: str | None) -> None:
    assert of_error_name(name) == outcome


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("200", None),
        ("402", "rate_limited"),
        ("403", "auth"),
        ("404", "invalid_request"),
        ("408", "timeout"),
        ("422", "invalid_request"),
        ("503", "server_error"),
        ("429.0", None),
        ("many", None),
        ("99999999999999999999", None),
    ],
)
def test_http_statuses(status: str, outcome: str | None) -> None:
    assert of_http_status(status) == outcome


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        ("stop", None),
        ("tool_calls", None),
        ("end_turn", None),
        ("length", "truncated"),
        ("max_tokens", "truncated"),
        ("MAX_TOKENS", "truncated"),
        ("max_output_tokens", "truncated"),
        ("content_filter", "content_filter"),
        ("content-filter", "content_filter"),
        ("SAFETY", "content_filter"),
        ("refusal", "content_filter"),
        ("guardrail_intervened", "content_filter"),
        ("abort", "cancelled"),
        ("error", "other"),
    ],
)
def test_finish_reasons(reason: str, outcome: str | None) -> None:
    assert of_finish_reason(reason) == outcome


def failed(attributes: dict[str, Any] | None = None, **of_span: Any) -> Span:
    return chat(attributes or {}, status=ERROR, **of_span)


def exception(name: str) -> Span.Event:
    return event("exception", {"exception.type": name})


@pytest.mark.parametrize(
    ("sent", "outcome"),
    [
        pytest.param(chat(), "ok", id="nothing said"),
        pytest.param(chat(status=OK), "ok", id="ok"),
        pytest.param(chat({"gen_ai.response.finish_reasons": ["stop"]}), "ok", id="stop"),
        pytest.param(chat({"gen_ai.response.finish_reasons": ["length"]}), "truncated", id="cut"),
        pytest.param(
            chat({"gen_ai.response.finish_reasons": ["SAFETY"]}, status=OK),
            "content_filter",
            id="filtered",
        ),
        pytest.param(failed(), "other", id="failed, nothing more said"),
        pytest.param(failed({"error.type": "ValueError"}), "other", id="a name that says nothing"),
        pytest.param(failed({"error.type": "RateLimitError"}), "rate_limited", id="error.type"),
        pytest.param(chat({"error.type": "timeout"}), "timeout", id="error.type without a status"),
        pytest.param(
            chat({"error.type": "timeout"}, status=OK), "ok", id="an error that was handled"
        ),
        pytest.param(
            failed({"error.type": "openai.APIStatusError", "http.response.status_code": 429}),
            "rate_limited",
            id="the HTTP status where error.type says nothing",
        ),
        pytest.param(
            failed({"error.type": "timeout", "http.status_code": 500}),
            "timeout",
            id="error.type before the HTTP status",
        ),
        pytest.param(failed({"http.status_code": "401"}), "auth", id="HTTP status as text"),
        pytest.param(
            failed({"http.status_code": 200}), "other", id="an HTTP status that is no error"
        ),
        pytest.param(
            failed(events=[exception("anthropic.InternalServerError")]),
            "server_error",
            id="the exception's type",
        ),
        pytest.param(
            chat(events=[exception("anthropic.InternalServerError")]),
            "ok",
            id="an exception on a span that did not fail",
        ),
        pytest.param(
            failed({"gen_ai.response.finish_reasons": ["length"]}),
            "other",
            id="a finish reason is no reason of a failure",
        ),
        pytest.param(span({"gen_ai.operation.name": "execute_tool"}), "ok", id="a tool"),
        pytest.param(span({"http.route": "/"}), None, id="no GenAI span"),
        pytest.param(span({"error.type": "timeout"}), None, id="a failed span that is none"),
    ],
)
def test_outcome_of_a_span(sent: Span, outcome: str | None) -> None:
    assert normalise(sent)["Outcome"].to_pylist() == [outcome]


@pytest.mark.parametrize(
    ("message", "outcome"),
    [
        ("RateLimitError: Error code: 429 - {'error': ...}", "rate_limited"),
        ("Error code: 529 - overloaded", "server_error"),
        ("openai.APITimeoutError: Request timed out.", "timeout"),
        ("Request failed with status code 401", "auth"),
        ("status: 503", "server_error"),
        ("the model took 429 tokens", "other"),
        ("ValueError: rate limit", "other"),
        ("", "other"),
        ("x" * 100_000, "other"),
    ],
)
def test_outcome_by_the_status_message(message: str, outcome: str) -> None:
    sent = failed()
    sent.status.message = message
    assert normalise(sent, chat(number=2))["Outcome"].to_pylist() == [outcome, "ok"]


def test_every_outcome_is_in_the_closed_set() -> None:
    (label,) = [label for label in REQUESTS.labels if label.name == "outcome"]
    assert not label.open
    assert len(set(OUTCOMES)) == len(OUTCOMES)
