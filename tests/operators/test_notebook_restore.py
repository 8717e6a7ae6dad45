"""The operator that restores a snapshot, from any status and after any death between two steps."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_modelarts.client import notebook_steps
from airflow_provider_modelarts.exceptions import ModelArtsError, NotebookFailedError
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.operators.notebook import RestoreNotebookOperator
from airflow_provider_modelarts.simulator import AfterReads, Fault, NotebookBehaviour, Simulator
from tests.recorder import TaskInstance
from tests.task_runs import run

pytestmark = pytest.mark.usefixtures("quick_polls", "connection", "_checks_are_quick")
in_both = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "triggerer"])


@pytest.fixture
def _checks_are_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook_steps, "CHECK_INTERVAL", 0.01)


def snapshot(simulator: Simulator, *packages: str, tag: str = "good") -> str:
    """Save the notebook with some packages, and return the image's id."""
    simulator.notebook().install(*packages)
    marker = f"[airflow:0123456789abcdef notebook:{simulator.notebook_id}]"
    image = ModelArtsHook().create_image(
        simulator.notebook_id, name="research", namespace="team", tag=tag, description=marker
    )
    simulator.set_image_status(image.id, "ACTIVE")
    return image.id


def other_image(simulator: Simulator, origin: str = "IMAGE_SAVE") -> str:
    """Let the stopped notebook have another image, which is newer than all others."""
    fields = {"status": "ACTIVE", "name": "broken", "namespace": "team", "tag": "1", "origin": origin}
    image_id = simulator.add_image(**fields)
    ModelArtsHook().update_notebook(simulator.notebook_id, image_id=image_id)
    return image_id


def restore(simulator: Simulator, **arguments: Any) -> RestoreNotebookOperator:
    given = {"task_id": "restore", "notebook_id": simulator.notebook_id, "poll_interval": 0.02, **arguments}
    return RestoreNotebookOperator(**given)


def sent(simulator: Simulator) -> list[str]:
    names = [entry.operation for entry in simulator.journal if entry.method != "GET"]
    return names[1 + names.index("CreateImage") :] if "CreateImage" in names else names


@in_both
@pytest.mark.parametrize("is_given", [True, False], ids=["given", "newest"])
def test_restore_of_stopped_notebook_starts_it_with_image(
    simulator: Simulator, deferrable: bool, is_given: bool
) -> None:
    image_id = snapshot(simulator, "numpy")
    simulator.notebook().stop()
    other_image(simulator)
    ti = TaskInstance()

    result = run(restore(simulator, deferrable=deferrable, image_id=image_id if is_given else ""), ti)

    assert simulator.notebook().status == "RUNNING"
    assert simulator.notebook().environment == {"numpy"}
    assert sent(simulator)[1:] == ["UpdateNotebook", "StartNotebook"]
    assert (result["status"], result["image_id"]) == ("RUNNING", image_id)
    assert "changed" not in result
    assert result["last_snapshot_id"] == (None if is_given else image_id)
    assert ti.xcom.keys() == {"modelarts_notebook_url", "modelarts_notebooks_url", "notebook_id", "status"}


def test_restore_of_notebook_that_runs_image_sends_nothing(simulator: Simulator) -> None:
    image_id = snapshot(simulator, "numpy")

    result = run(restore(simulator, deferrable=True))

    assert (result["status"], result["image_id"]) == ("RUNNING", image_id)
    assert sent(simulator) == []


