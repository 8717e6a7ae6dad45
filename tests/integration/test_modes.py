"""The operator and the sensor in every mode, through Airflow itself."""

from __future__ import annotations

import pytest

from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.simulator import AfterReads, Fault, NotebookBehaviour, Simulator
from tests import airflow_runs
from tests.airflow_versions import AIRFLOW_VERSION
from tests.fast_forward import FastForward

pytestmark = [
    # All of Airflow is at work here, and the libraries below it warn of each other.
    pytest.mark.filterwarnings("default"),
    # Where Airflow reschedules, it does so by the real time.
    pytest.mark.usefixtures("quick_polls"),
]

FACTS = {"status", "name", "namespace", "tag", "workspace_id", "arch", "size", "created_at", "updated_at"}
LINKS = {"modelarts_images_url", "modelarts_notebooks_url"}
if AIRFLOW_VERSION >= (3, 0):  # which pushes a link without an address too
    LINKS |= {"modelarts_image_url", "modelarts_notebook_url"}


@pytest.fixture(scope="module", autouse=True)
def _database() -> None:
    airflow_runs.migrate()


@pytest.fixture(autouse=True)
def _time_is_what_is_slept(monkeypatch: pytest.MonkeyPatch) -> None:
    FastForward(monkeypatch)


def issued(simulator: Simulator) -> tuple[str, str]:
    (image,) = simulator.images
    return image["id"], image["swr_path"]


at_first_poll_or_later = pytest.mark.parametrize(
    "simulator", [AfterReads(1), AfterReads(2)], indirect=True, ids=["at the first poll", "later"]
)
in_every_mode = pytest.mark.parametrize("dag_id", ["sense_poke", "sense_reschedule", "sense_deferrable"])


def save(simulator: Simulator) -> str:
    """Start a save that a sensor can wait for."""
    hook = ModelArtsHook()
    return hook.create_image(simulator.notebook_id, name="research", namespace="team", tag="nightly").id


def polls(simulator: Simulator) -> int:
    """Count the polls of the image; these DAGs poll every 15 seconds."""
    return sum(entry.operation == "ShowImage" for entry in simulator.journal)


@pytest.mark.parametrize("dag_id", ["save_blocking", "save_deferrable"])
@at_first_poll_or_later
@pytest.mark.usefixtures("connection")
def test_operator_that_waits_returns_same_result_in_every_mode(dag_id: str, simulator: Simulator) -> None:
    run = airflow_runs.run(dag_id, notebook_id=simulator.notebook_id)

    image_id, swr_path = issued(simulator)
    assert run.state == "success"
    # The notebook, which the task waits for too, has the address of the link to it.
    assert run.xcom.keys() == LINKS | {"image_id", "swr_path", "return_value", "modelarts_notebook_url"}
    assert (run.xcom["image_id"], run.xcom["swr_path"]) == (image_id, swr_path)
    result = run.xcom["return_value"]
    assert result.keys() == FACTS | {"image_id", "swr_path", "notebook_id", "adopted", "duration_seconds"}
    assert (result["image_id"], result["swr_path"], result["status"]) == (image_id, swr_path, "ACTIVE")
    assert (result["notebook_id"], result["adopted"]) == (simulator.notebook_id, False)
    assert simulator.saves == 1


@pytest.mark.parametrize(
    "simulator", [NotebookBehaviour(snapshotting=AfterReads(4))], indirect=True, ids=["snapshotting"]
)
@pytest.mark.usefixtures("connection")
def test_operator_that_waits_is_deferred_for_image_and_then_for_notebook(simulator: Simulator) -> None:
    run = airflow_runs.run("save_deferrable", notebook_id=simulator.notebook_id)

    assert run.state == "success"
    assert simulator.notebook().status == "RUNNING"
    assert run.xcom["return_value"].keys() >= {"image_id", "duration_seconds"}
    assert "progress" not in run.xcom["return_value"]


@pytest.mark.usefixtures("connection")
def test_operator_that_does_not_wait_sends_one_request(simulator: Simulator) -> None:
    run = airflow_runs.run("save_only", notebook_id=simulator.notebook_id)

    assert run.state == "success"
    assert (run.xcom["image_id"], run.xcom["swr_path"]) == issued(simulator)
    assert run.xcom["return_value"]["status"] == "INIT"
    assert [entry.operation for entry in simulator.journal] == ["CreateImage"]


