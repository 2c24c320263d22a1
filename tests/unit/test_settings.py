"""Settings: where they come from, which win, and what a wrong one says."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from exporter.cli import app
from exporter.errors import ConfigurationError
from exporter.settings import CONFIG_VARIABLE, PREFIX, Settings, load

README = Path(__file__).parents[2] / "README.md"
SECRET = "hunter2-secret"
NAMES = [PREFIX + name.upper() for name in Settings.model_fields]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch):
    for name in [CONFIG_VARIABLE, *NAMES]:
        monkeypatch.delenv(name, raising=False)


def problem(config: Path | None = None) -> str:
    with pytest.raises(ConfigurationError) as error:
        load(config)
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("OTLP_HTTP_PORT", "70000", "Input should be less than or equal to 65535"),
        ("OTLP_GRPC_PORT", "-1", "Input should be greater than or equal to 0"),
        (
            "METRICS_PORT",
            "http",
            "Input should be a valid integer, unable to parse string as an integer",
        ),
        ("SPANS_RETENTION_DAYS", "0", "Input should be greater than or equal to 1"),
        ("CONTENT_RETENTION_DAYS", "3651", "Input should be less than or equal to 3650"),
        ("REQUEST_MAX_BYTES", "1023", "Input should be greater than or equal to 1024"),
        ("REQUEST_MAX_BYTES", "1073741825", "Input should be less than or equal to 1073741824"),
        ("WAITING_MAX_REQUESTS", "0", "Input should be greater than or equal to 1"),
        ("RETRY_AFTER_S", "0", "Input should be greater than 0"),
        ("INSERT_MAX_AGE_S", "61", "Input should be less than or equal to 60"),
        ("SHUTDOWN_TIMEOUT_S", "601", "Input should be less than or equal to 600"),
        ("LOG_FORMAT", "xml", "Input should be 'json' or 'text'"),
        ("LOG_LEVEL", "loud", "Input should be 'debug', 'info', 'warning' or 'error'"),
        (
            "METRIC_LABELS",
            "tenant,user",
            (
                "Value error, unknown labels user; known are agent, endpoint, environment, "
                "feature, prompt_version, release, tenant"
            ),
        ),
    ],
)
def test_a_wrong_value_is_named_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
):
    monkeypatch.setenv(PREFIX + name, value)
    assert problem() == f"{PREFIX}{name}: {message}"


@pytest.mark.parametrize("name", ["SPAN_FUTURE_MAX_S", "INSERT_TIMEOUT_S", "RETRY_AFTER_S"])
@pytest.mark.parametrize("value", ["inf", "nan"])
def test_a_time_is_a_finite_number(monkeypatch: pytest.MonkeyPatch, name: str, value: str):
    monkeypatch.setenv(PREFIX + name, value)
    assert problem().startswith(f"{PREFIX}{name}: ")


def test_every_problem_is_on_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(f"{PREFIX}OTLP_PORT", "1")
    monkeypatch.setenv(f"{PREFIX}API_PORT", "x")
    monkeypatch.setenv(f"{PREFIX}LOG_FORMAT", "x")
    unknown, *others = problem().splitlines()
    assert unknown == (
        f"{PREFIX}OTLP_PORT: no such setting (`llm-observatory serve --help` lists them)"
    )
    assert [line.split(":")[0] for line in others] == [f"{PREFIX}API_PORT", f"{PREFIX}LOG_FORMAT"]


def test_a_name_in_lower_case_counts(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(f"{PREFIX}api_port".lower(), "1234")
    assert load().api_port == 1234


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("- host: x", "must be a list of `setting: value` lines", id="a list"),
        pytest.param("just words", "must be a list of `setting: value` lines", id="words"),
        pytest.param("hosts: x", "hosts: no such setting", id="unknown"),
        pytest.param("HOST: x", "HOST: no such setting", id="capitals"),
        pytest.param("1: x", "1: no such setting", id="a number"),
    ],
)
def test_a_wrong_file_is_named_with_its_reason(tmp_path: Path, text: str, message: str):
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    assert problem(file) == f"{file}: {message}"


def test_a_wrong_value_of_the_file_is_named(tmp_path: Path):
    file = tmp_path / "settings.yaml"
    file.write_text("api_port: 99999")
    assert problem(file) == f"{PREFIX}API_PORT: Input should be less than or equal to 65535"


def test_the_unknown_settings_of_a_file_come_in_a_fixed_order(tmp_path: Path):
    file = tmp_path / "settings.yaml"
    names = [f"unknown_{number:02}" for number in range(20)]
    file.write_text("\n".join(f"{name}: 1" for name in names))
    assert problem(file).splitlines() == [f"{file}: {name}: no such setting" for name in names]


def test_a_missing_file_is_named(tmp_path: Path):
    file = tmp_path / "no.yaml"
    assert str(file) in problem(file)
    assert "No such file" in problem(file)


def test_a_file_that_is_no_text_is_a_configuration_error(tmp_path: Path):
    file = tmp_path / "settings.yaml"
    file.write_bytes(b"host: \xff\xfe")
    assert str(file) in problem(file)


def test_the_environment_wins_over_the_file_and_the_file_over_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "settings.yaml"
    file.write_text("host: from-file\napi_port: 1\nmetric_labels: [tenant, feature]")
    monkeypatch.setenv(CONFIG_VARIABLE, str(file))
    monkeypatch.setenv(f"{PREFIX}API_PORT", "2")
    settings = load()
    assert settings.host == "from-file"
    assert settings.api_port == 2
    assert settings.metrics_port == 9464
    assert settings.metric_labels == ("tenant", "feature")


def test_the_file_of_the_command_line_stands_in_for_that_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    first, second = tmp_path / "1.yaml", tmp_path / "2.yaml"
    first.write_text("api_port: 1")
    second.write_text("api_port: 2")
    monkeypatch.setenv(CONFIG_VARIABLE, str(first))
    assert load().api_port == 1
    assert load(second).api_port == 2


def test_an_empty_file_sets_nothing(tmp_path: Path):
    file = tmp_path / "settings.yaml"
    file.write_text("# nothing\n")
    assert load(file) == load()


def test_labels_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(f"{PREFIX}METRIC_LABELS", " tenant , feature,")
    assert load().metric_labels == ("tenant", "feature")


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        load().api_port = 1


# Secrets ------------------------------------------------------------------------------------


def test_the_password_comes_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "password"
    file.write_text(f"{SECRET}\n")
    monkeypatch.setenv(f"{PREFIX}CLICKHOUSE_PASSWORD_FILE", str(file))
    settings = load()
    assert settings.password == SECRET
    assert SECRET not in repr(settings)


def test_the_password_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(f"{PREFIX}CLICKHOUSE_PASSWORD", SECRET)
    assert load().password == SECRET


def test_there_may_be_no_password(monkeypatch: pytest.MonkeyPatch):
    assert load().password is None
    monkeypatch.setenv(f"{PREFIX}CLICKHOUSE_PASSWORD", "")
    assert load().password is None


def test_a_missing_password_file_is_a_configuration_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(f"{PREFIX}CLICKHOUSE_PASSWORD_FILE", str(tmp_path / "no"))
    with pytest.raises(ConfigurationError) as error:
        _ = load().password
    assert str(error.value) == "clickhouse_password_file: No such file or directory"


def test_a_password_file_that_is_no_text_is_a_configuration_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "password"
    file.write_bytes(b"\xff\xfe")
    monkeypatch.setenv(f"{PREFIX}CLICKHOUSE_PASSWORD_FILE", str(file))
    with pytest.raises(ConfigurationError, match="clickhouse_password_file"):
        _ = load().password


@pytest.mark.parametrize("show", [repr, str])
def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch, show: type[str]):
    monkeypatch.setenv(f"{PREFIX}CLICKHOUSE_PASSWORD", SECRET)
    monkeypatch.setenv(f"{PREFIX}CLICKHOUSE_URL", f"http://user:{SECRET}@host/db")
    assert SECRET not in show(load())


@pytest.mark.parametrize(
    "text",
    [
        f"clickhouse_password: [{SECRET}]",
        f"clickhouse_url: [{SECRET}]",
        f"clickhouse_password: {SECRET}\napi_port: x",
        f'clickhouse_password: "{SECRET}\napi_port: 1',
        f"clickhouse_password: {SECRET}: x",
        f"clickhouse_password: @{SECRET}",
        f"clickhouse_url: http://u:{SECRET}@h\n\tport: 1",
    ],
)
def test_secrets_are_not_in_an_error(tmp_path: Path, text: str):
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    assert SECRET not in problem(file)


# What is documented -------------------------------------------------------------------------


def test_the_help_lists_every_setting_with_its_meaning():
    shown = CliRunner().invoke(app, ["serve", "--help"]).output
    flat = re.sub(r"\s+", " ", shown)
    for name, field in Settings.model_fields.items():
        assert PREFIX + name.upper() in shown
        assert field.description
        assert re.sub(r"\s+", " ", field.description) in flat


@pytest.mark.parametrize("name", [*NAMES, CONFIG_VARIABLE])
def test_the_readme_names_every_setting(name: str):
    assert re.search(rf"\b{name}\b", README.read_text(encoding="utf-8"))


def test_the_readme_names_no_setting_that_is_not():
    named = set(re.findall(rf"\b{PREFIX}[A-Z_]*[A-Z]\b", README.read_text(encoding="utf-8")))
    assert named <= {*NAMES, CONFIG_VARIABLE}
