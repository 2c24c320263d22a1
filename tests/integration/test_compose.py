"""The container set-up: each file by itself, the files against each other, and the real servers."""

import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest
import yaml

from exporter.settings import Settings
from tests.support.prometheus import (
    Prometheus,
    Server,
    ServerError,
    adapt,
    alertmanager_server,
    binary,
    prometheus_server,
)

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
SERVICES = {"llm-observatory", "clickhouse", "prometheus", "alertmanager", "grafana"}

# Mounted directories that `make generate` fills; a checkout without them still starts.
GENERATED = {"./dashboards_py/generated/dashboards", "./dashboards_py/generated/prometheus"}

# ClickHouse's tables about itself that its stock config.xml switches on (24.x to 26.x).
STOCK_SYSTEM_LOGS = {
    "asynchronous_insert_log",
    "asynchronous_metric_log",
    "background_schedule_pool_log",
    "backup_log",
    "blob_storage_log",
    "crash_log",
    "error_log",
    "latency_log",
    "metric_log",
    "opentelemetry_span_log",
    "part_log",
    "processors_profile_log",
    "query_log",
    "query_metric_log",
    "query_thread_log",
    "query_views_log",
    "s3queue_log",
    "text_log",
    "trace_log",
}

SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|API_?KEY")
REQUIRED_VARIABLE = re.compile(r"\$\{[A-Z_]+:\?set it in \.env, see \.env\.example\}")
EXACT_VERSION = re.compile(r"[a-z/-]+:v?\d+\.\d+\.\d+(\.\d+)?(-[a-z]+)*")
# ${NAME}, ${NAME:-default} or ${NAME:?message}
VARIABLE = re.compile(r"\$\{(?P<name>[A-Z_]+)(:(?P<kind>[-?])(?P<argument>[^}]*))?\}")


def with_defaults(text: str) -> str:
    """Replace compose's variables as `docker compose` does where .env leaves them out."""
    return VARIABLE.sub(lambda match: match["argument"] or "", text)


@cache
def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def services() -> dict[str, dict[str, Any]]:
    return compose()["services"]


def mounts(service: str) -> dict[str, str]:
    """Map each mounted path inside the container to its source: a host path or a volume."""
    sources = (with_defaults(mount).split(":") for mount in services()[service]["volumes"])
    return {parts[1]: parts[0] for parts in sources}


@cache
def datasources() -> list[dict[str, Any]]:
    path = DEPLOY / "grafana/provisioning/datasources/llm-observatory.yml"
    return yaml.safe_load(path.read_text())["datasources"]


def clickhouse_xml(name: str) -> ET.Element:
    return ET.parse(DEPLOY / "clickhouse" / name / "llm-observatory.xml").getroot()


# docker-compose.yml, Dockerfile, .env.example


def test_the_stack_is_the_five_services() -> None:
    assert set(services()) == SERVICES


def test_every_image_is_pinned_to_an_exact_version() -> None:
    pulled = {name: spec["image"] for name, spec in services().items() if "build" not in spec}
    dockerfile = (ROOT / "Dockerfile").read_text()
    bases = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)

    assert pulled.keys() == SERVICES - {"llm-observatory"}
    assert [
        image for image in [*pulled.values(), *bases] if not EXACT_VERSION.fullmatch(image)
    ] == []
    assert len(set(bases)) == 1, (
        "the virtual environment must meet the Python that it was built with"
    )


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_every_service_is_watched_restarted_and_bounded_in_its_logs(service: str) -> None:
    spec = services()[service]

    assert spec["healthcheck"]["test"][0] == "CMD"
    assert spec["healthcheck"].keys() >= {"interval", "timeout", "retries", "start_period"}
    assert spec["restart"] == "unless-stopped"
    assert spec["logging"]["options"].keys() == {"max-size", "max-file"}


def test_services_start_in_an_order_that_exists() -> None:
    """Each dependency names a service and waits for its health; there is no circle."""
    waits = {name: spec.get("depends_on", {}) for name, spec in services().items()}

    assert all(
        condition == {"condition": "service_healthy"}
        for dependencies in waits.values()
        for condition in dependencies.values()
    )
    started: set[str] = set()
    while ready := {name for name in waits.keys() - started if waits[name].keys() <= started}:
        started |= ready
    assert started == SERVICES


