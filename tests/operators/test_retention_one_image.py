"""The operators that delete, tag and register one image."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_modelarts.exceptions import ModelArtsError, ServerError
from airflow_provider_modelarts.operators.retention import (
    DeleteNotebookImageOperator,
    RegisterNotebookImageOperator,
    TagNotebookImageOperator,
)
from airflow_provider_modelarts.simulator import Fault, RegistryBehaviour, Simulator
from tests.fast_forward import FastForward
from tests.recorder import TaskInstance, TaskStateStore, context
from tests.snapshots import DAY, active, marker, snapshot

pytestmark = pytest.mark.usefixtures("connection")


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads are retried for two minutes."""
    FastForward(monkeypatch)


GONE = "0b1c2d3e-4f50-4a61-8b72-9c83ad94be05"


def path_of(simulator: Simulator, image_id: str) -> str:
    return next(str(image["swr_path"]) for image in simulator.images if image["id"] == image_id)


def sent(simulator: Simulator) -> list[str]:
    return [entry.operation for entry in simulator.journal if entry.method != "GET"]


def run(operator: Any, ti: TaskInstance | None = None, **given: Any) -> Any:
    return operator.execute(context(ti or TaskInstance(), **given))


def delete(image_id: Any, **given: Any) -> DeleteNotebookImageOperator:
    return DeleteNotebookImageOperator(task_id="delete", image_id=image_id, **given)


def tag(image_id: Any, new_tag: str = "stable", **given: Any) -> TagNotebookImageOperator:
    return TagNotebookImageOperator(task_id="tag", image_id=image_id, new_tag=new_tag, **given)


def register(swr_path: str, **given: Any) -> RegisterNotebookImageOperator:
    return RegisterNotebookImageOperator(task_id="register", swr_path=swr_path, **given)


# --- delete ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("deletes_tag", [True, False])
@pytest.mark.parametrize("as_result", [True, False])
def test_delete_removes_record_and_tag_if_asked(
    simulator: Simulator, deletes_tag: bool, as_result: bool
) -> None:
    image_id = snapshot(simulator, "v1", age=DAY)
    path = path_of(simulator, image_id)
    ti = TaskInstance()

    given = {"image_id": image_id, "swr_path": path} if as_result else image_id
    result = run(delete(given, delete_swr_image=deletes_tag), ti)

    assert result == {"image_id": image_id, "swr_path": path, "changed": True}
    assert (ti.xcom["image_id"], ti.xcom["swr_path"]) == (image_id, path)
    assert image_id not in active(simulator)
    assert (path in simulator.swr_paths) is not deletes_tag


@pytest.mark.parametrize("deletes_tag", [True, False])
def test_delete_of_image_that_is_gone_is_a_success(simulator: Simulator, deletes_tag: bool) -> None:
    result = run(delete(GONE, delete_swr_image=deletes_tag))
    assert result == {"image_id": GONE, "swr_path": None, "changed": False}
    assert sent(simulator) == []


@pytest.mark.parametrize(
    "notebook",
    [{}, {"owner": "somebody-else"}, {"workspace_id": "w1"}, {"feature": "DEFAULT"}, {"status": "ERROR"}],
    ids=str,
)
def test_delete_of_image_in_use_is_refused_for_good(simulator: Simulator, notebook: dict[str, Any]) -> None:
    image_id = snapshot(simulator, "v1", age=DAY)
    user = simulator.add_notebook(image_id=image_id, **{"status": "STOPPED", **notebook})

    with pytest.raises(AirflowFailException, match=f"used by notebook {user}"):
        run(delete(image_id, delete_swr_image=True))

    assert sent(simulator) == []


def test_delete_fails_if_notebooks_cannot_be_listed(simulator: Simulator) -> None:
    image_id = snapshot(simulator, "v1", age=DAY)
    simulator.revoke("modelarts:notebook:listAllNotebooks")

    with pytest.raises(AirflowFailException, match=r"listAllNotebooks.*own_notebooks_only=True"):
        run(delete(image_id))
    assert sent(simulator) == []

    run(delete(image_id, own_notebooks_only=True))
    assert image_id not in active(simulator)


