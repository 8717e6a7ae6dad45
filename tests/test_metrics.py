"""The metrics of operator and sensor, as Airflow's own Stats passes them to its backend."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    TaskDeferred,
)
from airflow.sdk._shared.observability.metrics.base_stats_logger import NoStatsLogger
from airflow.sdk.observability import stats

from airflow_provider_modelarts.client import notebook_steps
from airflow_provider_modelarts.exceptions import ModelArtsError
from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.operators.notebook import (
    RenewNotebookLeaseOperator,
    RestoreNotebookOperator,
    StartNotebookOperator,
    StopNotebookOperator,
)
from airflow_provider_modelarts.operators.retention import (
    DeleteNotebookImageOperator,
    PruneNotebookImagesOperator,
    RegisterNotebookImageOperator,
    TagNotebookImageOperator,
)
from airflow_provider_modelarts.sensors.image import NotebookImageSensor
from airflow_provider_modelarts.simulator import AfterReads, Fault, Simulator
from tests.recorder import TaskInstance, context

pytestmark = pytest.mark.usefixtures("connection", "quick_polls")

OTHER_TASKS = (
    *(StartNotebookOperator, StopNotebookOperator, RenewNotebookLeaseOperator, RestoreNotebookOperator),
    *(PruneNotebookImagesOperator, DeleteNotebookImageOperator, TagNotebookImageOperator),
    RegisterNotebookImageOperator,
)
PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"
TASK = {"dag_id": "dag", "task_id": "task"}


class Backend:
    """A metrics backend, in place of StatsD's."""

    def __init__(self) -> None:
        self.counts: list[tuple[str, dict[str, str]]] = []
        self.timings: dict[str, timedelta] = {}

    def incr(self, stat: str, *, tags: dict[str, str]) -> None:
        self.counts.append((stat, tags))

    def timing(self, stat: str, dt: timedelta, *, tags: dict[str, str]) -> None:
        assert tags == TASK
        self.timings[stat] = dt

    @property
    def names(self) -> list[str]:
        return [name.removeprefix("modelarts.") for name, _ in self.counts]


@pytest.fixture(autouse=True)
def backend() -> Iterator[Backend]:
    backend = Backend()
    stats.initialize(factory=lambda: backend, export_legacy_names=False)  # type: ignore[arg-type, return-value]
    yield backend
    stats.initialize(factory=NoStatsLogger, export_legacy_names=True)


def save(simulator: Simulator, **arguments: Any) -> CreateNotebookImageOperator:
    given = {"name": "research", "namespace": "team", "tag": "1", "poll_interval": 0.01, **arguments}
    return CreateNotebookImageOperator(task_id="task", notebook_id=simulator.notebook_id, **given)


def test_metrics_of_save_and_retry(simulator: Simulator, backend: Backend) -> None:
    save(simulator).execute(context(TaskInstance()))
    save(simulator).execute(context(TaskInstance(try_number=2)))

    assert backend.counts == [("modelarts.save.created", TASK), ("modelarts.save.adopted", TASK)]
    assert list(backend.timings) == ["modelarts.save.duration"]
    assert backend.timings["modelarts.save.duration"] > timedelta()


@pytest.mark.parametrize(
    ("fault", "outcome", "error"),
    [
        pytest.param(
            Fault("error", "CreateImage", status=400, code="ModelArts.6327"),
            "failed",
            "NotebookNotReadyError",
            id="busy",
        ),
        pytest.param(
            Fault("error", "CreateImage", status=400, code="ModelArts.0113"),
            "failed",
            "QuotaExceededError",
            id="quota",
        ),
        pytest.param(
            Fault("error", "CreateImage", status=403, code="ModelArts.0108"),
            "refused",
            "PermissionDeniedError",
            id="permission",
        ),
    ],
)
def test_metrics_of_save_that_fails(
    fault: Fault, outcome: str, error: str, simulator: Simulator, backend: Backend
) -> None:
    simulator.inject(fault)

    with pytest.raises((ModelArtsError, AirflowFailException)):
        save(simulator).execute(context(TaskInstance()))

    assert backend.counts == [(f"modelarts.save.{outcome}", {**TASK, "error": error})]


