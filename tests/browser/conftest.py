"""One Airflow, one simulator and one browser for all tests here; ``bash run.sh browser`` starts them."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_modelarts.simulator import AfterReads, Simulator
from tests.browser.airflow2_stack import AIRFLOW_2_COMPONENTS, Airflow2Stack
from tests.e2e.example_runs import EXAMPLE_DAGS
from tests.e2e.failure_logs import keep_logs_after_failure
from tests.e2e.stack import AirflowStack

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.browser.ui import Fields, Ui

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / ".screenshots"
DAG_IDS = ("snapshot_on_demand", "image_asset")
FOR_THE_DOCS = ("connection-form", "trigger-form", "deferred-sensor")
"""Screenshots that ``--record`` copies into docs/images."""
NEVER = AfterReads(1_000_000_000)
"""Images become ACTIVE when a test sets it, so that a slow machine sees them pending too."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what tests/browser/run.py gives."""
    parser.addoption("--airflow-version", help="the version of the Airflow under test")
    parser.addoption("--airflow-python", help="the Python that has it")
    parser.addoption("--chromium", help="the path of the browser")
    parser.addoption("--record", action="store_true", help="copy the screenshots of the docs")


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Ignore this folder unless tests/browser/run.py runs it: nothing else has a browser."""
    return None if config.getoption("airflow_version", None) else True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Store the page of a test that failed."""
    report: pytest.TestReport = yield  # type: ignore[assignment]
    page: Page | None = getattr(item.session, "browser_page", None)
    if report.failed and page is not None:
        folder = screenshots(item.config) / "failed"
        folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=folder / f"{item.name}-{report.when}.png", full_page=True)
        (folder / f"{item.name}-{report.when}.html").write_text(page.content())
        report.sections.append(("page", f"{page.url}: see {folder}"))
    return report  # type: ignore[return-value]


def screenshots(config: pytest.Config) -> Path:
    return SCREENSHOTS / str(config.getoption("airflow_version"))


@pytest.fixture(scope="session")
def airflow_version(pytestconfig: pytest.Config) -> str:
    """The version of the Airflow under test."""
    return str(pytestconfig.getoption("airflow_version"))


@pytest.fixture(scope="session")
def simulator() -> Iterator[Simulator]:
    """Run one simulated ModelArts."""
    with Simulator(save=NEVER) as running:
        yield running


@pytest.fixture(scope="session")
def stack(
    pytestconfig: pytest.Config, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AirflowStack]:
    """Run one Airflow of the version under test, without any connection."""
    dags = tmp_path_factory.mktemp("dags")
    shutil.copy(EXAMPLE_DAGS / "snapshot_on_demand.py", dags)
    shutil.copy(Path(__file__).with_name("dags") / "image_asset.py", dags)
    python = str(pytestconfig.getoption("airflow_python"))
    # Stored values are not encrypted, so that a test can read them.
    env = {"AIRFLOW__CORE__FERNET_KEY": ""}
    if str(pytestconfig.getoption("airflow_version")).startswith("2."):
        made: AirflowStack = Airflow2Stack(dags, env=env, components=AIRFLOW_2_COMPONENTS, python=python)
    else:
        made = AirflowStack(dags, env=env, python=python)
    with made as running, keep_logs_after_failure(running, request.session):
        for dag_id in DAG_IDS:
            running.wait_for_dag(dag_id)
        yield running


@pytest.fixture(scope="session")
def browser(pytestconfig: pytest.Config) -> Iterator[Browser]:
    """Run one headless browser; root's needs to be without a sandbox."""
    from playwright.sync_api import expect, sync_playwright

    from tests.browser.ui import WAIT_MS

    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=str(pytestconfig.getoption("chromium")), args=["--no-sandbox"]
        )
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def ui(
    stack: AirflowStack, browser: Browser, pytestconfig: pytest.Config, request: pytest.FixtureRequest
) -> Iterator[Ui]:
    """The UI of the Airflow under test, in one window."""
    from tests.browser.ui_airflow2 import Airflow2Ui
    from tests.browser.ui_airflow3 import Airflow3Ui

    context = browser.new_context(viewport={"width": 1280, "height": 1000}, locale="en-GB")
    # No console of a cloud is on this machine.
    context.route("https://console*/**", lambda route: route.fulfill(body="The console of the cloud"))
    page = context.new_page()
    request.session.browser_page = page  # type: ignore[attr-defined]
    folder = screenshots(pytestconfig)
    shutil.rmtree(folder, ignore_errors=True)
    kind = Airflow2Ui if isinstance(stack, Airflow2Stack) else Airflow3Ui
    yield kind(page, stack.url, folder)
    context.close()
    if pytestconfig.getoption("record") and kind is Airflow3Ui:
        images = ROOT / "docs" / "images"
        images.mkdir(exist_ok=True)
        for name in FOR_THE_DOCS:
            shutil.copy(folder / f"{name}.png", images)


@pytest.fixture
def stored(stack: AirflowStack) -> Any:
    """Return a function that reads a stored connection from Airflow's database."""

    def read(conn_id: str) -> dict[str, Any]:
        with sqlite3.connect(stack.home / "airflow.db") as database:
            database.row_factory = sqlite3.Row
            (row,) = database.execute("SELECT * FROM connection WHERE conn_id = ?", [conn_id])
        return dict(row)

    return read


@pytest.fixture(scope="session")
def fields(simulator: Simulator) -> Fields:
    """What a user types into the connection form to reach the simulator."""
    given = simulator.connection
    return {
        "host": given["host"],
        "login": given["login"],
        "password": given["password"],
        "port": "443",
        "region": "cn-north-4",
        "project_id": given["extra"]["project_id"],
    }


@pytest.fixture(scope="session")
def connection(ui: Ui, fields: Fields) -> str:
    """Add the connection of the DAGs through the form; the account's name makes the link to an image."""
    ui.open_new_connection("modelarts_default")
    ui.fill({**fields, "domain_name": "research-account"})
    ui.save()
    return "modelarts_default"