def test_prometheus_does_not_wait_for_what_it_watches() -> None:
    """A service that never becomes healthy must still be seen, and alerted on, as down."""
    assert "llm-observatory" not in services()["prometheus"]["depends_on"]


def test_no_secret_is_written_down() -> None:
    secrets = {
        (service, name): value
        for service, spec in services().items()
        for name, value in spec.get("environment", {}).items()
        if SECRET_NAME.search(name)
    }

    assert len(secrets) == 5
    assert [key for key, value in secrets.items() if not REQUIRED_VARIABLE.fullmatch(value)] == []
    text = (ROOT / "docker-compose.yml").read_text()
    assert not re.search(r"://[^/\s@:]+:[^/\s@]+@", text), "a URL carries a password"


def test_the_example_environment_names_every_variable_and_holds_no_secret() -> None:
    """Required ones are there and empty; optional ones are shown with the default they have."""
    used = {
        match["name"]: match
        for match in VARIABLE.finditer((ROOT / "docker-compose.yml").read_text())
    }
    example = (ROOT / ".env.example").read_text()
    required = dict(re.findall(r"^([A-Z_]+)=(.*)$", example, re.MULTILINE))
    optional = dict(re.findall(r"^#([A-Z_]+)=(.*)$", example, re.MULTILINE))

    assert required == {name: "" for name, match in used.items() if match["kind"] == "?"}
    assert optional == {
        name: match["argument"] for name, match in used.items() if match["kind"] == "-"
    }


def test_ports_are_published_on_loopback_unless_the_operator_says_otherwise() -> None:
    published = [
        tuple(with_defaults(port).rsplit(":", 2))
        for spec in services().values()
        for port in spec["ports"]
    ]

    assert {address for address, _, _ in published} == {"127.0.0.1"}
    assert all(host == container for _, host, container in published)
    assert {int(port) for _, _, port in published} >= {4317, 4318, 8080, 9464, 3000, 9090, 9093}
    assert len({host for _, host, _ in published}) == len(published)


def test_every_mount_has_a_source() -> None:
    """A path is a file of the repository or on the generated list; anything else is a volume."""
    sources = {(name, source) for name in SERVICES for source in mounts(name).values()}
    paths = {source for _, source in sources if source.startswith(".")}

    assert paths >= GENERATED
    assert [path for path in sorted(paths - GENERATED) if not (ROOT / path).exists()] == []
    assert {source for _, source in sources} - paths == compose()["volumes"].keys()


def test_what_is_mounted_from_the_repository_cannot_be_written() -> None:
    binds = [
        mount
        for spec in services().values()
        for mount in spec["volumes"]
        if with_defaults(mount).startswith(".")
    ]

    assert binds
    assert [mount for mount in binds if not mount.endswith(":ro")] == []


def test_the_service_is_passed_only_settings_that_it_knows() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    names = {
        *services()["llm-observatory"]["environment"],
        *re.findall(r"\b(LLM_OBSERVATORY_[A-Z_]+)=", dockerfile),
    }

    assert "LLM_OBSERVATORY_HOST" in names
    known = {f"LLM_OBSERVATORY_{name.upper()}" for name in Settings.model_fields}
    assert names - known == set()


def test_clickhouse_may_open_the_files_it_needs() -> None:
    assert services()["clickhouse"]["ulimits"]["nofile"] == {"soft": 262144, "hard": 262144}


def test_the_image_runs_unprivileged_and_receives_signals() -> None:
    """Exec form: a shell in between would swallow SIGTERM, and the queue would not drain."""
    dockerfile = (ROOT / "Dockerfile").read_text()

    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", dockerfile, re.MULTILINE)
    assert re.search(
        r'^ENTRYPOINT \["llm-observatory"\]\nCMD \["serve"\]$', dockerfile, re.MULTILINE
    )
    assert re.search(r'^VOLUME \["/data"\]$', dockerfile, re.MULTILINE)
    assert "pip install -c constraints.txt ." in dockerfile


