"""Every error that is raised on purpose, typed by what the sender should do about it.

    ObservatoryError
    ├── PermanentError        the same bytes fail again: drop them
    │   ├── MalformedError      not a readable request
    │   ├── TooLargeError       above a size limit
    │   ├── UnsupportedError    an encoding or a signal that is not served
    │   ├── RejectedRowsError   the store refuses these rows for good
    │   └── WrongQueryError     a question that cannot be read, or asks for too much
    ├── RetryableError        the same bytes may succeed later
    │   ├── OverloadedError     a queue is full
    │   ├── StoppingError       the service is shutting down
    │   ├── StoreUnavailableError   the store does not answer, or is busy
    │   ├── UndeliveredError    whoever gets a message does not answer, or is busy
    │   └── CancelledError      whoever asked has gone
    └── ConfigurationError    a person has to change something before the start

`RESPONSES` is the one table from error to gRPC and HTTP status. It follows the OTLP specification
1.11, "Failures" and "OTLP/HTTP Response": a sender repeats only 429, 502, 503 and 504, and
RESOURCE_EXHAUSTED only when a RetryInfo comes with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class ObservatoryError(Exception):
    """The root: never raised itself."""


class PermanentError(ObservatoryError):
    """The same input fails again: whoever sent it must drop it."""


class MalformedError(PermanentError):
    """The request cannot be read."""


class TooLargeError(PermanentError):
    """The request is above a size limit after decompression."""


class UnsupportedError(PermanentError):
    """The content type or content encoding is not one that is served."""


class RejectedRowsError(PermanentError):
    """The store refuses these rows, and would refuse them again."""


class WrongQueryError(PermanentError):
    """The question cannot be read, or asks for more than it may.

    `position` is where in its text, counted from 0, None: nowhere in particular.
    """

    def __init__(self, message: str, *, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position


class RetryableError(ObservatoryError):
    """The same input may succeed after `retry_after_s` seconds."""

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class OverloadedError(RetryableError):
    """A bounded queue is full."""


class StoppingError(RetryableError):
    """The service is shutting down and takes no more work."""


class StoreUnavailableError(RetryableError):
    """The store does not answer, or says that it is busy."""


class UndeliveredError(RetryableError):
    """Whoever gets a message does not answer, or says that it is busy."""


class CancelledError(RetryableError):
    """Whoever asked has gone, so the work was stopped."""


class ConfigurationError(ObservatoryError):
    """A setting, a file or the installation is wrong: the start must stop."""


class GrpcCode(IntEnum):
    """The canonical gRPC codes that are answered here (google.rpc.Code numbers)."""

    INVALID_ARGUMENT = 3
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14


@dataclass(frozen=True, slots=True)
class Response:
    """How one error looks to a sender over each transport."""

    grpc: GrpcCode
    http: int


RESPONSES: dict[type[ObservatoryError], Response] = {
    MalformedError: Response(GrpcCode.INVALID_ARGUMENT, 400),
    TooLargeError: Response(GrpcCode.RESOURCE_EXHAUSTED, 413),
    UnsupportedError: Response(GrpcCode.INVALID_ARGUMENT, 415),
    RejectedRowsError: Response(GrpcCode.INVALID_ARGUMENT, 400),
    WrongQueryError: Response(GrpcCode.INVALID_ARGUMENT, 400),
    OverloadedError: Response(GrpcCode.UNAVAILABLE, 429),
    StoppingError: Response(GrpcCode.UNAVAILABLE, 503),
    StoreUnavailableError: Response(GrpcCode.UNAVAILABLE, 503),
    UndeliveredError: Response(GrpcCode.UNAVAILABLE, 503),
    CancelledError: Response(GrpcCode.UNAVAILABLE, 503),
}

# What nobody foresaw is our fault, not the sender's data: a sender may try again.
UNFORESEEN = Response(GrpcCode.UNAVAILABLE, 503)


def response_to(error: BaseException) -> Response:
    """Return how `error` is answered; an error outside the table is retryable."""
    return next((RESPONSES[kind] for kind in type(error).__mro__ if kind in RESPONSES), UNFORESEEN)
