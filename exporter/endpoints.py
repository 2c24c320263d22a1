"""Where a running service listens."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Endpoints:
    """URLs that a person or a program can use as they are."""

    otlp_grpc: str
    otlp_http: str
    metrics: str
    api: str