def test_the_image_is_built_from_named_files_only() -> None:
    """An allow-list: no .env, and no data of a developer's run, can enter the build."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]

    assert rules[0] == "*"
    assert {rule for rule in rules if rule.startswith("!")} == {
        "!pyproject.toml",
        "!constraints.txt",
        "!README.md",
        "!LICENSE",
        "!exporter",
        "!clickhouse",
        "!dashboards_py",
    }


# A stand-in for the service: answers health checks, and metrics with an exemplar.

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
METRICS = f"""\
# TYPE llm_requests counter
llm_requests_total{{model="gpt-4o"}} 3 # {{trace_id="{TRACE_ID}"}} 1
# EOF
"""


class StandIn(BaseHTTPRequestHandler):
    """Answer metrics, and any other path with the status that the path names."""

    answers: ClassVar[dict[str, tuple[int, str]]] = {
        "/metrics": (200, METRICS),
        "/readyz": (200, "ready"),
        "/healthz": (503, "not alive"),
    }

    def do_GET(self) -> None:
        status, body = self.answers[self.path]
        self.send_response(status)
        self.send_header("Content-Type", "application/openmetrics-text; version=1.0.0")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep the test's output clean."""


@contextmanager
def stand_in() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), StandIn) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("path", "expected"), [("/readyz", 0), ("/healthz", 1)])
def test_the_health_checks_believe_the_status_code(path: str, expected: int) -> None:
    """Both are run as written: 200 is healthy, anything else is not; each asks its own path."""
    in_compose = services()["llm-observatory"]["healthcheck"]["test"][3]
    in_image = re.search(r'CMD \["python", "-c", "(.*)"\]', (ROOT / "Dockerfile").read_text())
    assert in_image
    script = {"/readyz": in_compose, "/healthz": in_image[1]}[path]
    assert path in script

    with stand_in() as address:
        here = script.replace("8080", address.rpartition(":")[2])
        outcome = subprocess.run(
            [sys.executable, "-c", here], capture_output=True, timeout=10, check=False
        )

    assert (outcome.returncode, outcome.stderr) == (expected, b"")


# ClickHouse


def test_clickhouse_does_not_keep_its_logs_about_itself_for_ever() -> None:
    """Each is off or has a limit, and none has both <engine> and <ttl>: that stops the server."""
    logs = [node for node in clickhouse_xml("config.d") if node.tag.endswith("_log")]
    off = {node.tag for node in logs if node.get("remove")}
    limited = {
        node.tag
        for node in logs
        if re.search(r"INTERVAL \d+ DAY", node.findtext("ttl") or node.findtext("engine") or "")
    }

    assert off.isdisjoint(limited)
    assert off | limited == {node.tag for node in logs} >= STOCK_SYSTEM_LOGS
    assert [node.tag for node in logs if node.find("engine") is not None and len(node) > 1] == []


def test_grafanas_account_can_only_read_the_one_database() -> None:
    root = clickhouse_xml("users.d")
    environment = services()["clickhouse"]["environment"]

    assert root.findtext("profiles/grafana/readonly") == "1"
    assert root.findtext("users/grafana/profile") == "grafana"
    assert [node.text for node in root.findall("users/grafana/grants/query")] == [
        f"GRANT SELECT ON {environment['CLICKHOUSE_DB']}.*"
    ]
    passwords = {node.get("from_env") for node in root.iter("password")}
    assert passwords == {"CLICKHOUSE_GRAFANA_PASSWORD"} <= environment.keys()


def test_clickhouse_and_the_service_agree_on_the_database_and_the_account() -> None:
    environment = services()["clickhouse"]["environment"]
    service = services()["llm-observatory"]["environment"]

    assert service["LLM_OBSERVATORY_CLICKHOUSE_URL"] == (
        f"http://{environment['CLICKHOUSE_USER']}@clickhouse:8123/{environment['CLICKHOUSE_DB']}"
    )
    assert service["LLM_OBSERVATORY_CLICKHOUSE_PASSWORD"] == environment["CLICKHOUSE_PASSWORD"]


# Grafana


def test_the_data_sources_keep_the_uids_that_dashboards_name() -> None:
    assert [source["uid"] for source in datasources()] == [
        "llmobs-prometheus",
        "llmobs-tempo",
        "llmobs-pyroscope",
        "llmobs-clickhouse",
        "llmobs-alertmanager",
    ]
    assert len({source["name"] for source in datasources()}) == len(datasources())
    assert [source["uid"] for source in datasources() if source.get("isDefault")] == [
        "llmobs-prometheus"
    ]