@pytest.mark.parametrize("dag_id", ["save_blocking", "save_deferrable"])
@pytest.mark.usefixtures("connection")
def test_operator_fails_for_failed_image_with_id_in_xcom(dag_id: str, simulator: Simulator) -> None:
    simulator.inject(Fault("save_fails", message="the container is too large"))

    run = airflow_runs.run(dag_id, notebook_id=simulator.notebook_id)

    assert run.state == "failed"
    assert run.xcom["image_id"] == issued(simulator)[0]
    assert "return_value" not in run.xcom


@in_every_mode
@at_first_poll_or_later
@pytest.mark.usefixtures("connection")
def test_sensor_returns_same_result_in_every_mode(dag_id: str, simulator: Simulator) -> None:
    image_id = save(simulator)

    run = airflow_runs.run(dag_id, image_id=image_id)

    assert run.state == "success"
    assert (run.xcom["image_id"], run.xcom["swr_path"]) == issued(simulator)
    assert run.xcom["return_value"].keys() == FACTS | {"image_id", "swr_path"}
    assert run.xcom["return_value"]["status"] == "ACTIVE"


@in_every_mode
@pytest.mark.parametrize("simulator", [AfterReads(2)], indirect=True, ids=["later"])
@pytest.mark.usefixtures("connection")
def test_sensor_returns_verified_image_in_every_mode(dag_id: str, simulator: Simulator) -> None:
    run = airflow_runs.run(f"{dag_id}_verified", image_id=save(simulator))

    result = run.xcom["return_value"]
    assert run.state == "success"
    assert result.keys() == FACTS | {"image_id", "swr_path", "digest", "size_bytes", "layers", "unchanged"}
    assert result["digest"] == simulator.registry.digest(result["swr_path"])


@in_every_mode
@pytest.mark.parametrize("suffix", ["", "_softly"])
@pytest.mark.usefixtures("connection")
def test_sensor_fails_for_failed_image_despite_soft_fail(
    dag_id: str, suffix: str, simulator: Simulator
) -> None:
    """``soft_fail`` is for waits that time out; a failed image must be visible."""
    simulator.inject(Fault("save_fails", message="the container is too large"))
    image_id = save(simulator)

    assert airflow_runs.run(dag_id + suffix, image_id=image_id).state == "failed"


@in_every_mode
@pytest.mark.parametrize(("suffix", "state"), [("_briefly", "failed"), ("_briefly_softly", "skipped")])
@pytest.mark.parametrize("simulator", [AfterReads(1000)], indirect=True, ids=["never"])
@pytest.mark.usefixtures("connection")
def test_sensor_timeout_fails_or_skips_in_every_mode(
    dag_id: str, suffix: str, state: str, simulator: Simulator
) -> None:
    image_id = save(simulator)

    assert airflow_runs.run(dag_id + suffix, image_id=image_id).state == state


@pytest.mark.parametrize("dag_id", ["sense_poke", "sense_deferrable"])
@pytest.mark.parametrize("suffix", ["_barely", "_barely_softly"])
@pytest.mark.parametrize("simulator", [AfterReads(1000)], indirect=True, ids=["never"])
@pytest.mark.usefixtures("connection")
def test_sensor_fails_at_execution_timeout_despite_soft_fail(
    dag_id: str, suffix: str, simulator: Simulator
) -> None:
    """
    Airflow 3 does not enforce it for deferred tasks, and ``soft_fail`` does not cover it.

    In reschedule mode Airflow bounds each poke by it, not the wait.
    """
    image_id = save(simulator)

    run = airflow_runs.run(dag_id + suffix, image_id=image_id)

    assert run.state == "failed"
    assert 2 <= polls(simulator) < 20, "it is the timeout of an hour that ended it"


@pytest.mark.parametrize("dag_id", ["save_blocking", "save_deferrable"])
@pytest.mark.parametrize("suffix", ["_briefly", "_barely"])
@pytest.mark.parametrize("simulator", [AfterReads(1000)], indirect=True, ids=["never"])
@pytest.mark.usefixtures("connection")
def test_operator_timeout_fails_task_and_leaves_image(dag_id: str, suffix: str, simulator: Simulator) -> None:
    run = airflow_runs.run(dag_id + suffix, notebook_id=simulator.notebook_id)

    (image,) = simulator.images
    assert run.state == "failed"
    assert 2 <= polls(simulator) < 20
    assert run.xcom["image_id"] == image["id"]
    assert "return_value" not in run.xcom
    assert image["status"] in {"INIT", "CREATING"}
    assert simulator.saves == 1
