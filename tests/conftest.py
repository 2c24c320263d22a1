"""Fixtures that several folders of tests share: a store, and a service that writes to it."""

import os
from collections.abc import Generator, Iterator

import pytest
from hypothesis import settings

from tests.support.clickhouse_http import ClickHouseServer, clickhouse_http_server
from tests.support.service import Service, running_service, store_url

# The same examples at every run of continuous integration; others at a person's every run. How long
# an example takes is the machine's business.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    """A ClickHouse server of this module's own."""
    with clickhouse_http_server(tmp_path_factory.mktemp("clickhouse") / "engine") as server:
        yield server


@pytest.fixture(scope="module")
def service(
    clickhouse: ClickHouseServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service with default limits that this module's tests share: look at differences."""
    directory = tmp_path_factory.mktemp("service")
    with running_service(directory, clickhouse_url=store_url(clickhouse)) as running:
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what a service wrote next to the failure of a test that used it."""
    report = yield
    if report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, Service):
                report.sections.append((f"Output of {name}", value.output[-20_000:]))
    return report