def test_metrics_of_save_with_invalid_argument(simulator: Simulator, backend: Backend) -> None:
    with pytest.raises(AirflowFailException):
        save(simulator, name="").execute(context(TaskInstance()))

    assert backend.names == ["save.refused"]


@pytest.mark.parametrize("simulator", [AfterReads(2)], indirect=True)
def test_metrics_of_wait_in_worker(simulator: Simulator, backend: Backend) -> None:
    save(simulator, wait_for_completion=True).execute(context(TaskInstance()))

    assert backend.names == ["save.created", "wait.active"]
    assert list(backend.timings) == ["modelarts.save.duration", "modelarts.wait.duration"]


@pytest.mark.parametrize("simulator", [AfterReads(2)], indirect=True)
def test_metrics_of_deferred_wait_count_from_its_begin(simulator: Simulator, backend: Backend) -> None:
    task = save(simulator, wait_for_completion=True, deferrable=True)
    with pytest.raises(TaskDeferred):
        task.execute(context(TaskInstance()))
    assert backend.names == ["save.created"]
    event = {"status": "success", "image": {"image_id": "i", "swr_path": None}, "since": 0}

    task.execute_complete(context(TaskInstance()), event)

    assert backend.names == ["save.created", "wait.active"]
    assert backend.timings["modelarts.wait.duration"] > timedelta(days=365)


@pytest.mark.parametrize(
    ("event", "name"),
    [
        ({"status": "failed", "error": "ImageFailedError"}, "wait.failed"),
        ({"status": "timeout", "error": "WaitTimeoutError"}, "wait.timed_out"),
        ({"status": "unreadable"}, "wait.failed"),
    ],
    ids=str,
)
def test_metrics_of_deferred_wait_that_fails(
    event: dict[str, Any], name: str, simulator: Simulator, backend: Backend
) -> None:
    with pytest.raises(ModelArtsError):
        save(simulator).execute_complete(context(TaskInstance()), event)

    assert backend.names == [name]
    assert backend.timings == {}


@pytest.mark.parametrize("kind", ["operator", "sensor"])
def test_metrics_of_wait_that_airflow_ended(kind: str, simulator: Simulator, backend: Backend) -> None:
    task = save(simulator) if kind == "operator" else NotebookImageSensor(task_id="task", image_id="i")
    error = {"error": "Trigger timeout"}

    with pytest.raises(AirflowException):
        task.resume_execution("__fail__", error, context(TaskInstance()))

    assert backend.counts == [("modelarts.wait.failed", {**TASK, "error": "lost"})]


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"timeout": 0}, "wait.timed_out"),
        ({"timeout": 0, "soft_fail": True}, "wait.timed_out"),
        ({}, "wait.active"),
    ],
    ids=str,
)
def test_metrics_of_sensor(
    arguments: dict[str, Any], name: str, simulator: Simulator, backend: Backend
) -> None:
    image_id = simulator.add_image(status="ACTIVE" if name == "wait.active" else "CREATING")
    sensor = NotebookImageSensor(task_id="task", image_id=image_id, poke_interval=0.01, **arguments)

    try:
        sensor.execute(context(TaskInstance()))
    except (AirflowSensorTimeout, AirflowException):
        assert name != "wait.active"

    assert backend.names == [name]