@pytest.mark.parametrize("takes_effect", [True, False])
@pytest.mark.parametrize(("status", "code"), [(400, "ModelArts.9999"), (400, "ModelArts.6347"), (409, "X.1")])
def test_delete_reads_image_once_after_a_refusal(
    simulator: Simulator, takes_effect: bool, status: int, code: str
) -> None:
    image_id = snapshot(simulator, "v1", age=DAY)
    fault = Fault("error", "DeleteImage", status=status, code=code, message="no", takes_effect=takes_effect)
    simulator.inject(fault)

    if takes_effect:
        run(delete(image_id))
    else:
        with pytest.raises(ModelArtsError, match=code):
            run(delete(image_id))
    operations = [entry.operation for entry in simulator.journal]
    assert operations[operations.index("DeleteImage") + 1 :] == ["ShowImage"]


@pytest.mark.parametrize("is_own_tag", [True, False])
def test_delete_retry_removes_tag_that_the_last_try_left(simulator: Simulator, is_own_tag: bool) -> None:
    image_id = snapshot(simulator, "v1", age=DAY)
    path = path_of(simulator, image_id)
    store = TaskStateStore()
    simulator.inject(Fault("error", "DeleteRepoTag", times=None))
    home = simulator._projects.home
    plain = home.delete_image
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(home, "delete_image", lambda found, _: plain(found, force=False))
        with pytest.raises(ServerError):
            run(delete(image_id, delete_swr_image=True), task_state_store=store)
    simulator.clear_faults()
    if not is_own_tag:
        simulator.registry.push(path, "another image")

    result = run(delete(image_id, delete_swr_image=True), TaskInstance(try_number=2), task_state_store=store)

    assert result == {"image_id": image_id, "swr_path": path, "changed": is_own_tag}
    assert (path in simulator.swr_paths) is not is_own_tag


@pytest.mark.parametrize("image_id", ["", "None", "save", {"image_id": None}, 7, "a/b"], ids=str)
def test_delete_refuses_what_is_no_image(simulator: Simulator, image_id: Any) -> None:
    with pytest.raises((AirflowFailException, ModelArtsError)):
        run(delete(image_id if image_id != "save" else {"no": "image"}))
    assert sent(simulator) == []


# --- tag ---------------------------------------------------------------------------------------------------


def test_tag_gives_content_another_tag(simulator: Simulator) -> None:
    image_id = snapshot(simulator, "v1", age=DAY)
    path = path_of(simulator, image_id)
    ti = TaskInstance()

    result = run(tag({"image_id": image_id}), ti)

    stable = path.replace(":v1", ":stable")
    assert simulator.registry.digest(stable) == simulator.registry.digest(path) == result["digest"]
    assert (result["image_id"], result["new_tag"], result["new_swr_path"]) == (image_id, "stable", stable)
    assert (result["tag"], ti.xcom["swr_path"]) == ("v1", path)


def test_tag_is_moved_only_with_override(simulator: Simulator) -> None:
    first, second = (snapshot(simulator, name, age=DAY) for name in ("v1", "v2"))
    run(tag(first))

    with pytest.raises(AirflowFailException, match=r"4090006"):
        run(tag(second, override=False))
    run(tag(first, override=False))  # it has that tag already, as after a lost response
    run(tag(second))

    stable = path_of(simulator, second).replace(":v2", ":stable")
    assert simulator.registry.digest(stable) == simulator.registry.digest(path_of(simulator, second))


@pytest.mark.parametrize("kind", ["reset_after", "empty"])
def test_tag_finds_effect_of_lost_response(simulator: Simulator, kind: str) -> None:
    image_id = snapshot(simulator, "v1", age=DAY)
    simulator.inject(Fault(kind, "CreateRepoTag", takes_effect=kind == "empty"))
    assert run(tag(image_id))["digest"] == simulator.registry.digest(path_of(simulator, image_id))


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        ({"status": "CREATING"}, ModelArtsError, "only an ACTIVE image"),
        ({"status": "CREATE_FAILED"}, ModelArtsError, "CREATE_FAILED"),
    ],
    ids=str,
)
def test_tag_of_image_that_is_not_active_fails(
    simulator: Simulator, given: dict[str, Any], error: type[Exception], match: str
) -> None:
    image_id = snapshot(simulator, "v1", age=DAY, **given)
    with pytest.raises(error, match=match):
        run(tag(image_id))
    assert sent(simulator) == []


