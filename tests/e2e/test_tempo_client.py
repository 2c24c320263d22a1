"""A Go client with Tempo's own messages reads the Tempo API of a running service."""

import json
import subprocess
from pathlib import Path

from tests.support.otlp import request, span
from tests.support.service import Service, recent_call

CLIENT = Path(__file__).parents[1] / "clients" / "tempo"
# The first build compiles the standard library, too.
BUILD_TIMEOUT_S = 600


def test_tempos_own_messages_read_every_answer(service: Service, tmp_path: Path):
    program = tmp_path / "client"
    built = subprocess.run(
        ["go", "build", "-mod=readonly", "-o", str(program), "."],
        cwd=CLIENT,
        timeout=BUILD_TIMEOUT_S,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    values = {"text": "x", "int": 3, "double": float("nan"), "true": True, "list": [1], "b": b"\0"}
    root = recent_call(values, number=1, trace=7)
    child = span(values, number=2, parent=1, trace=7, start_ns=root.start_time_unix_nano)
    service.export(request(root, child, resource={}))  # No service is "unknown_service" to us.
    service.wait_until_stored(2)
    url = f"{service.endpoints.api}/tempo"
    asked = subprocess.run(
        [str(program), url, "7"], timeout=60, capture_output=True, text=True, check=False
    )
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout) == {
        "traces": 1,
        "spans": 2,
        "series": 1,
        "sides": 4,
        "places": 2,
        "numbers": 1,
        "scopes": 2,
        "values": 1,
        "tags v1": 1,
        "values v1": 1,
        "trace v1": 2,
        "trace v1 as JSON": 2,
        "trace v2": 2,
        "trace v2 as JSON": 2,
    }
