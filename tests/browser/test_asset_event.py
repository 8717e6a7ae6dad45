"""The event of the asset that a save updates."""

from __future__ import annotations

from airflow_provider_modelarts.simulator import Simulator
from tests.browser.ui import Ui
from tests.e2e.stack import AirflowStack

DAG_ID = "image_asset"
URI = "swr://swr.cn-north-4.myhuaweicloud.com/research/environment"
RUN_SECONDS = 600.0


def test_event_of_asset_shows_image(
    ui: Ui, connection: str, simulator: Simulator, stack: AirflowStack
) -> None:
    assert connection == "modelarts_default"
    known = {image["id"] for image in simulator.images}
    run_id = stack.trigger_run(DAG_ID)
    image_id = ""
    for now in stack.watch_run(DAG_ID, run_id, timeout=RUN_SECONDS):
        if now.tasks.get("save_notebook") == "deferred":
            (image_id,) = {image["id"] for image in simulator.images} - known
            simulator.set_image_status(image_id, "ACTIVE")
    assert stack.run_state(DAG_ID, run_id) == "success"

    # Without the image in it there is nothing to see, and the page need not be waited for.
    assert image_id in stack.newest_asset_event(), "the event has no image"

    extra = ui.asset_event(URI, image_id, simulator.notebook_id)

    assert image_id in extra
    assert simulator.notebook_id in extra
    ui.screenshot("asset-event")
