"""The operator that stops a notebook: it never loses what is not saved, and refuses no stop after a save."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_modelarts.client import notebook_steps
from airflow_provider_modelarts.exceptions import NotebookFailedError, NotebookNotReadyError, WaitTimeoutError
from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.operators.notebook import StopNotebookOperator
from airflow_provider_modelarts.simulator import AfterReads, Fault, NotebookBehaviour, Simulator
from tests.fast_forward import FastForward
from tests.recorder import TaskInstance, context
from tests.task_runs import run, run_trigger

pytestmark = pytest.mark.usefixtures("quick_polls", "connection", "_used")
in_both = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "triggerer"])
NEVER = AfterReads(1_000_000)


@pytest.fixture
def _used(simulator: Simulator) -> None:
    simulator.notebook().install("numpy")


@pytest.fixture
def _checks_are_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook_steps, "CHECK_INTERVAL", 0.01)


def stop(simulator: Simulator, **arguments: Any) -> StopNotebookOperator:
    given = {"task_id": "stop", "notebook_id": simulator.notebook_id, "poll_interval": 0.02, **arguments}
    return StopNotebookOperator(**given)


def save(simulator: Simulator, **arguments: Any) -> dict[str, Any]:
    """Save the notebook, and return the task's result as soon as the image is ACTIVE."""
    given = {"notebook_id": simulator.notebook_id, "name": "research", "namespace": "team", **arguments}
    given.setdefault("wait_for_notebook", False)
    task = CreateNotebookImageOperator(
        task_id="save", **{"wait_for_completion": True, "poll_interval": 0.02, **given}
    )
    result: dict[str, Any] = run(task)
    return result


def sent(simulator: Simulator) -> list[str]:
    return [entry.operation for entry in simulator.journal if entry.method != "GET"]


@in_both
@pytest.mark.parametrize("names_image", ["result", "id", "marker"])
def test_stop_after_save_keeps_environment(simulator: Simulator, deferrable: bool, names_image: str) -> None:
    saved = save(simulator)
    image_id = {"result": saved, "id": saved["image_id"], "marker": None}[names_image]
    ti = TaskInstance()

    result = run(stop(simulator, deferrable=deferrable, image_id=image_id), ti)

    assert simulator.notebook().status == "STOPPED"
    assert simulator.notebook().environment == {"numpy"}
    assert (result["status"], result["changed"]) == ("STOPPED", True)
    assert result["last_snapshot_id"] == saved["image_id"]
    assert result["last_snapshot_at"] == saved["created_at"]
    assert result["lease_ends_at"] is None
    assert ti.xcom.keys() == {"modelarts_notebook_url", "modelarts_notebooks_url", "notebook_id", "status"}
    assert ti.xcom["status"] == "STOPPED"


@pytest.mark.usefixtures("_checks_are_quick")
@pytest.mark.parametrize("arguments", [{}, {"image_id": ""}, {"image_id": "None"}], ids=str)
def test_stop_without_snapshot_is_refused(simulator: Simulator, arguments: dict[str, Any]) -> None:
    with pytest.raises(AirflowFailException, match=r"has no ACTIVE snapshot.*discard_environment=True"):
        run(stop(simulator, **arguments))

    assert sent(simulator) == []
    assert simulator.notebook().environment == {"numpy"}
    assert sum(entry.operation == "ListImages" for entry in simulator.journal) == 3


@pytest.mark.parametrize(
    "simulator",
    [
        NotebookBehaviour(touched_by=events, snapshotting=AfterReads(2), has_current_time=has_time)
        for events, has_time in (((), True), (("save",), False), (("save", "stop"), True))
    ],
    indirect=True,
    ids=["rewrites nothing", "rewrites at a save, Date only", "rewrites at save and stop"],
)
@pytest.mark.parametrize("lease", [{"seconds": 7200}, {"seconds": None}, {"seconds": 7200, "type": "IDLE"}])
def test_stop_after_save_is_never_refused(simulator: Simulator, lease: dict[str, Any]) -> None:
    simulator.notebook().set_lease(**lease)
    saved = save(simulator)

    assert run(stop(simulator, image_id=saved["image_id"]))["changed"] is True
    assert simulator.notebook().environment == {"numpy"}


