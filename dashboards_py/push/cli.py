"""The commands `llm-observatory dashboards push | export`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.syntax import Syntax

from dashboards_py.datasources import Addresses, datasources
from dashboards_py.push import desired
from dashboards_py.push.boards import folders_and_dashboards
from dashboards_py.push.export import Form, export
from dashboards_py.push.grafana import Grafana
from dashboards_py.push.kinds import (
    ContactPoints,
    DataSources,
    MuteTimings,
    Policy,
    RuleGroups,
    Templates,
)
from dashboards_py.push.plan import Action, Change, Kind, failures, plan
from exporter.errors import ConfigurationError

EXIT_FAILED = 1
EXIT_DIFFERENT = 3

app = typer.Typer(
    no_args_is_help=True,
    help="Dashboards, data sources and alerts for a Grafana.",
    rich_markup_mode=None,
)

UrlOption = Annotated[str, typer.Option(envvar="GRAFANA_URL", help="Where Grafana answers.")]
CoreOption = Annotated[
    bool, typer.Option("--core", help="The dashboards that do without the ClickHouse plugin.")
]
FromOption = Annotated[
    Path | None,
    typer.Option(
        "--from", help="Folder of generated files [the ones that come with this version]."
    ),
]
UseOption = Annotated[
    list[str] | None,
    typer.Option("--use", help="Use a data source of yours: prometheus=UID. May be repeated."),
]


@app.command()
def push(  # noqa: PLR0913 - every option of a command is an argument
    *,
    grafana_url: UrlOption = "",
    core: CoreOption = False,
    source: FromOption = None,
    use: UseOption = None,
    observatory_url: Annotated[
        str,
        typer.Option(envvar="OBSERVATORY_URL", help="Where Grafana reaches this service's API."),
    ] = "",
    prometheus_url: Annotated[
        str, typer.Option(envvar="PROMETHEUS_URL", help="Where Grafana reaches Prometheus.")
    ] = "",
    alertmanager_url: Annotated[
        str, typer.Option(envvar="ALERTMANAGER_URL", help="Where Grafana reaches Alertmanager.")
    ] = "",
    clickhouse: Annotated[
        str,
        typer.Option(
            envvar="CLICKHOUSE_ADDRESS", help="host:port of ClickHouse's native protocol."
        ),
    ] = "",
    alerts: Annotated[
        bool, typer.Option("--alerts", help="Grafana-managed rules and routes, too.")
    ] = False,
    namespace: Annotated[
        str, typer.Option(help="default, org-N or stacks-N, for Grafana's newer API.")
    ] = "default",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would change.")
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Delete what is ours and no longer wanted.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Update what looks unchanged, too.")
    ] = False,
    editable: Annotated[
        bool, typer.Option("--editable", help="Let people edit rules and routes in Grafana.")
    ] = False,
) -> None:
    """Bring everything into a Grafana; what is not ours is never touched.

    The token comes from GRAFANA_TOKEN. Ends with 0 when all is as it should be, 1 when something
    was refused, 2 when it could not begin, and 3 when a dry run found differences.
    """
    if not grafana_url:
        raise ConfigurationError("GRAFANA_URL is not set: write http(s)://host:port")
    grafana = Grafana(grafana_url, os.environ.get("GRAFANA_TOKEN", ""), editable=editable)
    uids = _used(use or [])
    addresses = Addresses(
        observatory=observatory_url,
        prometheus=prometheus_url,
        alertmanager=alertmanager_url,
        clickhouse=clickhouse,
        clickhouse_password=os.environ.get("CLICKHOUSE_GRAFANA_PASSWORD", ""),
    )
    kinds: list[Kind] = [
        DataSources(grafana, datasources(addresses)),
        *folders_and_dashboards(
            grafana,
            desired.FOLDER_UID,
            desired.FOLDER_TITLE,
            desired.with_sources(
                desired.dashboards(source or desired.generated(), core=core), uids
            ),
            namespace,
        ),
        *(_alerting(grafana, source, uids) if alerts else ()),
    ]
    console = Console(highlight=False, soft_wrap=True)
    changes = _planned(kinds, console, prune=prune, force=force)
    if dry_run:
        _show(changes, console)
        if any(change.action is not Action.KEEP for change in changes):
            raise typer.Exit(EXIT_DIFFERENT)
        return
    refused = _with_progress(changes, console)
    for error in refused:
        console.print(str(error), markup=False, style="red")
    if refused:
        raise typer.Exit(EXIT_FAILED)


@app.command("export")
def export_files(
    folder: Annotated[Path, typer.Argument(help="Where to write.")],
    *,
    form: Annotated[
        Form, typer.Option(help="Plain files, or ConfigMaps for the sidecar.")
    ] = Form.FILES,
    core: CoreOption = False,
    source: FromOption = None,
    use: UseOption = None,
) -> None:
    """Write the dashboards as files, for GitOps."""
    models = desired.with_sources(
        desired.dashboards(source or desired.generated(), core=core), _used(use or [])
    )
    for path in export(models, form, folder, desired.FOLDER_TITLE):
        typer.echo(path)


def _used(options: Sequence[str]) -> dict[str, str]:
    pairs = [option.partition("=") for option in options]
    if wrong := [name for name, equals, uid in pairs if not equals or not uid]:
        raise ConfigurationError(f"--use {wrong[0]}: write NAME=UID, for example prometheus=abc")
    return {name: uid for name, _, uid in pairs}


def _alerting(grafana: Grafana, source: Path | None, uids: dict[str, str]) -> list[Kind]:
    wanted = desired.alerting(source or desired.generated(), os.environ)
    return [
        Templates(grafana, wanted.templates),
        ContactPoints(grafana, wanted.contact_points),
        MuteTimings(grafana, wanted.mute_timings),
        RuleGroups(grafana, desired.FOLDER_UID, desired.with_sources(wanted.groups, uids)),
        Policy(grafana, wanted.policy),
    ]


def _planned(kinds: Sequence[Kind], console: Console, *, prune: bool, force: bool) -> list[Change]:
    with console.status("Asking Grafana what is there"):
        return list(plan(kinds, prune=prune, force=force))


def _show(changes: Sequence[Change], console: Console) -> None:
    for change in changes:
        if change.action is not Action.KEEP:
            console.print(f"{change.action}: {change.kind.title} {change.name}", markup=False)
            if diff := change.diff():
                console.print(Syntax(diff, "diff", background_color="default"))
    console.print(_summary(changes))


def _with_progress(changes: Sequence[Change], console: Console) -> list[Exception]:
    pending = [change for change in changes if change.action is not Action.KEEP]
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("Pushing", total=len(pending))
        done: Callable[[Change], None] = lambda _: progress.advance(task)  # noqa: E731
        refused = failures(pending, done)
    console.print(_summary(changes))
    return list(refused)


def _summary(changes: Sequence[Change]) -> str:
    counts = Counter(change.action for change in changes)
    return (
        ", ".join(f"{counts[action]} {action}" for action in Action if counts[action]) or "nothing"
    )
