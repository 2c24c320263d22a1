"""Traffic as it comes: each span is sent soon after it has ended, the way an SDK sends it.

The replayed day is hours late by nature, so what the service says of itself (lag, queues, memory)
is measured while this runs.
"""

from __future__ import annotations

import heapq
import itertools
import random
import time
from collections.abc import Iterator, Sequence

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from tests.pictures.moved import moved, seconds_of
from tests.support.otlp import NS
from tests.support.service import Service, http

_SEED = 11
_EVERY_S = 1.0
_TRACES_PER_S = 0.8
# What people look at meanwhile.
_QUESTIONS_PER_S = 0.5
_QUESTIONS = ("/api/summary", "/api/models", "/api/traces", "/tempo/api/search?q=%7B%7D")


def live(service: Service, traces: Sequence[TracesData], for_s: float) -> None:
    """Send for so many seconds, and then what has not ended by then."""
    chance = random.Random(_SEED)
    turns = itertools.count()
    # By end: one request for each span, as its resource and scope have to come with it.
    ahead: list[tuple[int, int, ExportTraceServiceRequest]] = []
    end = time.monotonic() + for_s
    while ahead or time.monotonic() < end:
        if time.monotonic() < end and chance.random() < _TRACES_PER_S * _EVERY_S:
            trace = chance.choice(traces)
            ends_ns = time.time_ns() + round(seconds_of(trace) * NS)
            for each_ns, body in _single(moved(trace, ends_ns, chance.getrandbits(64))):
                heapq.heappush(ahead, (each_ns, next(turns), body))
        _send(service, ahead)
        if chance.random() < _QUESTIONS_PER_S * _EVERY_S:
            url = f"{service.endpoints.api}{chance.choice(_QUESTIONS)}"
            assert http(url).status == 200, url
        time.sleep(_EVERY_S)


def _send(service: Service, ahead: list[tuple[int, int, ExportTraceServiceRequest]]) -> None:
    body = ExportTraceServiceRequest()
    while ahead and ahead[0][0] <= time.time_ns():
        body.MergeFrom(heapq.heappop(ahead)[2])
    if body.resource_spans:
        assert service.export(body.SerializeToString()).status == 200


def _single(request: ExportTraceServiceRequest) -> Iterator[tuple[int, ExportTraceServiceRequest]]:
    """Each span with its end, in a request of its own."""
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                alone = ExportTraceServiceRequest()
                of_resource = alone.resource_spans.add(
                    resource=resource.resource, schema_url=resource.schema_url
                )
                of_scope = of_resource.scope_spans.add(
                    scope=scope.scope, schema_url=scope.schema_url
                )
                of_scope.spans.add().CopyFrom(span)
                yield span.end_time_unix_nano, alone
