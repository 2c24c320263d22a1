"""Every error has a code of the Connect protocol, and every code its HTTP status."""

import pytest

from exporter.api.pyroscope.connect import HTTP_STATUS, Code, code_of
from exporter.errors import (
    CancelledError,
    ConfigurationError,
    MalformedError,
    ObservatoryError,
    OverloadedError,
    StoreUnavailableError,
    TooLargeError,
    UnsupportedError,
    WrongQueryError,
)


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (MalformedError("x"), "invalid_argument", 400),
        (WrongQueryError("x"), "invalid_argument", 400),
        (UnsupportedError("x"), "unimplemented", 501),
        (TooLargeError("x"), "resource_exhausted", 429),
        (OverloadedError("x"), "resource_exhausted", 429),
        (StoreUnavailableError("x"), "unavailable", 503),
        (ConfigurationError("x"), "unavailable", 503),
        (CancelledError("x"), "canceled", 499),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_says_what_a_client_should_do(
    error: ObservatoryError, code: str, status: int
) -> None:
    found = code_of(error)
    assert (found.value, HTTP_STATUS[found]) == (code, status)


def test_no_error_and_no_code_is_forgotten() -> None:
    kinds = [ObservatoryError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
        assert code_of(kind("x"))
    assert set(HTTP_STATUS) == set(Code)
