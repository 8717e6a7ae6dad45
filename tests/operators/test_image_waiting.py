"""How the operator waits, and how its waits end."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    AirflowTaskTimeout,
    TaskDeferred,
)

from airflow_provider_modelarts import exceptions
from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.sensors.image import NotebookImageSensor
from airflow_provider_modelarts.simulator import Fault, Simulator
from tests.airflow_versions import AirflowRescheduleException, TaskDeferralError, TaskDeferralTimeout
from tests.recorder import TaskInstance, context

ID = "6b1c2d3e-4f50-4a61-8b72-9c83ad94be05"
IMAGE_ID = "4e0d1854-63e5-4517-b683-a0ee97a692a1"
RETRYABLE = [
    *(
        "ApiError",
        "ConnectionLookupError",
        "NotebookNotReadyError",
        "QuotaExceededError",
        "RateLimitError",
        "ServerError",
    ),
    *("TransportError", "InvalidResponseError", "FromTheFuture"),
]
PERMANENT = [error.__name__ for error in exceptions.PERMANENT]


def operator(**arguments: Any) -> CreateNotebookImageOperator:
    given = {"task_id": "save", "notebook_id": ID, "name": "research", "namespace": "team", "tag": "nightly"}
    return CreateNotebookImageOperator(**{**given, "wait_for_completion": True, **arguments})


def sensor(**arguments: Any) -> NotebookImageSensor:
    return NotebookImageSensor(task_id="wait", image_id=IMAGE_ID, **arguments)


@pytest.mark.parametrize(
    ("fault", "not_before"),
    [
        pytest.param(Fault("error", "ShowImage", status=503, retry_after=120), 120, id="a longer pause"),
        pytest.param(Fault("error", "ShowImage", status=503), None, id="a failure"),
        pytest.param(Fault("error", "ShowImage", status=400, code="ModelArts.6404"), None, id="not found"),
        pytest.param(Fault("html", "ShowImage", status=403), None, id="bare 403"),
        pytest.param(Fault("html", "ShowImage", status=404), None, id="a gateway's page"),
    ],
)
@pytest.mark.usefixtures("connection")
def test_operator_defers_after_failed_first_poll(
    fault: Fault, not_before: float | None, simulator: Simulator
) -> None:
    simulator.inject(fault)

    with pytest.raises(TaskDeferred) as deferred:
        operator(deferrable=True).execute(context(TaskInstance()))

    arguments = deferred.value.trigger.serialize()[1]
    asked_for = arguments["not_before"] and arguments["not_before"] - arguments["since"]
    assert asked_for == (not_before and pytest.approx(not_before))


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault("error", "*", status=401, code="APIGW.0301"), id="a wrong key"),
        pytest.param(Fault("error", "*", status=403, code="ModelArts.0108"), id="no permission"),
        pytest.param(Fault("error", "*", status=400, code="ModelArts.6404"), id="no such notebook"),
        pytest.param(Fault("error", "*", status=400, code="ModelArts.6400"), id="a bad request"),
        pytest.param(Fault("error", "*", status=401, code="ModelArts.6201"), id="a suspended account"),
        pytest.param(Fault("error", "*", status=400, code="ModelArts.6326"), id="a blocked account"),
    ],
)
@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.usefixtures("connection")
def test_operator_does_not_retry_permanent_error(
    fault: Fault, deferrable: bool, simulator: Simulator
) -> None:
    simulator.inject(fault)

    with pytest.raises(AirflowFailException, match=fault.code or ""):
        operator(deferrable=deferrable).execute(context(TaskInstance()))


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.usefixtures("connection")
def test_operator_does_not_retry_forbidden_poll(deferrable: bool, simulator: Simulator) -> None:
    simulator.inject(Fault("error", "ShowImage", times=None, status=403, code="ModelArts.0108"))

    with pytest.raises(AirflowFailException):
        operator(deferrable=deferrable, poll_interval=1).execute(context(TaskInstance()))


@pytest.mark.parametrize("name", PERMANENT)
@pytest.mark.parametrize(
    "make", [operator, sensor, lambda: sensor(soft_fail=True)], ids=["save", "wait", "soft"]
)
def test_deferred_task_does_not_retry_permanent_error(make: Any, name: str) -> None:
    event = {"status": "failed", "error": name, "message": "refused"}

    with pytest.raises(AirflowFailException, match="refused"):
        make().resume_execution("execute_complete", {"event": event}, context(TaskInstance()))


@pytest.mark.parametrize("name", RETRYABLE)
@pytest.mark.parametrize("make", [operator, sensor], ids=["save", "wait"])
def test_deferred_task_retries_other_errors(make: Any, name: str) -> None:
    event = {"status": "failed", "error": name, "message": "come back"}

    with pytest.raises(exceptions.ModelArtsError, match="come back"):
        make().resume_execution("execute_complete", {"event": event}, context(TaskInstance()))


@pytest.mark.parametrize(
    ("reason", "kind"), [("Trigger timeout", TaskDeferralTimeout), ("Trigger failure", TaskDeferralError)]
)
def test_operator_names_notebook_when_airflow_ends_deferral(reason: str, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=f"image of notebook {ID} ended .*3600 s.*{reason}"):
        operator().resume_execution("__fail__", {"error": reason}, context(TaskInstance()))


@pytest.mark.parametrize(
    ("soft_fail", "reason", "kind"),
    [
        (False, "Trigger timeout", "AirflowSensorTimeout"),
        (True, "Trigger timeout", "AirflowSkipException"),
        (False, "Trigger failure", "TaskDeferralError"),
        (True, "Trigger failure", "TaskDeferralError"),
    ],
)
def test_sensor_names_image_when_airflow_ends_deferral(soft_fail: bool, reason: str, kind: str) -> None:
    with pytest.raises(Exception, match=f"image {IMAGE_ID} ended .*3600 s.*{reason}") as caught:
        sensor(soft_fail=soft_fail).resume_execution("__fail__", {"error": reason}, context(TaskInstance()))

    assert type(caught.value).__name__ == kind


def test_sensor_logs_why_it_is_skipped_after_deferral() -> None:
    event = {"status": "timeout", "message": f"Timed out after 60 s waiting for image {IMAGE_ID}: no poll"}

    with pytest.raises(Exception, match="Timed out after 60 s") as caught:
        sensor(soft_fail=True).resume_execution("execute_complete", {"event": event}, context(TaskInstance()))

    assert type(caught.value).__name__ == "AirflowSkipException"


SUCCESS = {"status": "success", "image": {"image_id": IMAGE_ID, "swr_path": "s", "status": "ACTIVE"}}
OWN_ENDS = [
    AirflowSkipException("not needed today"),
    AirflowFailException("timeout of the scanner"),
    AirflowException("the scanner failed"),
    AirflowRescheduleException(datetime(2026, 11, 21, tzinfo=timezone.utc)),
]


class Scanned(CreateNotebookImageOperator):
    """A team's own operator, which does more when the wait is over."""

    end: Exception

    def execute_complete(self, context: Any, event: Any = None) -> dict[str, Any]:
        super().execute_complete(context, event)
        raise self.end


