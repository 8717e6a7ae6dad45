"""What a stop refuses before anything is sent, because its default would be less than what is meant."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_modelarts.operators.notebook import RestoreNotebookOperator, StopNotebookOperator
from airflow_provider_modelarts.simulator import Simulator
from tests.task_runs import run

pytestmark = pytest.mark.usefixtures("connection")


@pytest.mark.parametrize("operator", [StopNotebookOperator, RestoreNotebookOperator])
@pytest.mark.parametrize("within", [timedelta(0), 0, 0.0, False, [], {}, "0h"], ids=repr)
def test_require_snapshot_within_nothing_is_refused(
    simulator: Simulator, operator: Any, within: object
) -> None:
    """It is not the same as not given, which is two hours."""
    task = operator(task_id="task", notebook_id=simulator.notebook_id, require_snapshot_within=within)

    with pytest.raises(AirflowFailException, match="Nothing was sent: require_snapshot_within must be"):
        run(task)

    assert simulator.journal == ()
