"""The retry policy beside Airflow's own delay, as the scheduler computes it from the serialized task."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.models.taskinstance import TaskInstance
from airflow.sdk import DAG, BaseOperator

from airflow_provider_modelarts.exceptions import NotebookNotReadyError
from airflow_provider_modelarts.retry_policies import BUSY_DELAY, MODELARTS_RETRY_POLICY
from tests.airflow_versions import import_first

DagSerialization = import_first(
    "airflow.serialization.serialized_objects:DagSerialization",
    "airflow.serialization.serialized_objects:SerializedDAG",
)
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("try_number", [1, 2, 4, 400])
@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({"retry_exponential_backoff": True}, id="True"),
        pytest.param({"retry_exponential_backoff": False}, id="False"),
        pytest.param({"retry_exponential_backoff": 1.5}, id="a factor"),
        pytest.param({"retry_exponential_backoff": 0.5}, id="a factor below one"),
        pytest.param({"retry_exponential_backoff": 1e6}, id="a huge factor"),
        pytest.param({"max_retry_delay": timedelta(minutes=20)}, id="limit without backoff"),
        pytest.param({"retry_exponential_backoff": True, "max_retry_delay": 3 * HOUR}, id="limit"),
        pytest.param({"retry_exponential_backoff": True, "max_retry_delay": timedelta()}, id="limit of zero"),
        pytest.param({"retry_exponential_backoff": True, "retry_delay": timedelta()}, id="no delay"),
    ],
)
def test_policy_waits_at_least_as_long_as_airflow_itself(arguments: dict[str, Any], try_number: int) -> None:
    with DAG("nightly", schedule=None, start_date=START) as dag:
        task = BaseOperator(task_id="save", **{"retries": 500, "retry_delay": HOUR, **arguments})
    ti: Any = SimpleNamespace(
        task=DagSerialization.from_dict(DagSerialization.to_dict(dag)).get_task("save"),
        retry_delay_override=None,
        try_number=try_number,
        end_date=START,
        dag_id="nightly",
        task_id="save",
        logical_date=START,
        log=SimpleNamespace(warning=lambda *_: None),
    )
    own = TaskInstance.next_retry_datetime(ti) - START

    context: Any = {"task": task}

    delay = MODELARTS_RETRY_POLICY.evaluate(
        NotebookNotReadyError("busy"), try_number, 500, context
    ).retry_delay

    assert delay is not None
    assert delay >= max(own, BUSY_DELAY)
