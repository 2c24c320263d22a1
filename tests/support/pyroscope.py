"""Ask the Pyroscope API of a running service, and read flame graphs as Grafana does."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format

from exporter.api.pyroscope.messages import new
from tests.support.service import Answer, http

PROTO = "application/proto"
JSON = "application/json"
QUERIER = "querier.v1.QuerierService"


def profile(name: str) -> str:
    """Return a profile type's id."""
    units = {"cost": "nUSD", "wall": "nanoseconds", "work": "nanoseconds"}
    unit = units.get(name, "tokens" if name.startswith("tokens") else "count")
    return f"llm:{name}:{unit}:llm:count"


COST = profile("cost")


@dataclass(frozen=True, slots=True)
class PyroscopeApi:
    """The API at a data source's URL."""

    url: str

    def post(
        self,
        method: str,
        body: bytes,
        content_type: str = JSON,
        headers: Mapping[str, str] = {},
        service: str = QUERIER,
    ) -> Answer:
        """Call a procedure with a body as it is."""
        named = {"Content-Type": content_type, **headers}
        return http(f"{self.url}/{service}/{method}", body, named, "POST")

    def ask(self, method: str, **fields: Any) -> Any:
        """Call a procedure in JSON; return the answer's JSON."""
        answer = self.post(method, json.dumps(fields).encode())
        assert answer.status == 200, answer
        assert answer.media == JSON
        return answer.json

    def ask_proto(self, method: str, request: Any, answer: str) -> Any:
        """Call a procedure in protobuf; return the answer as a message."""
        found = self.post(method, request.SerializeToString(), PROTO)
        assert found.status == 200, found
        assert found.media == PROTO
        return new(answer).FromString(found.body)

    def refusal(self, method: str, **fields: Any) -> tuple[int, str, str]:
        """Call a procedure that must fail; return status, code and message."""
        answer = self.post(method, json.dumps(fields).encode())
        assert answer.media == JSON, answer
        assert answer.json.keys() == {"code", "message"}
        return answer.status, answer.json["code"], answer.json["message"]

    def get(self, path: str) -> Answer:
        """GET a page below the prefix."""
        return http(f"{self.url}/{path}")


def as_json(message: Any) -> Any:
    """Return a message as the JSON that the protocol writes."""
    return json.loads(json_format.MessageToJson(message))


def unpacked(answer: Answer) -> bytes:
    return gzip.decompress(answer.body)


@dataclass(slots=True)
class Bar:
    """One bar of a flame graph, where it lies."""

    name: str
    start: int
    total: int
    own: int
    path: tuple[str, ...] = ()


def grafana_paths(flame_graph: Mapping[str, Any] | None) -> dict[tuple[str, ...], tuple[int, int]]:
    """Return total and own value by path, found as Grafana finds them: by containment.

    A bar that no bar of the level above contains is lost there; here it fails.
    """
    if not flame_graph:
        return {}
    names = flame_graph["names"]
    above: list[Bar] = []
    found: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0])
    for level in flame_graph["levels"]:
        bars = _bars([int(value) for value in level["values"]], names)
        for bar in bars:
            # Grafana walks the parents from left to right and takes the first that fits.
            parents = [
                p
                for p in above
                if p.start <= bar.start and bar.start + bar.total <= p.start + p.total
            ]
            assert parents or not above, f"{bar} is in no bar of the level above"
            bar.path = (*parents[0].path, bar.name) if parents else (bar.name,)
            found[bar.path][0] += bar.total
            found[bar.path][1] += bar.own
        above = bars
    return {path: (total, own) for path, (total, own) in found.items()}


def _bars(values: Sequence[int], names: Sequence[str]) -> list[Bar]:
    bars: list[Bar] = []
    end = 0
    for at in range(0, len(values), 4):
        offset, total, own, name = values[at : at + 4]
        bars.append(Bar(names[name], end + offset, total, own))
        end = bars[-1].start + total
    return bars
