"""A restore while somebody else sets another image: it is no success that the notebook runs that one."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_modelarts.client import notebook_changes, notebook_steps
from airflow_provider_modelarts.exceptions import ModelArtsError
from airflow_provider_modelarts.simulator import Simulator
from tests.operators.test_notebook_restore import in_both, other_image, restore, snapshot
from tests.recorder import TaskInstance
from tests.task_runs import run

pytestmark = pytest.mark.usefixtures("quick_polls", "connection")


@in_both
@pytest.mark.parametrize("waits", [True, False], ids=["waits", "does not wait"])
def test_restore_fails_if_notebook_starts_with_image_of_another_task(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, deferrable: bool, waits: bool
) -> None:
    """Two tasks restore two images: both set theirs, and then one starts the notebook."""
    image_id = snapshot(simulator, "numpy")
    simulator.notebook().stop()
    first = other_image(simulator)
    update = notebook_changes.update_image

    async def both_update(client: Any, notebook_id: str, *args: Any, **kwargs: Any) -> Any:
        updated = await update(client, notebook_id, *args, **kwargs)
        await update(client, notebook_id, first)
        return updated

    monkeypatch.setattr(notebook_steps, "update_image", both_update)
    ti = TaskInstance()
    task = restore(simulator, deferrable=deferrable, image_id=image_id, wait_for_completion=waits)

    with pytest.raises(ModelArtsError, match=rf"with the image {first}, not {image_id}, which was restored"):
        run(task, ti)
    assert "image_id" not in ti.xcom
    assert "status" not in ti.xcom
