"""Every setting of the service: one frozen object, read once from the environment and a file.

The environment wins over the file, the file over the defaults. An unknown or wrong setting stops
the start with one line each. The descriptions here are what `serve --help` and the README show.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from exporter.errors import ConfigurationError
from exporter.metrics.catalog import EXTRA_LABELS

PREFIX = "LLM_OBSERVATORY_"
CONFIG_VARIABLE = f"{PREFIX}CONFIG"

Port = Annotated[int, Field(ge=0, le=65535)]
Days = Annotated[int, Field(ge=1, le=3650)]
Seconds = Annotated[float, Field(allow_inf_nan=False)]

_MIB = 1024 * 1024


class Settings(BaseSettings):
    """The settings. The unit is the last word of a name."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for every interface.")
    otlp_grpc_port: Port = Field(4317, description="OTLP over gRPC. 0 picks a free port.")
    otlp_http_port: Port = Field(4318, description="OTLP over HTTP. 0 picks a free port.")
    metrics_port: Port = Field(9464, description="/metrics for Prometheus. 0 picks a free port.")
    api_port: Port = Field(8080, description="Health and query API. 0 picks a free port.")

    clickhouse_url: str = Field(
        "chdb:./data",
        repr=False,
        description="chdb:PATH for the embedded engine, or http(s)://user:password@host:port/database.",
    )
    clickhouse_password: SecretStr | None = Field(
        None, description="Password, instead of one in the URL."
    )
    clickhouse_password_file: Path | None = Field(
        None, description="File that holds the password, instead of one in the URL."
    )
    spans_retention_days: Days = Field(30, description="Spans are deleted after this time.")
    content_retention_days: Days = Field(
        7, description="Prompts and answers are deleted after this time."
    )
    minutes_retention_days: Days = Field(14, description="The same for usage by minute.")
    hours_retention_days: Days = Field(400, description="The same for usage by hour.")

    request_max_bytes: int = Field(
        64 * _MIB,
        ge=1024,
        le=1024 * _MIB,
        description="Largest request after decompression; a larger one is refused for good.",
    )
    request_max_parts: int = Field(
        250_000,
        ge=1,
        description="Most resources, scopes and spans in a request of more than 1 MiB.",
    )
    waiting_max_bytes: int = Field(
        256 * _MIB,
        ge=1024,
        description="Requests that wait to be processed; beyond it senders are told to come back.",
    )
    waiting_max_requests: int = Field(
        10_000, ge=1, description="The same limit as a number of requests."
    )
    step_max_bytes: int = Field(
        8 * _MIB, ge=1024, le=1024 * _MIB, description="Requests processed as one batch."
    )
    retry_after_s: Seconds = Field(
        1.0, gt=0, le=600, description="When a refused sender is asked to come back."
    )
    end_before_start_max_s: Seconds = Field(
        1.0, ge=0, le=3600, description="A span may end this long before it starts (clock steps)."
    )
    span_age_max_days: Days = Field(30, description="A span may have started this long ago.")
    span_future_max_s: Seconds = Field(
        3600.0, ge=0, description="A span may start this far in the future."
    )

    hold_s: Seconds = Field(
        1.0,
        ge=0,
        le=60,
        description="How long a span waits for the rest of its trace before it is counted.",
    )
    hold_max_spans: int = Field(
        200_000, ge=1, description="Spans that wait so; beyond it the oldest are counted early."
    )
    trace_memory_max_spans: int = Field(
        500_000, ge=1, description="Spans whose place in their trace is remembered."
    )
    trace_memory_max_age_s: Seconds = Field(
        120.0, gt=0, le=86_400, description="How long it is remembered."
    )

    content_max_chars: int = Field(
        100_000,
        ge=100,
        description="Characters kept of each span's input and output for search and display.",
    )

    insert_max_rows: int = Field(50_000, ge=1, description="Rows that are inserted at once.")
    insert_max_age_s: Seconds = Field(
        0.5, gt=0, le=60, description="Rows are inserted at the latest after this time."
    )
    insert_timeout_s: Seconds = Field(30.0, gt=0, le=600, description="Time given to an insert.")
    insert_retry_max_s: Seconds = Field(
        30.0, gt=0, le=600, description="Longest pause between two tries of an insert."
    )
    buffer_max_bytes: int = Field(
        256 * _MIB,
        ge=1024,
        description="Rows that wait for ClickHouse; beyond it nothing new is processed.",
    )

    queries_max: int = Field(
        4, ge=1, le=64, description="Questions that the store is asked at once; others wait."
    )
    query_wait_max_s: Seconds = Field(
        10.0, gt=0, le=600, description="How long they wait before they are told to come back."
    )
    query_time_max_s: Seconds = Field(
        30.0, gt=0, le=600, description="Time that the store may take for a question."
    )
    query_memory_max_bytes: int = Field(
        2048 * _MIB, ge=_MIB, description="Memory that the store may take for a question."
    )
    query_threads_max: int = Field(
        2, ge=1, le=64, description="Threads that the store may take for a question."
    )

    query_share: float = Field(
        0.4,
        gt=0,
        le=1,
        description="Share of the time that questions may run while spans wait to be read; above "
        "it they pause, for `query_wait_max_s` at the longest. 1: they never do.",
    )

    flame_spans_max: int = Field(
        2_000_000,
        ge=1000,
        le=50_000_000,
        description="Spans that a flame graph is made from, about 300 bytes of memory each; "
        "a question about more is refused.",
    )
    flame_nodes_max: int = Field(
        16_384,
        ge=2,
        le=1_000_000,
        description="Frames of a flame graph; the smallest beyond it become `other`.",
    )

    report_period: Literal["", "day", "week"] = Field(
        "", description="Send a report of each day or week to Slack; empty: none."
    )
    report_hour_utc: int = Field(
        7, ge=0, le=23, description="At which hour it is sent; that of a week on Monday."
    )
    report_slack_url: SecretStr | None = Field(
        None, description="Slack's incoming webhook that it is sent to."
    )
    report_slack_url_file: Path | None = Field(
        None, description="File that holds it, instead of the setting."
    )

    metric_labels: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description=f"Labels to add to the metrics of calls: {', '.join(sorted(EXTRA_LABELS))}.",
    )
    label_values_max: int = Field(
        200, ge=1, description="Values of a label; later ones are counted as __overflow__."
    )
    series_max: int = Field(
        10_000, ge=1, description="Label sets of a metric; later ones are counted as __overflow__."
    )
    service_graph: bool = Field(
        True, description="Count the service and agent graph, see docs/service-graph.md."
    )
    service_graph_max_spans: int = Field(
        200_000, ge=1, description="Spans remembered to find the other half of an edge."
    )
    service_graph_wait_s: Seconds = Field(
        10.0,
        gt=0,
        le=600,
        description="How long a client span waits for its server before its peer is drawn.",
    )
    prices_file: Path | None = Field(
        None, description="Your own prices and names of deployments, see docs/prices.md."
    )
    cost_source: Literal["charged_first", "computed_first", "reported_first", "computed"] = Field(
        "charged_first",
        description="Which cost counts where a sender reports one too, see docs/prices.md.",
    )

    budgets_file: Path | None = Field(
        None, description="Your budgets by scope and period, see docs/alerts.md."
    )
    budgets_refresh_s: Seconds = Field(
        60.0, gt=0, le=3600, description="How often what is spent of them is read."
    )

    estimate_tokens: bool = Field(
        True,
        description="Estimate the tokens of calls that report none, see docs/estimates.md.",
    )
    tokenizers_dir: Path = Field(
        Path("data-tokenizers"),
        description="Where `llm-observatory tokenizers install` puts its files.",
    )
    estimate_span_max_chars: int = Field(
        50_000,
        ge=1000,
        le=100_000,
        description="Text of a call that is counted; a longer one is extrapolated.",
    )
    estimate_batch_max_chars: int = Field(
        4_000_000,
        ge=0,
        description="Text of a batch that is counted by tiktoken; beyond it by characters.",
    )

    live_clients_max: int = Field(
        50, ge=0, description="Clients that watch /events/metrics and /ws/traces at once."
    )
    live_interval_s: Seconds = Field(
        1.0, ge=0.1, le=60, description="Time between two snapshots of /events/metrics."
    )
    live_window_s: Seconds = Field(
        10.0, ge=0.1, le=600, description="Time over which the rates of a snapshot are taken."
    )
    live_heartbeat_s: Seconds = Field(
        15.0, ge=0.1, le=600, description="A stream with nothing new says so after this time."
    )
    live_history_snapshots: int = Field(
        300, ge=1, le=10_000, description="Snapshots kept for clients that come back."
    )
    live_traces_max: int = Field(
        1000, ge=1, le=100_000, description="Traces that /ws/traces sums up at once."
    )
    live_waiting_max_traces: int = Field(
        500, ge=1, le=100_000, description="Traces that wait for a slow client; the oldest go."
    )

    shutdown_timeout_s: Seconds = Field(
        30.0, gt=0, le=600, description="Time to hand on what was accepted when stopping."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe log lines to write."
    )
    log_format: Literal["json", "text"] = Field("json", description="Form of the log lines.")

    @field_validator("metric_labels", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("metric_labels")
    @classmethod
    def _known_labels(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(value) - set(EXTRA_LABELS)):
            raise ValueError(
                f"unknown labels {', '.join(unknown)}; known are {', '.join(sorted(EXTRA_LABELS))}"
            )
        return value

    @property
    def password(self) -> str | None:
        """The ClickHouse password that stands in for the URL's, None: there is none.

        Raise ConfigurationError when its file cannot be read.
        """
        if self.clickhouse_password_file is not None:
            return _text(self.clickhouse_password_file, "clickhouse_password_file").strip()
        return self.clickhouse_password.get_secret_value() if self.clickhouse_password else None

    @property
    def report_webhook(self) -> str:
        """The webhook for reports, empty: there is none.

        Raise ConfigurationError when its file cannot be read.
        """
        if self.report_slack_url_file is not None:
            return _text(self.report_slack_url_file, "report_slack_url_file").strip()
        return self.report_slack_url.get_secret_value() if self.report_slack_url else ""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file, whose values come as arguments."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings


def load(config: Path | None = None) -> Settings:
    """Read the settings; raise ConfigurationError with one line for each that is wrong.

    `config` stands in for the file named by LLM_OBSERVATORY_CONFIG.
    """
    environ = os.environ
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {CONFIG_VARIABLE}
    problems = [
        f"{name}: no such setting (`llm-observatory serve --help` lists them)"
        for name in sorted(environ)
        if name.upper().startswith(PREFIX) and name.upper() not in known
    ]
    path = config or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    values = _read(path) if path else {}
    unknown = sorted(values.keys() - Settings.model_fields)
    problems += [f"{path}: {name}: no such setting" for name in unknown]
    try:
        settings = Settings(**{k: v for k, v in values.items() if k in Settings.model_fields})
    except ValidationError as error:
        # The value itself may be a secret, so only where and why.
        problems += [f"{PREFIX}{_place(e)}: {e['msg']}" for e in error.errors(include_input=False)]
        raise ConfigurationError("\n".join(problems)) from None
    if problems:
        raise ConfigurationError("\n".join(problems))
    return settings


def _place(error: Any) -> str:
    return str(error["loc"][0]).upper() if error["loc"] else ""


def _read(path: Path) -> dict[str, Any]:
    try:
        raw: Any = yaml.safe_load(_text(path, str(path)))
    except yaml.YAMLError as error:
        # The parser's own text quotes the file, which may hold a password: only where it stopped.
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigurationError(f"{path}: not YAML{where}") from None
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise ConfigurationError(f"{path}: must be a list of `setting: value` lines")
    return raw


def _text(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{what}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{what}: not UTF-8 text") from error