def test_stop_reads_images_three_times_over_30_seconds(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    FastForward(monkeypatch)
    with pytest.raises(AirflowFailException, match="has no ACTIVE snapshot"):
        run(stop(simulator))

    lists = [entry.at for entry in simulator.journal if entry.operation == "ListImages"]
    assert lists[-1] - lists[0] == pytest.approx(30, abs=5)


@pytest.mark.usefixtures("_checks_are_quick")
def test_stop_refusal_names_newest_snapshot_and_last_start(simulator: Simulator) -> None:
    saved = save(simulator)
    simulator.notebook().stop()
    age_images(simulator, timedelta(hours=1))
    simulator.notebook().start()

    with pytest.raises(AirflowFailException) as refused:
        run(stop(simulator, image_id=saved))

    text = str(refused.value)
    assert saved["image_id"] in text
    assert "1:00:0" in text
    assert "it was started or renewed at 20" in text


def age_images(simulator: Simulator, age: timedelta) -> None:
    """Let the images have been saved some time ago."""
    from dataclasses import replace

    store = simulator._projects.home
    milliseconds = int(age.total_seconds() * 1000)
    for image_id, image in store._images.items():
        store._images[image_id] = replace(
            image, create_at=image.create_at - milliseconds, update_at=image.update_at - milliseconds
        )


@pytest.mark.usefixtures("_checks_are_quick")
@pytest.mark.parametrize(
    ("within", "is_refused"),
    [("30min", True), (timedelta(minutes=30), True), ("1h30min", False), (None, False), ("", False)],
    ids=str,
)
def test_stop_requires_snapshot_of_some_age(simulator: Simulator, within: Any, is_refused: bool) -> None:
    simulator.notebook().set_lease(seconds=None)
    save(simulator)
    age_images(simulator, timedelta(hours=1))
    task = stop(simulator, require_snapshot_within=within)
    if not is_refused:
        assert run(task)["status"] == "STOPPED"
        return
    with pytest.raises(AirflowFailException, match="is older than 0:30:00"):
        run(task)
    assert sent(simulator) == ["CreateImage"]


@pytest.mark.usefixtures("_checks_are_quick")
@pytest.mark.parametrize("status", ["CREATE_FAILED", "DELETED"])
def test_stop_is_refused_if_given_image_is_not_active(simulator: Simulator, status: str) -> None:
    saved = save(simulator)
    simulator.set_image_status(saved["image_id"], status)
    with pytest.raises(AirflowFailException, match=saved["image_id"]):
        run(stop(simulator, image_id=saved))
    assert sent(simulator) == ["CreateImage"]


@pytest.mark.parametrize("status", ["INIT", "CREATING"])
def test_stop_is_retryable_while_given_image_is_not_active_yet(simulator: Simulator, status: str) -> None:
    """A save that does not wait, and a service that shows the notebook RUNNING before the image is ACTIVE."""
    saved = save(simulator)
    simulator.set_image_status(saved["image_id"], status)
    with pytest.raises(NotebookNotReadyError, match=rf"{saved['image_id']} is {status}.*was not stopped"):
        run(stop(simulator, image_id=saved))
    simulator.set_image_status(saved["image_id"], "ACTIVE")

    assert run(stop(simulator, image_id=saved), TaskInstance(try_number=2))["changed"]
    assert sent(simulator) == ["CreateImage", "StopNotebook"]


@pytest.mark.usefixtures("_checks_are_quick")
def test_stop_is_refused_for_image_of_another_notebook(simulator: Simulator) -> None:
    other = simulator.add_notebook()
    saved = save(simulator, notebook_id=other)
    for arguments in ({"image_id": saved}, {}):
        with pytest.raises(AirflowFailException, match=r"which is of notebook|no ACTIVE snapshot"):
            run(stop(simulator, **arguments))
    assert simulator.notebook().status == "RUNNING"


@pytest.mark.usefixtures("_checks_are_quick")
def test_stop_finds_snapshot_in_workspace_of_connection(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where saves go by default, whatever the workspace of the notebook is."""
    extra = {**simulator.connection["extra"], "workspace_id": "of-the-connection"}
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps({**simulator.connection, "extra": extra}))
    saved = save(simulator)
    assert saved["workspace_id"] == "of-the-connection"

    assert run(stop(simulator))["last_snapshot_id"] == saved["image_id"]


@in_both
def test_stop_discards_environment_only_with_its_flag(simulator: Simulator, deferrable: bool) -> None:
    result = run(stop(simulator, deferrable=deferrable, discard_environment=True))

    assert (result["status"], result["changed"], result["last_snapshot_id"]) == ("STOPPED", True, None)
    assert simulator.notebook().environment == frozenset()
    assert "ListImages" not in [entry.operation for entry in simulator.journal]


@pytest.mark.parametrize("flag", ["False", "True", None, 0, 1], ids=repr)
def test_stop_refuses_flag_that_is_no_bool(simulator: Simulator, flag: Any) -> None:
    """The text of a template would count as true."""
    with pytest.raises(AirflowFailException, match="discard_environment must be True or False"):
        run(stop(simulator, discard_environment=flag))
    assert simulator.journal == ()


@in_both
@pytest.mark.parametrize(("status", "waits"), [("STOPPED", True), ("STOPPING", False)])
def test_stop_of_stopped_notebook_succeeds_without_check(
    simulator: Simulator, deferrable: bool, status: str, waits: bool
) -> None:
    simulator.notebook().set_status(status)

    result = run(stop(simulator, deferrable=deferrable, wait_for_completion=waits))

    assert (result["status"], result["changed"]) == (status, False)
    assert [entry.operation for entry in simulator.journal] == ["ShowNotebook"]


@in_both
@pytest.mark.parametrize("waits", [True, False], ids=["waits", "does not wait"])
@pytest.mark.parametrize(
    "simulator", [NotebookBehaviour(snapshotting=AfterReads(3))], indirect=True, ids=["snapshotting"]
)
def test_stop_waits_for_save_whatever_the_arguments(
    simulator: Simulator, deferrable: bool, waits: bool
) -> None:
    saved = save(simulator)
    assert simulator.notebook().status == "SNAPSHOTTING"

    result = run(stop(simulator, deferrable=deferrable, wait_for_completion=waits))

    assert result["status"] == ("STOPPED" if waits else "STOPPING")
    assert result["last_snapshot_id"] == saved["image_id"]
    assert simulator.notebook().stops == 1
    assert simulator.notebook().environment == {"numpy"}


@in_both
@pytest.mark.parametrize(
    "simulator", [NotebookBehaviour(snapshotting=NEVER)], indirect=True, ids=["snapshotting"]
)
def test_stop_times_out_while_notebook_is_saved(simulator: Simulator, deferrable: bool) -> None:
    save(simulator)
    with pytest.raises(WaitTimeoutError, match="is SNAPSHOTTING"):
        run(stop(simulator, deferrable=deferrable, timeout=0.1, wait_for_completion=False))
    assert simulator.notebook().stops == 0


def test_stop_refused_by_service_is_retryable_if_notebook_is_not_busy(simulator: Simulator) -> None:
    save(simulator)
    simulator.inject(Fault("error", "StopNotebook", status=400, code="ModelArts.6357"))
    with pytest.raises(NotebookNotReadyError, match=r"ModelArts\.6357"):
        run(stop(simulator))
    assert simulator.notebook().stops == 0


@in_both
@pytest.mark.parametrize("kind", ["reset", "reset_after", "torn"])
def test_stop_takes_effect_once_whatever_happens_to_response(
    simulator: Simulator, deferrable: bool, kind: str
) -> None:
    saved = save(simulator)
    simulator.inject(Fault(kind, "StopNotebook"))
    results: list[Any] = []
    for try_number in (1, 2):
        try:
            ti = TaskInstance(try_number=try_number)
            results.append(run(stop(simulator, deferrable=deferrable, image_id=saved), ti))
        except Exception as error:  # noqa: BLE001, PERF203 - the next try continues
            results.append(error)

    assert results[-1]["status"] == "STOPPED"
    assert simulator.notebook().stops == 1


def test_stop_is_done_although_notebook_is_started_before_task_resumes(simulator: Simulator) -> None:
    """It is not stopped again, nor checked again, which would refuse it."""
    given = context(TaskInstance())
    task = stop(simulator, deferrable=True, image_id=save(simulator))
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(given)
    event = run_trigger(deferred.value.trigger)
    simulator.notebook().start()

    result = task.resume_execution("execute_complete", {"event": event}, given)

    assert (result["status"], result["changed"]) == ("STOPPED", True)
    assert simulator.notebook().stops == 1


@pytest.mark.parametrize("status", ["ERROR", "FROZEN"])
def test_stop_of_failed_notebook_sends_nothing(simulator: Simulator, status: str) -> None:
    simulator.notebook().set_status(status, "arrears")
    with pytest.raises(NotebookFailedError, match=f"is {status}: arrears"):
        run(stop(simulator))
    assert sent(simulator) == []


@pytest.mark.usefixtures("_checks_are_quick")
def test_stop_without_permission_to_list_sends_nothing(simulator: Simulator) -> None:
    simulator.inject(Fault("error", "ListImages", times=None, status=403, code="ModelArts.0108"))
    with pytest.raises(AirflowFailException, match=r"ModelArts\.0108"):
        run(stop(simulator))
    assert sent(simulator) == []


@pytest.mark.usefixtures("_checks_are_quick")
def test_stop_finds_snapshot_that_lists_show_late(simulator: Simulator) -> None:
    saved = save(simulator)
    simulator.inject(Fault("error", "ShowImage", times=2, status=400, code="ModelArts.6404"))
    assert run(stop(simulator, image_id=saved))["status"] == "STOPPED"


def test_stop_on_kill_says_what_continues(simulator: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    stop(simulator).on_kill()
    assert f"cannot cancel the stop of notebook {simulator.notebook_id}" in capsys.readouterr().out
