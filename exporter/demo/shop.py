"""The services of the demo shop, as data: nothing here needs an SDK to be installed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from exporter.demo.faults import Fault


class Protocol(StrEnum):
    """How a service exports its spans."""

    GRPC = "grpc"
    HTTP = "http"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service: who it says it is, how it exports, and what can go wrong in it."""

    name: str
    module: str  # Has `start(provider, provider_url)`, see `exporter.demo.service.App`.
    release: str
    protocol: Protocol
    features: tuple[str, ...]
    faults: tuple[Fault, ...] = ()
    environment: str = "production"
    variables: Mapping[str, str] = field(default_factory=dict[str, str])


_SERVICES = (
    Service(
        name="storefront-chat",  # OpenAI SDK, OpenTelemetry's own instrumentation.
        module="exporter.demo.apps.storefront_chat",
        release="2026.11.3",
        protocol=Protocol.GRPC,
        features=("product-help", "order-help"),
        faults=(Fault.SERVER_ERROR, Fault.LENGTH),
        variables={"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_only"},
    ),
    Service(
        name="support-agent",  # Anthropic SDK, OpenLLMetry.
        module="exporter.demo.apps.support_agent",
        release="1.8.0",
        protocol=Protocol.HTTP,
        features=("refunds", "parcel-tracking"),
        faults=(Fault.OVERLOADED, Fault.RATE_LIMIT),
    ),
    Service(
        name="review-triage",  # OpenAI SDK, OpenInference.
        module="exporter.demo.apps.review_triage",
        release="0.14.1",
        protocol=Protocol.GRPC,
        features=("review-moderation",),
        faults=(Fault.RATE_LIMIT, Fault.CONTENT_FILTER),
    ),
    Service(
        name="report-writer",  # Anthropic SDK, OpenInference and the SDK's own spans.
        module="exporter.demo.apps.report_writer",
        release="3.2.0",
        protocol=Protocol.HTTP,
        features=("weekly-report", "stock-forecast"),
        faults=(Fault.LENGTH, Fault.SERVER_ERROR),
        environment="staging",
    ),
    Service(
        name="edge-inference",  # No SDK: the `observatory` convention by hand.
        module="exporter.demo.apps.edge_inference",
        release="0.3.0",
        protocol=Protocol.GRPC,
        features=("autocomplete",),
        faults=(Fault.SERVER_ERROR,),
    ),
)

SERVICES: Mapping[str, Service] = {service.name: service for service in _SERVICES}
