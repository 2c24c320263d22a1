"""What a reader has chosen, in every query language, and the variables that offer the choice."""

from __future__ import annotations

from dashboards_py import promql
from dashboards_py.panels import SQL, Annotation, Column, PromQL, Unit, Variable
from dashboards_py.panels.style import PROMETHEUS
from dashboards_py.promql import RELEASE, VARIABLES
from dashboards_py.sql import read
from exporter.metrics import catalog
from exporter.metrics.catalog import Label

_CHOICES: dict[str, str] = {
    "environment": "Environment",
    "service": "Service",
    "provider": "Provider",
    "model": "Model",
    "operation": "Operation",
    "feature": "Feature",
    "tenant": "Tenant",
}
# What narrows the choice: the variables before it.
_NARROWED_BY = {"provider": ("service",), "model": ("service", "provider")}

STATUS_CHOICE = Variable(
    "status", "Status", f"label_values({promql.select(catalog.REQUESTS)}, {catalog.STATUS.name})",
    PROMETHEUS,
)  # fmt: skip
STATUS_CHOSEN: dict[Label, promql.Match] = {catalog.STATUS: ("=~", "$status")}
# Over the labels of profiles, and over the attributes that TraceQL knows. In backticks a backslash
# of the escaped value stays one.
PROFILE_SELECTOR = ", ".join(
    f"{label.name}=~`${{{variable}:regex}}`" for label, variable in VARIABLES.items()
)
TRACE_FILTER = " && ".join(
    f"{attribute} =~ `${{{variable}:regex}}`"
    for attribute, variable in (
        ("resource.service.name", "service"),
        ("span.observatory.provider", "provider"),
        ("span.observatory.model", "model"),
        ("span.observatory.operation", "operation"),
    )
)


# Whatever convention a call came in: our Tempo API names what was found out about a span.
CALLS = 'span.observatory.usage_role = "own"'
_SHOWN = {
    "model": Column(field="observatory.model", title="Model", width=130),
    "tokens.total": Column(
        field="observatory.tokens.total", title="Tokens", unit=Unit.COUNT, width=70
    ),
    "cost_usd": Column(
        field="observatory.cost_usd", title="Cost", unit=Unit.DOLLARS, decimals=5, width=85
    ),
    "outcome": Column(field="observatory.outcome", title="Outcome", width=90),
}
SHOWN = ", ".join(f"span.observatory.{name}" for name in _SHOWN)
SHOWN_COLUMNS = tuple(_SHOWN.values())


def choices(*names: str) -> tuple[Variable, ...]:
    """Return variables by name, in the house's order; without names all of them."""
    labels = {variable: label for label, variable in VARIABLES.items()}
    return tuple(
        Variable(name, title, _label_values(labels[name], _NARROWED_BY.get(name, ())), PROMETHEUS)
        for name, title in _CHOICES.items()
        if not names or name in names
    )


def _label_values(label: Label, narrowed_by: tuple[str, ...]) -> str:
    narrowing = ",".join(
        f'{other.name}=~"${variable}"'
        for other, variable in VARIABLES.items()
        if variable in narrowed_by
    )
    selector = catalog.REQUESTS.sample_name + (f"{{{narrowing}}}" if narrowing else "")
    return f"label_values({selector}, {label.name})"


def releases(*, deep: bool) -> Annotation:
    """Mark when a service's release changed."""
    if deep:
        return Annotation("Releases", SQL(read("releases")))
    of_release = (catalog.SERVICE, RELEASE)
    named: promql.Where = {RELEASE: ("!=", "")}
    now = promql.total(promql.select(catalog.REQUESTS, named), of_release)
    before = promql.total(promql.select(catalog.REQUESTS, named, offset="5m"), of_release)
    return Annotation(
        "Releases",
        PromQL(f"{now} unless {before}"),
        title=f"{{{{{catalog.SERVICE.name}}}}}: release {{{{{RELEASE.name}}}}}",
    )
