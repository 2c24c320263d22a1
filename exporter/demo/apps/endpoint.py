"""The server span around one visit, which every HTTP service of the shop has."""

from collections.abc import Generator
from contextlib import contextmanager

from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer

from exporter.demo.visits import Visit


@contextmanager
def endpoint(
    tracer: Tracer, name: str, visit: Visit, *, expected: type[Exception]
) -> Generator[None, None, None]:
    """Trace one request, named as `POST /chat`. An expected failure becomes an HTTP 503."""
    method, _, route = name.partition(" ")
    attributes = {
        "http.request.method": method,
        "http.route": route,
        "gen_ai.conversation.id": visit.session_id,
    }
    with tracer.start_as_current_span(name, kind=SpanKind.SERVER, attributes=attributes) as span:
        try:
            yield
        except expected as error:
            span.set_attribute("http.response.status_code", 503)
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(Status(StatusCode.ERROR))
        else:
            span.set_attribute("http.response.status_code", 200)
