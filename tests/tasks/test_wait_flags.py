"""The flags of tasks that wait: text is refused, as ``"False"`` would count as true."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_modelarts.operators.notebook import (
    RestoreNotebookOperator,
    StartNotebookOperator,
    StopNotebookOperator,
)
from airflow_provider_modelarts.sensors.image import NotebookImageSensor
from airflow_provider_modelarts.sensors.notebook import NotebookStatusSensor
from airflow_provider_modelarts.simulator import Simulator
from tests.task_runs import run

OPERATORS = (StartNotebookOperator, StopNotebookOperator, RestoreNotebookOperator)
SENSORS = (NotebookImageSensor, NotebookStatusSensor)
ID = "6fa459ea-ee8a-3ca4-894e-db77e160355e"


@pytest.mark.parametrize("value", ["False", "{{ params.wait }}", None, 1], ids=repr)
@pytest.mark.parametrize(
    ("task_class", "flag"),
    [
        *((task_class, flag) for task_class in OPERATORS for flag in ("wait_for_completion", "deferrable")),
        *((task_class, "deferrable") for task_class in SENSORS),
        (NotebookImageSensor, "verify_in_registry"),
    ],
    ids=lambda part: getattr(part, "__name__", part),
)
def test_waiting_task_refuses_flag_that_is_no_bool(
    task_class: Any, flag: str, value: Any, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(simulator.connection))
    resource = "image_id" if task_class is NotebookImageSensor else "notebook_id"
    task = task_class(task_id="wait", **{resource: ID, flag: value})

    with pytest.raises(AirflowFailException, match=f"{flag} must be True or False"):
        run(task)

    assert simulator.journal == ()