def test_data_sources_refer_only_to_each_other() -> None:
    def references(node: Any) -> Iterator[str]:
        if isinstance(node, list):
            for item in node:
                yield from references(item)
        elif isinstance(node, dict):
            for key, value in node.items():
                if key in {"datasourceUid", "alertmanagerUid"}:
                    yield value
                else:
                    yield from references(value)

    found = {uid for source in datasources() for uid in references(source["jsonData"])}
    assert found == {"llmobs-alertmanager", "llmobs-prometheus", "llmobs-pyroscope", "llmobs-tempo"}


def test_data_sources_reach_services_of_the_stack() -> None:
    assert {source["uid"]: source["url"] for source in datasources() if "url" in source} == {
        "llmobs-prometheus": "http://prometheus:9090",
        "llmobs-tempo": "http://llm-observatory:8080/tempo",
        "llmobs-pyroscope": "http://llm-observatory:8080/pyroscope",
        "llmobs-alertmanager": "http://alertmanager:9093",
    }
    clickhouse = next(s["jsonData"] for s in datasources() if s["uid"] == "llmobs-clickhouse")
    user = clickhouse_xml("users.d").find(f"users/{clickhouse['username']}")
    assert clickhouse["host"] in SERVICES
    assert user is not None
    assert clickhouse["defaultDatabase"] == services()["clickhouse"]["environment"]["CLICKHOUSE_DB"]


def test_grafana_is_given_every_variable_that_its_provisioning_names() -> None:
    """A lone dollar sign is a variable to Grafana; a query's own is doubled."""
    files = sorted((DEPLOY / "grafana").rglob("*.yml"))
    lines = [line for path in files for line in path.read_text().splitlines()]
    settings = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    variables = set(re.findall(r"\$\{?(\w+)", settings.replace("$$", "")))

    assert variables == {"CLICKHOUSE_GRAFANA_PASSWORD"}
    assert variables <= services()["grafana"]["environment"].keys()


def test_exemplars_link_to_traces_at_the_interval_that_is_scraped() -> None:
    prometheus = next(s["jsonData"] for s in datasources() if s["uid"] == "llmobs-prometheus")
    config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())

    (destination,) = prometheus["exemplarTraceIdDestinations"]
    assert (destination["name"], destination["datasourceUid"]) == ("trace_id", "llmobs-tempo")
    assert prometheus["timeInterval"] == config["global"]["scrape_interval"]


def test_the_dashboards_provider_reads_a_mounted_folder() -> None:
    path = DEPLOY / "grafana/provisioning/dashboards/llm-observatory.yml"
    (provider,) = yaml.safe_load(path.read_text())["providers"]

    assert mounts("grafana")[provider["options"]["path"]] == "./dashboards_py/generated/dashboards"


def test_the_plugin_that_grafana_lacks_is_installed_at_a_pinned_version() -> None:
    environment = services()["grafana"]["environment"]
    types = {source["type"] for source in datasources()}
    bundled = {"prometheus", "tempo", "grafana-pyroscope-datasource", "alertmanager"}

    (plugin, version) = environment["GF_PLUGINS_PREINSTALL"].split("@")
    assert types - bundled == {plugin}
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)


# Prometheus and Alertmanager: the real programs with the very files that compose mounts.


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    config = ROOT / mounts("alertmanager")["/etc/alertmanager/alertmanager.yml"]
    with alertmanager_server(config, tmp_path_factory.mktemp("alertmanager")) as server:
        yield server


