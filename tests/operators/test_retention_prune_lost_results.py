"""A prune whose arguments are results of tasks that returned nothing."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, BaseOperator

from airflow_provider_modelarts.operators.retention import PruneNotebookImagesOperator
from airflow_provider_modelarts.simulator import Simulator
from tests.recorder import TaskInstance, context
from tests.snapshots import daily

pytestmark = pytest.mark.usefixtures("connection")

ARGUMENTS = [
    *("namespace", "name", "notebook_ids", "workspace_id", "keep_within", "keep_tags", "protect"),
    *("timezone", "min_age"),
]


@pytest.mark.parametrize("argument", ARGUMENTS)
def test_prune_refuses_result_that_is_nothing(simulator: Simulator, argument: str) -> None:
    """Without the argument it would remove more: of all notebooks in place of those of a skipped task."""
    daily(simulator, 3)
    with DAG("prune", schedule=None):
        upstream = BaseOperator(task_id="upstream")
        given: dict[str, Any] = {"namespace": "team", "keep_last": 1, "mode": "delete"}
        task = PruneNotebookImagesOperator(task_id="prune", **{**given, argument: upstream.output})
    setattr(task, argument, None)  # as Airflow resolves it

    with pytest.raises(AirflowFailException, match=argument):
        task.execute(context(TaskInstance()))

    assert simulator.journal == ()
