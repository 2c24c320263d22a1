"""The command line of alerts: `llm-observatory alerts test | threads`."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
import uvicorn

from dashboards_py import messages, pack
from dashboards_py.alert import Priority
from dashboards_py.formats.routes import GROUP_BY
from dashboards_py.thresholds import Configuration, ThresholdError, load
from exporter.errors import ConfigurationError, UndeliveredError
from exporter.listen import bind
from exporter.notices.posting import Poster
from exporter.notices.slack_threads import SLACK_URL, SlackApi, Threads, threads_app

app = typer.Typer(help="Try where alerts go.", no_args_is_help=True, rich_markup_mode=None)

PAGERDUTY_URL = "https://events.pagerduty.com/v2/enqueue"
_NOTE = "This is a test of LLM Observatory's alerts: nothing is wrong."


class To(StrEnum):
    """Where a sample can go."""

    SLACK = "slack"
    PAGERDUTY = "pagerduty"
    WEBHOOK = "webhook"


# The variable that holds each one's secret: for Slack and the webhook that is the address itself.
VARIABLES = {
    To.SLACK: "SLACK_API_URL",
    To.PAGERDUTY: "PAGERDUTY_ROUTING_KEY",
    To.WEBHOOK: "ALERTS_WEBHOOK_URL",
}


@app.callback()
def about() -> None:
    """Try where alerts go."""


@app.command("test")
def try_out(  # noqa: PLR0913, PLR0917 - one parameter for each option
    to: Annotated[To, typer.Option(help="Where the sample goes.")],
    secret_file: Annotated[
        Path | None,
        typer.Option(help="File with the secret, instead of its variable in the environment."),
    ] = None,
    priority: Annotated[Priority, typer.Option(help="Of the sample: P0 to P3.")] = Priority.P2,
    channel: Annotated[str | None, typer.Option(help="Slack channel, if not the usual.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML file with thresholds and site, see docs/alerts.md.")
    ] = None,
    pagerduty_url: Annotated[
        str, typer.Option(help="PagerDuty's events API, for the EU region or a proxy.")
    ] = PAGERDUTY_URL,
) -> None:
    """Send a sample alert in the form in which real ones come, and say what was answered."""
    try:
        chosen = load(config, os.environ)
    except ThresholdError as error:
        raise ConfigurationError(str(error)) from error
    secret = _secret(to, secret_file)
    body = _body(to, priority, channel, chosen, secret)
    url = pagerduty_url if to is To.PAGERDUTY else secret
    ok, answer = _post(url, body)
    typer.echo(f"{to}: {answer}", err=not ok)
    if ok and to is To.PAGERDUTY:
        # A test must not leave somebody with an incident.
        ok, answer = _post(url, {**body, "event_action": "resolve"})
        typer.echo(f"{to}: resolved again: {answer}", err=not ok)
    if not ok:
        raise typer.Exit(1)


@app.command()
def threads(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 9099,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    token_file: Annotated[
        Path | None, typer.Option(help="File with the bot token, instead of SLACK_BOT_TOKEN.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="File that remembers open threads across restarts.")
    ] = None,
    slack_url: Annotated[str, typer.Option(help="Slack's Web API.")] = SLACK_URL,
) -> None:
    """Take Alertmanager's webhook and tell Slack, one thread for each incident."""
    token = _text(token_file) if token_file else os.environ.get("SLACK_BOT_TOKEN", "").strip()
    if not token:
        raise ConfigurationError("set SLACK_BOT_TOKEN or give --token-file")
    relay = threads_app(Threads(SlackApi(token, slack_url), state))
    with bind(host, port, "--port") as listening:
        listening.listen()
        typer.echo(f"listening on http://{host}:{listening.getsockname()[1]}")
        server = uvicorn.Server(uvicorn.Config(relay, log_level="warning"))
        server.run(sockets=[listening])


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file.name} cannot be read") from error


def _secret(to: To, file: Path | None) -> str:
    found = _text(file) if file is not None else os.environ.get(VARIABLES[to], "").strip()
    if not found:
        raise ConfigurationError(f"{to}: set {VARIABLES[to]} or give --secret-file")
    if to is not To.PAGERDUTY and not found.startswith(("http://", "https://")):
        raise ConfigurationError(f"{to}: the secret must be an address with http:// or https://")
    return found


def _body(
    to: To, priority: Priority, channel: str | None, chosen: Configuration, secret: str
) -> dict[str, Any]:
    """Return the sample: the first alert of the pack that has this priority, on made-up names."""
    topic, alert = next(
        (topic, alert)
        for topic, alerts in pack.topics(chosen).items()
        for alert in alerts
        if alert.priority is priority
    )
    values = {name: f"test-{name.replace('_', '-')}" for name in alert.keep}
    found, texts = messages.fields(alert, topic, values, _NOTE, chosen.site)
    now = datetime.now(UTC).isoformat()
    if to is To.PAGERDUTY:
        return messages.pagerduty(found, texts, secret, f"llm-observatory test {now}")
    if to is To.WEBHOOK:
        return messages.webhook(found, texts, now, GROUP_BY)
    site = chosen.site
    usual = site.slack_quiet_channel if priority is Priority.P3 else site.slack_channel
    return messages.slack(found, texts, channel or usual)


def _post(url: str, body: dict[str, Any]) -> tuple[bool, str]:
    """Send JSON; return whether it was taken, and the answer in a line. Never shows the address."""
    try:
        answer = Poster().post(url, body)
    except UndeliveredError as error:
        return False, f"not reached: {error}"
    return answer.taken, answer.line if answer.taken else f"refused: {answer.line}"