@pytest.mark.parametrize(("start", "stopped"), [(True, False), (False, True)], ids=["running", "stopped"])
def test_restore_logs_that_duration_is_not_used_for_running_notebook(
    simulator: Simulator, start: bool, stopped: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    snapshot(simulator, "numpy")
    if stopped:
        simulator.notebook().stop()

    run(restore(simulator, start=start, duration="3h"))

    assert ("The duration is not used" in capsys.readouterr().out) is not stopped


@pytest.mark.parametrize("is_current", [True, False])
def test_restore_without_start_leaves_notebook_stopped(simulator: Simulator, is_current: bool) -> None:
    image_id = snapshot(simulator, "numpy")
    simulator.notebook().stop()
    if not is_current:
        other_image(simulator)

    result = run(restore(simulator, start=False))

    assert (result["status"], result["image_id"]) == ("STOPPED", image_id)
    assert sent(simulator)[1:] == ([] if is_current else ["UpdateNotebook"])
    assert simulator.notebook().starts == 0


def test_restore_of_another_running_notebook_is_refused(simulator: Simulator) -> None:
    good = snapshot(simulator, "numpy")
    snapshot(simulator, "torch", tag="newer")

    with pytest.raises(AirflowFailException, match="set stop_running=True"):
        run(restore(simulator, image_id=good))

    assert sent(simulator) == ["CreateImage"]
    assert simulator.notebook().environment == {"numpy", "torch"}


@in_both
def test_restore_stops_saved_notebook(
    simulator: Simulator, deferrable: bool, caplog: pytest.LogCaptureFixture
) -> None:
    good = snapshot(simulator, "numpy")
    newer = snapshot(simulator, "torch", tag="newer")
    caplog.set_level("INFO")

    result = run(restore(simulator, deferrable=deferrable, image_id=good, stop_running=True))

    assert result["image_id"] == good
    assert simulator.notebook().environment == {"numpy"}
    assert sent(simulator)[1:] == ["StopNotebook", "UpdateNotebook", "StartNotebook"]
    assert any("Stopping notebook" in line and newer in line for line in caplog.messages)


@pytest.mark.parametrize("discards", [False, True])
def test_restore_stops_unsaved_notebook_only_if_environment_is_discarded(
    simulator: Simulator, discards: bool
) -> None:
    good = snapshot(simulator, "numpy")
    simulator.notebook().stop()
    other_image(simulator, origin="CUSTOMIZE")
    simulator.advance(600)  # later than any rewriting by the save itself
    simulator.notebook().start()
    simulator.notebook().install("unsaved")
    task = restore(simulator, image_id=good, stop_running=True, discard_environment=discards)

    if discards:
        assert run(task)["image_id"] == good
        return
    with pytest.raises(AirflowFailException, match=f"{good}.*it was started or renewed at"):
        run(task)
    assert simulator.notebook().environment == {"unsaved"}


@pytest.mark.parametrize("status", ["CREATE_FAILED", "ERROR", "CREATING", "INIT"])
@pytest.mark.parametrize("is_running", [True, False])
def test_restore_of_image_that_is_not_active_sends_nothing(
    simulator: Simulator, status: str, is_running: bool
) -> None:
    image_id = simulator.add_image(status=status)
    if not is_running:
        simulator.notebook().stop()
    is_final = status in {"CREATE_FAILED", "ERROR"}

    with pytest.raises(AirflowFailException if is_final else ModelArtsError, match=image_id):
        run(restore(simulator, image_id=image_id, stop_running=True, discard_environment=True))

    assert sent(simulator) == []


@pytest.mark.parametrize("image_id", ["00000000-0000-4000-8000-00000000dead", "newest"])
def test_restore_of_missing_image_is_not_retried(simulator: Simulator, image_id: str) -> None:
    simulator.notebook().stop()
    with pytest.raises(AirflowFailException, match=r"nothing was sent|not exist|found"):
        run(restore(simulator, image_id=None if image_id == "newest" else image_id))
    assert sent(simulator) == []


def test_restore_reads_image_first_and_again_before_start(simulator: Simulator) -> None:
    image_id = snapshot(simulator, "numpy")
    simulator.notebook().stop()
    other_image(simulator)
    before = len(simulator.journal)
    task = restore(simulator, image_id=image_id)
    run(task)

    reads = [entry.operation for entry in simulator.journal[before:]]
    assert reads.index("ShowImage") < reads.index("UpdateNotebook")
    assert "ShowImage" in reads[reads.index("UpdateNotebook") : reads.index("StartNotebook")]


KILLED_BEFORE = ["StopNotebook", "UpdateNotebook", "StartNotebook"]


@pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "triggerer"])
@pytest.mark.parametrize("arrived", [True, False], ids=["after", "before"])
@pytest.mark.parametrize("operation", KILLED_BEFORE)
def test_restore_is_continued_by_next_try(
    simulator: Simulator, deferrable: bool, operation: str, arrived: bool
) -> None:
    good = snapshot(simulator, "numpy")
    snapshot(simulator, "torch", tag="newer")
    simulator.inject(Fault("error", operation, status=500, takes_effect=arrived))
    results: list[Any] = []
    for try_number in (1, 2):
        try:
            task = restore(simulator, deferrable=deferrable, image_id=good, stop_running=True)
            results.append(run(task, TaskInstance(try_number=try_number)))
        except ModelArtsError as error:  # noqa: PERF203 - the next try continues
            results.append(error)

    assert results[-1]["image_id"] == good
    assert simulator.notebook().status == "RUNNING"
    assert simulator.notebook().environment == {"numpy"}
    assert (simulator.notebook().stops, simulator.notebook().starts) == (1, 1)


@pytest.mark.parametrize(
    ("simulator", "lease"),
    [
        (NotebookBehaviour(no_auto_stop="disabled"), {"seconds": 7200, "enable": False}),
        (NotebookBehaviour(no_auto_stop="unlimited"), {"seconds": None}),
        (NotebookBehaviour(), {"seconds": 7200, "type": "IDLE"}),
    ],
    indirect=["simulator"],
    ids=["disabled", "unlimited", "idle"],
)
def test_restore_keeps_lease(simulator: Simulator, lease: dict[str, Any]) -> None:
    good = snapshot(simulator, "numpy")
    snapshot(simulator, "torch", tag="newer")
    simulator.notebook().set_lease(**lease)
    before = simulator.notebook().lease

    run(restore(simulator, image_id=good, stop_running=True))

    assert {**simulator.notebook().lease, "update_at": 0} == {**before, "update_at": 0}


def test_restore_with_duration_sets_lease(simulator: Simulator) -> None:
    snapshot(simulator, "numpy")
    simulator.notebook().stop()
    run(restore(simulator, duration="3h"))
    assert simulator.notebook().lease_ends_at == pytest.approx(simulator.now() + 3 * 3600, abs=60)


@in_both
@pytest.mark.parametrize(
    "simulator", [NotebookBehaviour(snapshotting=AfterReads(3))], indirect=True, ids=["snapshotting"]
)
def test_restore_waits_for_save(simulator: Simulator, deferrable: bool) -> None:
    """The newest snapshot is chosen when the save is over."""
    image_id = snapshot(simulator, "numpy")
    assert simulator.notebook().status == "SNAPSHOTTING"

    result = run(restore(simulator, deferrable=deferrable))

    assert result["image_id"] == image_id
    assert sent(simulator) == []


@pytest.mark.parametrize("argument", ["start", "stop_running", "discard_environment"])
def test_restore_refuses_flag_that_is_no_bool(simulator: Simulator, argument: str) -> None:
    with pytest.raises(AirflowFailException, match=f"{argument} must be True or False"):
        run(restore(simulator, **{argument: "False"}))
    assert simulator.journal == ()


def test_restore_of_failed_notebook_sends_nothing(simulator: Simulator) -> None:
    snapshot(simulator, "numpy")
    simulator.notebook().set_status("ERROR", "disk full")
    with pytest.raises(NotebookFailedError, match="is ERROR: disk full"):
        run(restore(simulator))
    assert sent(simulator) == []
