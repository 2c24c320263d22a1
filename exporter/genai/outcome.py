"""Say how a span ended, in one small set of words whatever the sender calls it.

A failed span is judged by the first of these that says something: error.type, the HTTP status,
the exception's type, the status message. A span that did not fail can still have ended badly for
whoever reads the answer: its finish reason says that it was cut off or filtered.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from exporter.spans.arrow import pc, words
from exporter.spans.batch import Bools

# The words are the values of a label, so their set is closed.
OUTCOMES: tuple[str, ...] = (
    "ok",
    "rate_limited",
    "timeout",
    "cancelled",
    "invalid_request",
    "auth",
    "content_filter",
    "truncated",
    "server_error",
    "other",
)

# What an HTTP status means where its class does not say it. 402 is an account without credit: a
# limit, as OpenAI says it with 429. 529 is Anthropic's overload, which no caller's limit explains,
# so it stays with the other 5xx.
_BY_HTTP_STATUS: dict[int, str] = {
    401: "auth",
    402: "rate_limited",
    403: "auth",
    407: "auth",
    408: "timeout",
    429: "rate_limited",
    499: "cancelled",
    504: "timeout",
    524: "timeout",
}
_BY_HTTP_CLASS: dict[int, str] = {4: "invalid_request", 5: "server_error"}

# Patterns on the last part of an error's name in lower case, without `_`, `-` and spaces, so that
# openai.RateLimitError, rate_limit_error and RATE-LIMIT are one word. The first that is found
# counts. A provider that cannot be reached is as good as one that fails: server_error.
_BY_ERROR_NAME: tuple[tuple[str, str], ...] = (
    (r"ratelimit|toomanyrequests|throttl|resourceexhausted|quota|budget|credit", "rate_limited"),
    (r"timeout|timedout|deadlineexceeded", "timeout"),
    (
        r"contentfilter|contentpolicy|contentmanagement|moderation|safety|guardrail",
        "content_filter",
    ),
    (r"clientdisconnect|clientclosed|cancel|generatorexit|keyboardinterrupt", "cancelled"),
    (r"authenti|authoriz|permission|forbidden|accessdenied|apikey|credentials", "auth"),
    (r"expiredtoken|unrecognizedclient", "auth"),
    (r"badrequest|invalidrequest|invalidargument|invalidparam|invalidprompt", "invalid_request"),
    (r"validation|notfound|unprocessable|unsupported|failedprecondition", "invalid_request"),
    (r"contextlength|contextwindow|toolarge", "invalid_request"),
    (r"overload|internalserver|servererror|unavailable|gateway|connect|econn", "server_error"),
    (r"^internal(error)?$|^apierror$|modelerror|modelnotready|streaming?error", "server_error"),
    (r"^(request|user)?abort", "cancelled"),
)
_ERROR_NAMES = tuple((re.compile(pattern), outcome) for pattern, outcome in _BY_ERROR_NAME)
_NAME_CHARS_MAX = 200

_FINISH_REASONS: dict[str, str] = {
    "length": "truncated",
    "maxlength": "truncated",
    "maxtokens": "truncated",
    "maxoutputtokens": "truncated",
    "modellength": "truncated",
    "modelcontextwindowexceeded": "truncated",
    "incomplete": "truncated",
    "contentfilter": "content_filter",
    "contentfiltered": "content_filter",
    "safety": "content_filter",
    "imagesafety": "content_filter",
    "refusal": "content_filter",
    "recitation": "content_filter",
    "blocklist": "content_filter",
    "prohibitedcontent": "content_filter",
    "spii": "content_filter",
    "sensitive": "content_filter",
    "guardrailintervened": "content_filter",
    "cancelled": "cancelled",
    "canceled": "cancelled",
    "abort": "cancelled",
    # OpenTelemetry's word for a stream that broke off.
    "error": "other",
}

# `RateLimitError: ...`, as OpenTelemetry's SDKs describe an exception, and `Error code: 429`, as
# the OpenAI and Anthropic SDKs word it.
_CLASS_IN_MESSAGE = (
    r"^(?P<found>[A-Za-z_][A-Za-z0-9_.]{0,150}(?:Error|Exception|Timeout))(?:[:( ]|$)"
)
# `429 RESOURCE_EXHAUSTED`, perhaps behind the exception's class, as Google's SDK words it.
_STATUS_IN_MESSAGE = (
    r"(?i)(?:\b(?:error code|status code|status|http)\W{0,3}|^(?:[a-z_.]{1,80}: )?)"
    r"(?P<found>[45][0-9]{2})\b"
)
# The AI SDK for JavaScript passes on nothing but the provider's own sentence.
_LIMIT_IN_MESSAGE = r"(?i)^(?P<found>rate limit|too many requests)"


def of_error_name(name: str) -> str | None:
    """Return what an error's name, or its HTTP status as text, says; None: nothing."""
    last = name.strip()[-_NAME_CHARS_MAX:]
    if last.isdecimal():
        return of_http_status(last)
    folded = _folded(last.rpartition(".")[2])
    return next((outcome for pattern, outcome in _ERROR_NAMES if pattern.search(folded)), None)