@pytest.mark.parametrize(
    ("status", "arguments", "error", "counted"),
    [
        pytest.param("STOPPED", {}, None, ("stop.succeeded", {}), id="stopped"),
        pytest.param(
            "RUNNING", {}, AirflowFailException, ("stop.refused", {"error": "StopRefusedError"}), id="unsaved"
        ),
        pytest.param(
            "DELETED",
            {"discard_environment": True},
            ModelArtsError,
            ("stop.failed", {"error": "NotebookFailedError"}),
            id="deleted",
        ),
    ],
)
def test_metrics_of_stop(
    status: str,
    arguments: dict[str, Any],
    error: type[Exception] | None,
    counted: tuple[str, dict[str, str]],
    simulator: Simulator,
    backend: Backend,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(notebook_steps, "CHECK_INTERVAL", 0.01)
    simulator.set_notebook_status(simulator.notebook_id, status)
    task = StopNotebookOperator(task_id="task", notebook_id=simulator.notebook_id, **arguments)

    with pytest.raises(error) if error else nullcontext():
        task.execute(context(TaskInstance()))

    name, tags = counted
    assert backend.counts == [(f"modelarts.{name}", {**TASK, **tags})]


@pytest.mark.parametrize(
    ("execution_timeout", "error", "kind"),
    [
        pytest.param(None, ModelArtsError, "WaitTimeoutError", id="timeout"),
        pytest.param(timedelta(seconds=60), AirflowTaskTimeout, "AirflowTaskTimeout", id="execution_timeout"),
    ],
)
def test_metrics_of_stop_that_times_out(
    execution_timeout: timedelta | None,
    error: type[BaseException],
    kind: str,
    simulator: Simulator,
    backend: Backend,
) -> None:
    task = StopNotebookOperator(
        task_id="task",
        notebook_id=simulator.notebook_id,
        deferrable=True,
        execution_timeout=execution_timeout,
    )

    with pytest.raises(error):
        task.execute_complete(context(TaskInstance()), {"status": "timeout", "message": "Timed out"})

    assert backend.counts == [("modelarts.stop.failed", {**TASK, "error": kind})]


def test_metrics_of_save_that_is_skipped(simulator: Simulator, backend: Backend) -> None:
    simulator.set_notebook_status(simulator.notebook_id, "STOPPED")

    with pytest.raises(AirflowSkipException):
        save(simulator, if_not_running="skip").execute(context(TaskInstance()))

    assert backend.counts == [("modelarts.save.skipped", TASK)]


def test_metrics_of_deferred_start_count_its_end_only(simulator: Simulator, backend: Backend) -> None:
    simulator.set_notebook_status(simulator.notebook_id, "STOPPED")
    task = StartNotebookOperator(task_id="task", notebook_id=simulator.notebook_id, deferrable=True)

    with pytest.raises(TaskDeferred):
        task.execute(context(TaskInstance()))
    assert backend.names == []
    with pytest.raises(AirflowException):
        task.resume_execution("__fail__", {"error": "Trigger timeout"}, context(TaskInstance()))

    assert backend.counts == [("modelarts.start.failed", {**TASK, "error": "lost"})]


def test_metrics_never_fail_task(
    simulator: Simulator, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("StatsD is away")

    monkeypatch.setattr(backend, "incr", fail)
    monkeypatch.setattr(backend, "timing", fail)

    save(simulator).execute(context(TaskInstance()))

    assert simulator.saves == 1


def test_metrics_page_lists_every_metric() -> None:
    source = (Path(__file__).parents[1] / "airflow_provider_modelarts" / "metrics.py").read_text()
    sent = set(re.findall(r'_(?:count|time)\("([a-z._]+)"', source))
    sent |= {f"save.{outcome}" for outcome in ("created", "adopted", "refused", "skipped", "failed")}
    sent |= {f"{{task}}.{outcome}" for outcome in ("succeeded", "refused", "failed")}
    sent.add("wait.failed")
    page = PAGE.read_text()

    assert set(re.findall(r"^\| `modelarts\.([a-z._{}]+)` \|", page, re.MULTILINE)) == sent
    assert {name for task in OTHER_TASKS if (name := task.metric)} == set(
        re.findall(r"`([a-z]+)`", page.rpartition("`{task}` is")[2])
    )
