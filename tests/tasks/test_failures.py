"""The errors with which a task ends, as Airflow gets them."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, AirflowTaskTimeout

from airflow_provider_modelarts.exceptions import ConnectionLookupError, StopRefusedError
from airflow_provider_modelarts.tasks.failures import (
    ENDED_BY_AIRFLOW,
    fail_without_retry,
    name_execution_timeout,
    name_lost_wait,
)

GIVEN = (StopRefusedError,)
WAITED_FOR = "image i: last status INIT"


def test_failures_of_given_classes_are_not_retried() -> None:
    raised = StopRefusedError("it would lose what is installed")

    with pytest.raises(AirflowFailException, match="would lose") as failed, fail_without_retry(GIVEN):
        raise raised
    assert failed.value.__cause__ is raised


def test_failures_of_other_classes_are_raised_unchanged() -> None:
    raised = ConnectionLookupError("Airflow did not return the connection")

    with pytest.raises(ConnectionLookupError) as failed, fail_without_retry(GIVEN):
        raise raised
    assert failed.value is raised


def test_execution_timeout_names_what_the_task_waited_for() -> None:
    expected = r"Timed out after 0 s waiting for image i: last status INIT. Timeout, PID: 7"
    with pytest.raises(AirflowTaskTimeout, match=expected), name_execution_timeout(lambda: WAITED_FOR):
        raise AirflowTaskTimeout("Timeout, PID: 7")


@pytest.mark.parametrize(
    ("next_method", "message", "calls"),
    [(ENDED_BY_AIRFLOW, "The wait. Airflow reported: died", 1), ("execute_complete", "died", 0)],
)
def test_lost_wait_is_named_only_where_airflow_ended_it(next_method: str, message: str, calls: int) -> None:
    lost: list[bool] = []

    with (
        pytest.raises(AirflowException) as failed,
        name_lost_wait(next_method, "The wait", lambda: lost.append(True)),
    ):
        raise AirflowException("died")

    assert (str(failed.value), len(lost)) == (message, calls)
