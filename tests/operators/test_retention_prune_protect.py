"""The argument ``protect`` of a prune."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_modelarts.operators.retention import PruneNotebookImagesOperator
from airflow_provider_modelarts.simulator import Simulator
from tests.recorder import TaskInstance, context

pytestmark = pytest.mark.usefixtures("connection")


def test_prune_refuses_protect_that_matches_no_address(simulator: Simulator) -> None:
    task = PruneNotebookImagesOperator(
        task_id="prune", namespace="team", keep_last=1, mode="delete", protect=["research"]
    )

    with pytest.raises(AirflowFailException, match="protect matches no address in SWR"):
        task.execute(context(TaskInstance()))

    assert simulator.journal == ()
