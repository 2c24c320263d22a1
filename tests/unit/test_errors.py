"""Every error that reaches a sender has an answer that makes it do the right thing."""

from collections.abc import Iterator

import pytest

from exporter import errors
from exporter.errors import (
    RESPONSES,
    ConfigurationError,
    GrpcCode,
    MalformedError,
    ObservatoryError,
    OverloadedError,
    PermanentError,
    RetryableError,
    response_to,
)

# OTLP 1.11: what a sender repeats.
REPEATED_HTTP = {429, 502, 503, 504}
REPEATED_GRPC = {GrpcCode.UNAVAILABLE}
NEVER_RAISED = {ObservatoryError, PermanentError, RetryableError}


def descendants(root: type[ObservatoryError]) -> Iterator[type[ObservatoryError]]:
    for child in root.__subclasses__():
        yield child
        yield from descendants(child)


# Of this package only: a test may define an error of its own.
ALL = [
    e for e in (ObservatoryError, *descendants(ObservatoryError)) if e.__module__ == errors.__name__
]
ANSWERED = [e for e in ALL if e not in NEVER_RAISED and not issubclass(e, ConfigurationError)]


def test_every_error_that_a_receiver_raises_is_in_the_table() -> None:
    assert set(RESPONSES) == set(ANSWERED)


@pytest.mark.parametrize("kind", ANSWERED, ids=lambda kind: kind.__name__)
def test_only_a_retryable_error_makes_a_sender_repeat(kind: type[ObservatoryError]) -> None:
    answer = response_to(kind("why"))
    repeats = issubclass(kind, RetryableError)
    assert (answer.http in REPEATED_HTTP) == repeats
    assert (answer.grpc in REPEATED_GRPC) == repeats


@pytest.mark.parametrize("kind", ANSWERED, ids=lambda kind: kind.__name__)
def test_an_error_is_either_permanent_or_retryable(kind: type[ObservatoryError]) -> None:
    assert issubclass(kind, PermanentError) != issubclass(kind, RetryableError)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ValueError("x"), id="of Python"),
        pytest.param(ConfigurationError("x"), id="of our own, outside the table"),
        pytest.param(KeyboardInterrupt(), id="not an Exception"),
    ],
)
def test_what_nobody_foresaw_is_repeated(error: BaseException) -> None:
    answer = response_to(error)
    assert (answer.grpc, answer.http) == (GrpcCode.UNAVAILABLE, 503)


@pytest.mark.parametrize(
    ("parent", "kind"),
    [
        pytest.param(MalformedError, PermanentError, id="permanent"),
        pytest.param(OverloadedError, RetryableError, id="retryable"),
    ],
)
def test_a_narrower_error_is_answered_as_its_parent(
    parent: type[ObservatoryError], kind: type[ObservatoryError]
) -> None:
    narrower = type("NarrowerError", (parent,), {})
    assert issubclass(narrower, kind)
    assert response_to(narrower("x")) == RESPONSES[parent]


def test_every_error_is_in_the_drawing() -> None:
    assert errors.__doc__ is not None
    assert [e.__name__ for e in ALL if e.__name__ not in errors.__doc__] == []


def test_a_retryable_error_says_when() -> None:
    assert OverloadedError("full", retry_after_s=2.5).retry_after_s == 2.5
    assert OverloadedError("full").retry_after_s > 0


@pytest.mark.parametrize("code", GrpcCode)
def test_codes_are_those_of_grpc(code: GrpcCode) -> None:
    import grpc  # noqa: PLC0415  # slow to import, and only this test needs it

    assert grpc.StatusCode[code.name].value[0] == code
