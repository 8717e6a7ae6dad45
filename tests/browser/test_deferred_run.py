"""A run that was started in the trigger form: its deferred sensor, links, logs and XComs."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from airflow_provider_modelarts.simulator import Simulator
from tests.browser.ui import Ui
from tests.e2e.stack import AirflowStack

DAG_ID = "snapshot_on_demand"
SAVE_TASK, WAIT_TASK = "save_notebook", "wait_until_active"
RUN_SECONDS = 600.0
CONSOLE = "https://console-intl.huaweicloud.com"
LISTS = {
    "ModelArts notebooks (list)": f"{CONSOLE}/modelarts/?region=cn-north-4#/dev-container",
    "SWR images (list)": f"{CONSOLE}/swr/?region=cn-north-4#/swr/warehouse/list/private",
}
REPOSITORY = "research-account/research/research-environment"
IMAGE_PAGE = f"{CONSOLE}/swr/?region=cn-north-4#/swr/warehouse/detail/{REPOSITORY}/tag"


@pytest.fixture(scope="module")
def run_id(ui: Ui, connection: str, simulator: Simulator, stack: AirflowStack) -> str:
    """Start the run in the form, and return its id when the sensor is deferred."""
    assert connection == "modelarts_default"
    ui.open_trigger_form(DAG_ID)
    ui.param("notebook_id").fill(simulator.notebook_id)
    ui.param("namespace").fill("research")
    run_id = ui.trigger()
    wait_for_state(stack, run_id, "deferred")
    return run_id


@pytest.fixture(scope="module")
def ended_run_id(run_id: str, simulator: Simulator, stack: AirflowStack) -> str:
    """Let the image become ACTIVE, and return the run's id when the run has ended."""
    simulator.set_image_status(saved_image(simulator)["id"], "ACTIVE")
    wait_for_state(stack, run_id, "success")
    return run_id


def saved_image(simulator: Simulator) -> dict[str, Any]:
    """Return the image of this run; ModelArts has those of other tests too."""
    (image,) = (image for image in simulator.images if image["name"] == "research-environment")
    return image


def wait_for_state(stack: AirflowStack, run_id: str, state: str) -> None:
    """Wait until the sensor has a state."""
    for now in stack.watch_run(DAG_ID, run_id, timeout=RUN_SECONDS):
        if now.tasks.get(WAIT_TASK) == state:
            return
    raise AssertionError(f"the sensor was never {state}")


def test_sensor_is_shown_deferred_with_its_trigger(ui: Ui, run_id: str) -> None:
    ui.open_task(DAG_ID, run_id, WAIT_TASK, "details")

    expect(ui.task_state("Deferred")).to_be_visible()
    expect(
        ui.page.get_by_text("airflow_provider_modelarts.triggers.image.NotebookImageTrigger").first
    ).to_be_visible()
    expect(ui.link("SWR images (list)")).to_be_visible()
    ui.screenshot("deferred-sensor")


@pytest.mark.parametrize(
    ("task_id", "links"),
    [
        (SAVE_TASK, {**LISTS, "SWR image": IMAGE_PAGE}),
        (WAIT_TASK, {"SWR images (list)": LISTS["SWR images (list)"], "SWR image": IMAGE_PAGE}),
    ],
)
def test_links_open_console_while_sensor_is_deferred(
    task_id: str, links: dict[str, str], ui: Ui, run_id: str
) -> None:
    ui.open_task(DAG_ID, run_id, task_id, "details")

    for name, address in links.items():
        expect(ui.link(name)).to_have_attribute("href", address)
    with ui.page.expect_popup() as opened:
        ui.link("SWR image").click()
    expect(opened.value.get_by_text("The console of the cloud")).to_be_visible()
    assert opened.value.url == IMAGE_PAGE
    opened.value.close()


def test_log_of_save_names_notebook_image_and_cloud(ui: Ui, run_id: str, simulator: Simulator) -> None:
    ui.open_task(DAG_ID, run_id, SAVE_TASK, "logs")

    line = f"Saving notebook {simulator.notebook_id} as research/research-environment:"
    expect(ui.page.get_by_text(line).first).to_be_visible()
    expect(ui.page.get_by_text(f"in Huawei Cloud ({simulator.endpoint})").first).to_be_visible()
    ui.screenshot("log-of-save")


def test_log_of_sensor_ends_with_image_seconds_and_address(
    ui: Ui, ended_run_id: str, simulator: Simulator
) -> None:
    image = saved_image(simulator)

    ui.open_task(DAG_ID, ended_run_id, WAIT_TASK, "logs")

    expect(ui.page.get_by_text(f"Waiting for image {image['id']}").first).to_be_visible()
    expect(ui.page.get_by_text(f"Image {image['id']} is ACTIVE after ").first).to_be_visible()
    expect(ui.page.get_by_text(f"SWR address: {image['swr_path']}").first).to_be_visible()
    assert "the trigger gave no reason" not in ui.page.content()
    ui.screenshot("log-of-sensor")


@pytest.mark.parametrize("task_id", [SAVE_TASK, WAIT_TASK])
def test_xcoms_show_image_of_service(task_id: str, ui: Ui, ended_run_id: str, simulator: Simulator) -> None:
    image = saved_image(simulator)

    ui.open_task(DAG_ID, ended_run_id, task_id, "xcom")

    expect(ui.xcom("image_id")).to_contain_text(image["id"])
    expect(ui.xcom("swr_path")).to_contain_text(image["swr_path"])
    expect(ui.xcom("return_value")).to_be_visible()
    ui.screenshot(f"xcom-{task_id}")


def test_run_sends_one_create_image(ended_run_id: str, simulator: Simulator, stack: AirflowStack) -> None:
    assert stack.run_state(DAG_ID, ended_run_id) in {"running", "success"}
    creates = [entry for entry in simulator.journal if entry.operation == "CreateImage"]
    assert len(creates) == len(simulator.images)
    assert saved_image(simulator)["status"] == "ACTIVE"