@pytest.fixture(scope="module")
def prometheus(
    alertmanager: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """Started with compose's flags, with stand-ins where it would scrape other containers."""
    moved = ("--config.file=", "--storage.tsdb.path=")
    command = [with_defaults(flag) for flag in services()["prometheus"]["command"]]
    flags = [flag for flag in command if not flag.startswith(moved)]
    assert len(flags) == len(command) - len(moved)
    config = ROOT / mounts("prometheus")["/etc/prometheus/prometheus.yml"]
    rules = ROOT / mounts("prometheus")["/etc/prometheus/rules"]
    with stand_in() as address:
        targets = {
            "llm-observatory:9464": address,
            "clickhouse:9363": address,
            "alertmanager:9093": alertmanager.url.removeprefix("http://"),
        }
        tmp_path = tmp_path_factory.mktemp("prometheus")
        with prometheus_server(
            config, tmp_path, targets=targets, rules_dir=rules, flags=flags
        ) as server:
            yield server


@pytest.mark.parametrize(
    ("program", "path"),
    [
        (("promtool", "check", "config"), DEPLOY / "prometheus/prometheus.yml"),
        (("amtool", "check-config"), DEPLOY / "alertmanager/alertmanager.yml"),
    ],
    ids=["prometheus", "alertmanager"],
)
def test_the_programs_own_checks_pass(program: tuple[str, ...], path: Path) -> None:
    outcome = subprocess.run(
        [binary(program[0]), *program[1:], str(path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_prometheus_scrapes_addresses_that_the_stack_has() -> None:
    """Each target is a service; ClickHouse's port is the one that its own configuration opens."""
    config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    targets = {
        job["job_name"]: job["static_configs"][0]["targets"] for job in config["scrape_configs"]
    }

    assert targets == {
        "llm-observatory": ["llm-observatory:9464"],
        "prometheus": ["localhost:9090"],
        "alertmanager": ["alertmanager:9093"],
        "clickhouse": [f"clickhouse:{clickhouse_xml('config.d').findtext('prometheus/port')}"],
    }


def test_prometheus_starts_and_every_job_is_up(prometheus: Prometheus) -> None:
    prometheus.wait_for("sum(up)", lambda answer: answer[:1] != [] and answer[0].value == 4)

    assert {sample.labels["job"] for sample in prometheus.query("up == 1")} == {
        "llm-observatory",
        "prometheus",
        "alertmanager",
        "clickhouse",
    }
    (total,) = prometheus.query('llm_requests_total{job="llm-observatory"}')
    assert total.value == 3


def test_prometheus_keeps_exemplars(prometheus: Prometheus) -> None:
    """With the flags that compose passes; without the feature the link to the trace is lost."""
    prometheus.wait_for("llm_requests_total")
    now = time.time()

    exemplars = prometheus.exemplars("llm_requests_total", now - 300, now + 300)

    assert {exemplar["labels"]["trace_id"] for exemplar in exemplars} == {TRACE_ID}


def test_prometheus_sends_its_alerts_to_the_alertmanager(
    prometheus: Prometheus, alertmanager: Server
) -> None:
    prometheus.wait_for("prometheus_notifications_alertmanagers_discovered == 1")

    (active,) = prometheus.get("/api/v1/alertmanagers")["data"]["activeAlertmanagers"]
    assert active["url"].startswith(alertmanager.url)


def test_prometheus_answers_over_a_range_and_reloads(prometheus: Prometheus) -> None:
    prometheus.wait_for("up")
    now = time.time()

    (series,) = prometheus.query_range("vector(2)", now - 10, now, 5)
    assert [value for _, value in series.points] == [2, 2, 2]

    (before,) = prometheus.wait_for("prometheus_config_last_reload_success_timestamp_seconds")
    prometheus.reload()
    prometheus.wait_for(f"prometheus_config_last_reload_success_timestamp_seconds > {before.value}")


def test_alertmanager_starts_healthy_and_notifies_nobody(alertmanager: Server) -> None:
    """The container's own health check passes, and the default receiver has no integration."""
    (_, program, *arguments) = services()["alertmanager"]["healthcheck"]["test"]
    here = [argument.replace("http://localhost:9093", alertmanager.url) for argument in arguments]
    command = [binary(program), *here]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)

    assert outcome.returncode == 0, outcome.stderr
    assert [receiver["name"] for receiver in alertmanager.get("/api/v2/receivers")] == ["nobody"]


def test_prometheus_in_a_test_contacts_only_what_the_test_names() -> None:
    """Targets are replaced or left out, and no job keeps a slower interval of its own."""
    text = (DEPLOY / "prometheus/prometheus.yml").read_text()

    config = yaml.safe_load(adapt(text, {"llm-observatory:9464": "127.0.0.1:1"}, "1s", None))

    targets = {
        job["job_name"]: job["static_configs"][0]["targets"] for job in config["scrape_configs"]
    }
    assert targets.pop("llm-observatory") == ["127.0.0.1:1"]
    assert set(map(tuple, targets.values())) == {()}
    assert config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] == []
    assert config["global"]["scrape_interval"] == "1s"
    assert [job for job in config["scrape_configs"] if "scrape_interval" in job] == []


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    server = prometheus_server("scrape_configs: [{job_name: a, unknown_key: 1}]", tmp_path)

    with pytest.raises(ServerError, match="unknown_key"), server:
        pass


def test_a_missing_program_fails_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    with pytest.raises(ServerError, match="apt-get install prometheus-alertmanager"):
        binary("amtool")
