"""Give a demo service its own tracer provider, and its spans the visit they belong to."""

from collections.abc import Generator
from contextlib import contextmanager

from opentelemetry import context as context_api
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc import trace_exporter as otlp_grpc
from opentelemetry.exporter.otlp.proto.http import trace_exporter as otlp_http
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Tracer
from typing_extensions import override

from exporter.demo.shop import Protocol, Service
from exporter.demo.visits import Visit

_EXPORT_EVERY_MS = 500  # The live table should move; the SDK's own five seconds feel stuck.
_VISIT_KEY = context_api.create_key("demo-visit")


def start_tracing(service: Service, otlp_endpoint: str) -> TracerProvider:
    """Return a provider that exports to an OTLP endpoint. The caller shuts it down."""
    provider = TracerProvider(
        resource=Resource.create(
            {
                "service.name": service.name,
                "service.namespace": "demo-shop",
                "service.version": service.release,
                "deployment.environment.name": service.environment,
            }
        ),
        # The default hook would outlive the provider's owner, who shuts it down in any case.
        shutdown_on_exit=False,
    )
    provider.add_span_processor(VisitStamp())
    provider.add_span_processor(
        BatchSpanProcessor(
            _exporter(service.protocol, otlp_endpoint), schedule_delay_millis=_EXPORT_EVERY_MS
        )
    )
    return provider


def app_tracer(provider: TracerProvider) -> Tracer:
    """Return the tracer for spans that the shop's own code makes."""
    return provider.get_tracer("exporter.demo")


@contextmanager
def during(visit: Visit) -> Generator[None, None, None]:
    """Mark every span that starts inside with the visit."""
    token = context_api.attach(context_api.set_value(_VISIT_KEY, visit))
    try:
        yield
    finally:
        context_api.detach(token)


class VisitStamp(SpanProcessor):
    """Write who and which feature on each span, also on those that an instrumentation starts."""

    @override
    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Copy the current visit to the span."""
        visit = context_api.get_value(_VISIT_KEY, parent_context)
        if isinstance(visit, Visit):
            span.set_attribute("user.id", visit.user_id)
            span.set_attribute("session.id", visit.session_id)
            span.set_attribute("tenant.id", visit.tenant_id)
            span.set_attribute("feature", visit.feature)


def _exporter(protocol: Protocol, endpoint: str) -> SpanExporter:
    if protocol is Protocol.GRPC:
        return otlp_grpc.OTLPSpanExporter(endpoint=endpoint)
    return otlp_http.OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
