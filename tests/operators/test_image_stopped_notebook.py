"""The operator and a notebook that is stopped, or does not exist."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException

from airflow_provider_modelarts.client import idempotent_create
from airflow_provider_modelarts.exceptions import NotebookNotReadyError
from airflow_provider_modelarts.simulator import AtOnce, Fault, NotebookBehaviour, Simulator
from tests.operators.saves import save, sent, warnings
from tests.recorder import TaskInstance

pytestmark = pytest.mark.usefixtures("quick_polls", "connection")
NO_NOTEBOOK = "0b1c2d3e-4f50-4a61-8b72-9c83ad94be05"
HOUR = timedelta(hours=1)


def snapshot(simulator: Simulator, age: timedelta, *, notebook_id: str | None = None, **fields: Any) -> str:
    """Add an image that was saved of a notebook some time ago."""
    marker = f"[airflow:0123456789abcdef notebook:{notebook_id or simulator.notebook_id}]"
    at = int((simulator.now() - age.total_seconds()) * 1000)
    given = {"name": "research", "namespace": "team", "tag": "before", "status": "ACTIVE", **fields}
    return simulator.add_image(description=marker, create_at=at, **given)


@pytest.mark.parametrize("status", ["STOPPED", "STOPPING"])
@pytest.mark.parametrize(
    ("age", "level", "text"),
    [
        (None, logging.WARNING, "has no ACTIVE snapshot: it was probably stopped unsaved"),
        (3 * HOUR, logging.WARNING, "was probably stopped unsaved: its newest snapshot is research:before"),
        (HOUR, logging.INFO, "was saved before: its newest snapshot is research:before"),
    ],
    ids=["no snapshot", "old", "fresh"],
)
def test_stopped_notebook_is_skipped_with_its_newest_snapshot(
    simulator: Simulator,
    status: str,
    age: timedelta | None,
    level: int,
    text: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    image_id = snapshot(simulator, age) if age else None
    snapshot(simulator, timedelta(minutes=1), notebook_id=NO_NOTEBOOK, tag="of another")
    snapshot(simulator, timedelta(minutes=1), status="CREATE_FAILED", tag="failed")
    simulator.notebook().set_status(status)
    ti = TaskInstance()

    with pytest.raises(AirflowSkipException, match=text) as skipped:
        save(simulator, ti, if_not_running="skip")

    (record,) = [record for record in caplog.records if text in record.getMessage()]
    assert record.levelno == level
    assert simulator.notebook_id in record.getMessage()
    if image_id and age:
        assert f"{image_id}), begun 20" in str(skipped.value)
        assert f"{age}" in str(skipped.value)
    assert simulator.saves == 0
    assert "CreateImage" not in sent(simulator)
    assert not {"image_id", "return_value"} & ti.xcom.keys()


@pytest.mark.parametrize("simulator", [AtOnce()], indirect=True, ids=["saved at once"])
@pytest.mark.parametrize("try_number", [1, 2])
@pytest.mark.parametrize("waits", [False, True])
def test_stopped_notebook_is_not_skipped_if_its_run_has_saved_it(
    simulator: Simulator, try_number: int, waits: bool, caplog: pytest.LogCaptureFixture
) -> None:
    first = save(simulator)
    simulator.set_image_status(first["image_id"], "ACTIVE")
    simulator.notebook().stop()

    again = save(
        simulator, TaskInstance(try_number=try_number), if_not_running="skip", wait_for_completion=waits
    )

    assert (again["image_id"], again["adopted"]) == (first["image_id"], True)
    assert simulator.saves == 1
    assert len(warnings(caplog)) == waits, "one of the notebook that stopped"


def test_stopped_notebook_is_skipped_if_only_another_run_has_saved_it(simulator: Simulator) -> None:
    first = save(simulator, TaskInstance(run_id="yesterday"))
    simulator.set_image_status(first["image_id"], "ACTIVE")
    simulator.notebook().stop()
    with pytest.raises(AirflowSkipException, match=f"was saved before.*{first['image_id']}"):
        save(simulator, TaskInstance(run_id="today"), if_not_running="skip")


def test_stopped_notebook_is_skipped_with_snapshot_of_workspace_where_saves_go(simulator: Simulator) -> None:
    image_id = snapshot(simulator, HOUR, workspace_id="of-the-task")
    simulator.notebook().set_status("STOPPED")
    with pytest.raises(AirflowSkipException, match=image_id):
        save(simulator, if_not_running="skip", workspace_id="of-the-task")


@pytest.mark.parametrize("code", ["ModelArts.6327", "ModelArts.6958", "ModelArts.6308"])
def test_notebook_that_is_stopped_after_it_was_read_is_skipped(simulator: Simulator, code: str) -> None:
    simulator.inject(Fault("error", "CreateImage", status=400, code=code))
    notebook = simulator.notebook()

    def stop(notebook: Any = notebook) -> None:
        notebook.set_status("STOPPED")

    with pytest.MonkeyPatch.context() as patch:
        created = idempotent_create.IdempotentCreate.create

        async def create(self: Any) -> Any:
            stop()
            return await created(self)

        patch.setattr(idempotent_create.IdempotentCreate, "create", create)
        with pytest.raises(AirflowSkipException):
            save(simulator, if_not_running="skip")
    assert simulator.saves == 0


@pytest.mark.parametrize("code", ["ModelArts.6327", "ModelArts.6958"])
@pytest.mark.parametrize("how", [{}, {"min_lease": "2h"}], ids=["no rule", "min_lease"])
def test_stopped_notebook_fails_by_default(
    code: str, how: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Simulator(notebooks=NotebookBehaviour(not_running_code=code)) as simulator:
        import json

        monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(simulator.connection))
        simulator.notebook().stop()
        with pytest.raises(NotebookNotReadyError, match=code):
            save(simulator, **how)


@pytest.mark.parametrize("value", ["adopt", "", None, "SKIP", " skip ", True], ids=repr)
def test_unknown_if_not_running_is_refused_before_anything_is_sent(simulator: Simulator, value: Any) -> None:
    with pytest.raises(AirflowFailException, match="if_not_running must be 'fail' or 'skip'"):
        save(simulator, if_not_running=value)
    assert simulator.journal == ()


def test_running_notebook_is_saved_with_one_read_before(simulator: Simulator) -> None:
    before = simulator.notebook().image_id
    result = save(simulator, if_not_running="skip")
    assert sent(simulator) == ["ShowNotebook", "CreateImage"]
    assert result["previous_image_id"] == before


# A notebook that does not exist


@pytest.mark.parametrize(
    "fault",
    [
        None,
        *(
            Fault("error", "CreateImage", times=None, status=400, code=f"ModelArts.{number}")
            for number in ("6309", "6327", "6357", "9999")
        ),
        Fault("html", "CreateImage", times=None, status=404),
    ],
    ids=["6404", "6309", "6327", "6357", "unknown code", "404 without a code"],
)
@pytest.mark.parametrize("try_number", [1, 2])
@pytest.mark.parametrize(
    "rule", [{}, {"if_not_running": "skip", "min_lease": "2h"}], ids=["no rule", "rules"]
)
def test_wrong_notebook_id_fails_at_once(
    simulator: Simulator,
    fault: Fault | None,
    try_number: int,
    rule: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a retry, which would only delay the next run."""
    monkeypatch.setattr(idempotent_create, "LOOKUP_INTERVAL", 0.01)
    if fault:
        simulator.inject(fault)

    with pytest.raises(AirflowFailException, match=NO_NOTEBOOK):
        save(simulator, TaskInstance(try_number=try_number), notebook_id=NO_NOTEBOOK, **rule)

    assert sent(simulator).count("CreateImage") == (0 if rule else 1)