def of_http_status(status: str) -> str | None:
    """Return what an HTTP status says; None for one that is no error."""
    if not re.fullmatch(r"[1-5][0-9]{2}", status):
        return None
    code = int(status)
    return _BY_HTTP_STATUS.get(code) or _BY_HTTP_CLASS.get(code // 100)


def of_finish_reason(reason: str) -> str | None:
    """Return what a finish reason says of an answer that is not whole; None: nothing."""
    return _FINISH_REASONS.get(_folded(reason))


@dataclass(frozen=True, slots=True, kw_only=True)
class Endings:
    """What n spans say about their end; every array has one item for each."""

    failed: Bools
    classed: Bools
    """Whether it is a GenAI span at all."""
    error_type: pa.Array
    http_status: pa.Array
    exception_type: pa.Array
    status_message: pa.Array
    exception_message: pa.Array
    finish_reason: pa.Array


def outcomes(endings: Endings) -> pa.DictionaryArray:
    """Return how each classed span ended, null for the others."""
    failed = endings.failed & endings.classed
    codes = np.where(failed, -1, OUTCOMES.index("ok")).astype(np.int32)
    _fill(codes, ~failed, endings.finish_reason, of_finish_reason)
    if failed.any():
        for column, judge in (
            (endings.error_type, of_error_name),
            (endings.http_status, of_http_status),
            (endings.exception_type, of_error_name),
        ):
            _fill(codes, codes < 0, column, judge)
        _fill_from_messages(codes, endings.status_message)
        _fill_from_messages(codes, endings.exception_message)
        codes[codes < 0] = OUTCOMES.index("other")
    return words(np.where(endings.classed, codes, -1).astype(np.int32), OUTCOMES)


def _fill(
    codes: NDArray[np.int32], rows: Bools, column: pa.Array, judge: Callable[[str], str | None]
) -> None:
    """Give the marked rows the outcome that their word stands for, if it stands for one."""
    encoded = column if isinstance(column, pa.DictionaryArray) else column.dictionary_encode()
    judged = [None if word is None else judge(word) for word in encoded.dictionary.to_pylist()]
    # The last one is for a null: its position is -1.
    table = np.array([-1 if o is None else OUTCOMES.index(o) for o in [*judged, None]], np.int32)
    found = table[encoded.indices.fill_null(-1).to_numpy()]
    chosen = rows & (found >= 0)
    codes[chosen] = found[chosen]


def _fill_from_messages(codes: NDArray[np.int32], messages: pa.Array) -> None:
    open_rows = np.flatnonzero(codes < 0)
    texts = messages.take(pa.array(open_rows)).cast(pa.string())
    own = np.full(len(open_rows), -1, dtype=np.int32)
    for pattern, judge in (
        (_STATUS_IN_MESSAGE, of_http_status),
        (_CLASS_IN_MESSAGE, of_error_name),
        (_LIMIT_IN_MESSAGE, lambda _: "rate_limited"),
    ):
        found = pc.extract_regex(texts, pattern=pattern)
        _fill(own, own < 0, pc.struct_field(found, "found"), judge)
    codes[open_rows] = own


def _folded(name: str) -> str:
    return re.sub(r"[_\-\s]", "", name).lower()
