"""An ordinary application that only sets OTEL_EXPORTER_OTLP_ENDPOINT is seen, priced and stored."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from exporter.demo.providers import ProviderServer
from exporter.demo.run import Pace, Target, run_demo
from tests.support.service import environment, running_service

_APP = Path(__file__).with_name("openai_app.py")


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_one_call_of_the_openai_sdk_arrives_with_model_tokens_and_cost(
    protocol: str, tmp_path: Path
) -> None:
    with ProviderServer() as providers, running_service(tmp_path) as service:
        endpoints = service.endpoints
        subprocess.run(
            [sys.executable, _APP, providers.url],
            env=environment()
            | {
                "OTEL_SERVICE_NAME": "greeter",
                "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
                "OTEL_EXPORTER_OTLP_ENDPOINT": (
                    endpoints.otlp_grpc if protocol == "grpc" else endpoints.otlp_http
                ),
            },
            check=True,
            timeout=60,
        )
        metrics = service.wait_until_stored(1)
        assert service.stop() == 0
        rows = service.query(
            "SELECT ServiceName, Provider, RequestModel, ResponseModel, Model, TokensInput, "
            "TokensCacheRead, TokensOutput, CostUsd FROM otel_traces"
        )
    # 176 x 0.15 + 1024 x 0.075 + 80 x 0.60 dollars a million.
    cost = Decimal("0.000151200")
    assert [tuple(row) for row in rows] == [
        (
            "greeter",
            "openai",
            "gpt-4o-mini",
            "gpt-4o-mini-2024-07-18",
            "gpt-4o-mini",
            176,
            1024,
            80,
            cost,
        )
    ]
    call = {"service_name": "greeter", "provider": "openai", "model": "gpt-4o-mini"}
    assert metrics.value("llm_requests_total", status="ok", operation="chat", **call) == 1
    assert metrics.value("llm_tokens_total", token_type="cache_read", **call) == 1024
    assert round(metrics.value("llm_cost_usd_total", **call) * 1e9) == 151_200


def test_the_demo_counts_exactly_what_the_providers_billed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_service(tmp_path) as service:
        target = Target(
            otlp_grpc_url=service.endpoints.otlp_grpc,
            otlp_http_url=service.endpoints.otlp_http,
            metrics_url=service.endpoints.metrics,
        )
        assert (
            run_demo(target, rounds=4, pace=Pace(latency_scale=0.0, pause_s=0.0, refresh_s=0.05))
            == 0
        )
    printed = " ".join(capsys.readouterr().out.split())
    _, _, claim = printed.partition("The stand-in providers took ")
    billed, _, seen = claim.partition("; the metrics say ")
    calls, _, tokens = billed.removesuffix(" tokens").partition(" calls and billed ")
    assert seen.startswith(f"{calls} and {tokens}."), printed
