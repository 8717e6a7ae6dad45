"""Tasks that are expanded over a list of notebooks, through Airflow itself."""

from __future__ import annotations

import pytest

from airflow_provider_modelarts.simulator import Simulator
from tests import airflow_runs

pytestmark = [
    # All of Airflow is at work here, and the libraries below it warn of each other.
    pytest.mark.filterwarnings("default"),
    pytest.mark.usefixtures("connection"),
]


def test_tasks_are_expanded_over_values_of_listed_notebooks(simulator: Simulator) -> None:
    """Two of them have the same name, which is not valid for an image; a third one is not listed."""
    airflow_runs.migrate()
    ids = [simulator.add_notebook(name="team-A b") for _ in range(2)]
    for notebook_id in ids:
        simulator.notebook(notebook_id).set_lease(seconds=600)

    dag_run = airflow_runs.run_dag("listed.py", "listed")

    states = sorted((ti.task_id, ti.map_index, str(ti.state)) for ti in dag_run.get_task_instances())
    assert states == [
        ("list", -1, "success"),
        *((task_id, index, "success") for task_id in ("renew", "save") for index in range(2)),
    ]
    saved = {(image["name"], image["tag"]) for image in simulator.images}
    assert saved == {("team-a-b", notebook_id) for notebook_id in ids}
    assert all((simulator.notebook(i).lease_ends_at or 0) > simulator.now() + 7000 for i in ids)