@pytest.mark.parametrize("new_tag", ["", "None", "a b", "a/b", "-"])
def test_tag_refuses_tag(simulator: Simulator, new_tag: str) -> None:
    image_id = snapshot(simulator, "v1", age=DAY)
    if new_tag == "-":
        new_tag = "a:b"
    with pytest.raises(AirflowFailException):
        run(tag(image_id, new_tag))
    assert sent(simulator) == []


def test_tag_is_refused_where_the_cloud_has_no_such_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    import json

    with Simulator(cloud="otc") as simulator:
        monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(simulator.connection))
        image_id = snapshot(simulator, "v1", age=DAY)
        with pytest.raises(AirflowFailException, match="Open Telekom Cloud has no such operation"):
            run(tag(image_id))


def test_tag_of_image_in_enterprise_registry_is_refused(simulator: Simulator) -> None:
    image_id = snapshot(simulator, "v1", age=DAY, swr_instance_id="e-1")
    with pytest.raises(AirflowFailException, match="Enterprise registry"):
        run(tag(image_id))
    assert sent(simulator) == []


# --- register ----------------------------------------------------------------------------------------------


def test_register_brings_back_what_was_unregistered_under_a_new_id(simulator: Simulator) -> None:
    image_id = snapshot(simulator, "v1", age=DAY)
    path = path_of(simulator, image_id)
    run(delete(image_id))
    ti = TaskInstance()

    result = run(register(path, arch="aarch64", description=marker(simulator.notebook_id)), ti)

    assert result["image_id"] != image_id
    assert (result["swr_path"], result["status"], result["adopted"]) == (path, "ACTIVE", False)
    assert ti.xcom["image_id"] == result["image_id"]
    assert simulator.images[-1]["arch"] == "aarch64"


@pytest.mark.parametrize("kind", [None, "reset_after", "torn"])
def test_register_returns_record_that_exists(simulator: Simulator, kind: str | None) -> None:
    image_id = snapshot(simulator, "v1", age=DAY)
    path = path_of(simulator, image_id)
    if kind is not None:
        run(delete(image_id))
        simulator.inject(Fault(kind, "RegisterImage"))

    result = run(register(path))

    assert result["adopted"] is True
    assert result["image_id"] in active(simulator)
    assert (result["image_id"] == image_id) is (kind is None)


def test_register_of_missing_image_is_not_retried(simulator: Simulator) -> None:
    path = f"{simulator.registry.host}/team/research:nothing"
    with pytest.raises(AirflowFailException, match=r"ModelArts\.6797"):
        run(register(path))


@pytest.mark.parametrize("given", [{"swr_path": ""}, {"swr_path": "team"}, {"arch": "z80"}], ids=str)
def test_register_refuses_arguments(simulator: Simulator, given: dict[str, Any]) -> None:
    with pytest.raises(AirflowFailException):
        run(register(**{"swr_path": f"{simulator.registry.host}/team/research:v1", **given}))
    assert simulator.journal == ()


def test_delete_in_enterprise_registry_does_not_ask_swr(simulator: Simulator) -> None:
    image_id = snapshot(simulator, "v1", age=DAY, swr_instance_id="e-1")
    run(delete(image_id, delete_swr_image=True))
    assert image_id not in active(simulator)
    assert [entry.operation for entry in simulator.journal if "Repo" in entry.operation] == []


def test_delete_of_tag_is_checked_whichever_flag_the_service_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    import json

    for flag in ("query", "body"):
        with Simulator(registry=RegistryBehaviour(delete_flag=flag)) as simulator:
            monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(simulator.connection))
            image_id = snapshot(simulator, "v1", age=DAY)
            path = path_of(simulator, image_id)
            run(delete(image_id, delete_swr_image=True))
            assert path not in simulator.swr_paths