class ScannedWait(NotebookImageSensor):
    """The same for the sensor."""

    end: Exception

    def execute_complete(self, context: Any, event: Any = None) -> dict[str, Any]:
        super().execute_complete(context, event)
        raise self.end


@pytest.mark.parametrize("end", OWN_ENDS, ids=lambda end: type(end).__name__)
@pytest.mark.parametrize(
    "make",
    [
        lambda: Scanned(task_id="save", notebook_id=ID),
        lambda: ScannedWait(task_id="wait", image_id=IMAGE_ID),
        lambda: ScannedWait(task_id="wait", image_id=IMAGE_ID, soft_fail=True),
    ],
    ids=["save", "wait", "soft"],
)
def test_tasks_keep_exception_of_subclass_after_deferral(make: Any, end: Exception) -> None:
    """Airflow acts on its class and its attributes."""
    task = make()
    task.end = end

    with pytest.raises(type(end)) as caught:
        task.resume_execution("execute_complete", {"event": SUCCESS}, context(TaskInstance()))

    assert caught.value is end


@pytest.mark.usefixtures("connection")
def test_operator_names_wait_at_execution_timeout(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise AirflowTaskTimeout("Timeout, PID: 7")

    save = operator()
    monkeypatch.setattr(save.hook, "wait_for_image", interrupted)

    with pytest.raises(AirflowTaskTimeout) as caught:
        save.execute(context(TaskInstance()))

    (image,) = simulator.images
    assert f"s waiting for image {image['id']}: last status INIT. Timeout, PID: 7" in str(caught.value)
