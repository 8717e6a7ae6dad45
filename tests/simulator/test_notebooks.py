"""Starts, stops and updates of notebooks, and what they do to the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_modelarts.simulator import AfterReads, AfterSeconds, AtOnce, NotebookBehaviour

if TYPE_CHECKING:
    from airflow_provider_modelarts.simulator import Simulator
    from tests.simulator.conftest import Answer, Client, Start

AT_ONCE = NotebookBehaviour(starting=AtOnce(), stopping=AtOnce())
STATUSES = ("RUNNING", "STOPPED", "STARTING", "STOPPING", "SNAPSHOTTING", "FROZEN", "ERROR")
NOT_RUNNING = dict.fromkeys(("STOPPED", "STARTING", "STOPPING", "ERROR"), "6327")


def act(client: Client, operation: str, query: Any = None, body: object = None) -> Answer:
    """Send an operation on the default notebook."""
    path = f"/notebooks/{client.notebook_id}"
    method, suffix = {
        "start": ("POST", "/start"),
        "stop": ("POST", "/stop"),
        "lease": ("GET", "/lease"),
        "renew": ("PATCH", "/lease"),
        "update": ("PUT", ""),
    }[operation]
    return client.call(method, path + suffix, query, body)


def statuses(client: Client, reads: int) -> list[str]:
    return [client.notebook().json["status"] for _ in range(reads)]


@pytest.mark.parametrize(
    ("operation", "codes"),
    [
        ("start", {"RUNNING": "6305", "STOPPED": None, "STARTING": "6306", "STOPPING": "6308"}),
        ("stop", {"RUNNING": None, "STOPPED": "6307", "STARTING": "6306", "STOPPING": "6308"}),
        (
            "lease",
            {"RUNNING": None, "STOPPED": "6327", "STARTING": "6327", "STOPPING": "6327", "ERROR": "6327"},
        ),
        (
            "renew",
            {"RUNNING": None, "STOPPED": "6327", "STARTING": "6327", "STOPPING": "6327", "ERROR": "6327"},
        ),
        (
            "update",
            {"RUNNING": "6347", "STOPPED": None, "STARTING": "6347", "STOPPING": "6347", "ERROR": "6347"},
        ),
    ],
)
@pytest.mark.parametrize("status", STATUSES)
def test_operation_is_refused_with_code_of_status(
    simulator: Simulator, client: Client, operation: str, codes: dict[str, str | None], status: str
) -> None:
    codes = {"SNAPSHOTTING": "6357", "FROZEN": "6326", "ERROR": "6357", **codes}
    image_id = simulator.add_image()
    simulator.notebook().set_status(status)

    answer = act(client, operation, body={"image_id": image_id} if operation == "update" else None)

    code = codes[status]
    if code is None:
        assert answer.status == 200
    else:
        assert answer.error == (400, f"ModelArts.{code}")
        assert (simulator.notebook().status, simulator.journal[-1].effect) == (status, False)


@pytest.mark.parametrize("operation", ["start", "stop", "lease", "renew", "update"])
def test_operation_on_unknown_notebook_is_refused(client: Client, operation: str) -> None:
    client.notebook_id = "unknown"
    assert act(client, operation).error == (400, "ModelArts.6404")


@pytest.mark.parametrize("code", ["ModelArts.6327", "ModelArts.6958"])
def test_code_of_notebook_that_is_not_running_can_be_chosen(start: Start, code: str) -> None:
    simulator, client = start(notebooks=NotebookBehaviour(not_running_code=code))
    simulator.notebook().stop()
    assert [act(client, operation).error for operation in ("lease", "renew")] == 2 * [(400, code)]
    assert client.save().error == (400, code)


@pytest.mark.parametrize("code", ["ModelArts.6307", "ModelArts.6357"])
def test_code_of_stopped_notebook_can_be_chosen(start: Start, code: str) -> None:
    simulator, client = start(notebooks=NotebookBehaviour(stopped_code=code))
    simulator.notebook().stop()
    assert act(client, "stop").error == (400, code)


@pytest.mark.parametrize(
    ("operation", "first", "through", "to"),
    [("start", "STOPPED", "STARTING", "RUNNING"), ("stop", "RUNNING", "STOPPING", "STOPPED")],
)
def test_transition_ends_by_reads_or_seconds(
    start: Start, operation: str, first: str, through: str, to: str
) -> None:
    for timing, expected in (
        (AtOnce(), [to]),
        (AfterReads(1), [to]),
        (AfterReads(3), [through, through, to]),
        (AfterSeconds(60), [through, through]),
    ):
        simulator, client = start(notebooks=NotebookBehaviour(starting=timing, stopping=timing))
        simulator.notebook().set_status(first)

        answer = act(client, operation)

        assert answer.json["status"] == through
        assert statuses(client, len(expected)) == expected
        simulator.advance(60)
        assert simulator.notebook().status == to


def test_list_counts_as_read_of_its_notebooks(simulator: Simulator, client: Client) -> None:
    act(client, "stop")
    listed = [client.notebooks().json["data"][0]["status"] for _ in range(2)]
    assert listed == ["STOPPING", "STOPPED"]
    assert simulator.notebook().stops == 1


def test_start_that_fails_has_its_reason(start: Start) -> None:
    behaviour = NotebookBehaviour(starting=AtOnce(), start_failure="no resources")
    simulator, client = start(notebooks=behaviour)
    simulator.notebook().stop()
    act(client, "start")
    notebook = client.notebook().json
    assert (notebook["status"], notebook["fail_reason"]) == ("START_FAILED", "no resources")


def test_environment_is_lost_by_stop_and_captured_by_save(start: Start) -> None:
    simulator, client = start(notebooks=AT_ONCE, save=AtOnce())
    notebook = simulator.notebook()
    notebook.install("numpy")
    client.save()
    notebook.install("torch")
    assert notebook.environment == {"numpy", "torch"}

    act(client, "stop")

    assert notebook.environment == {"numpy"}
    act(client, "start")
    assert notebook.environment == {"numpy"}
    assert (notebook.starts, notebook.stops) == (1, 1)


def test_save_captures_what_was_installed_when_it_began(simulator: Simulator, client: Client) -> None:
    notebook = simulator.notebook()
    notebook.install("numpy")
    image_id = client.save().json["id"]
    with pytest.raises(ValueError, match="is not running"):
        notebook.install("torch")
    simulator.set_image_status(image_id, "ACTIVE")
    assert (notebook.status, notebook.image_id) == ("RUNNING", image_id)
    notebook.stop()
    assert notebook.environment == {"numpy"}


@pytest.mark.parametrize("status", ["CREATE_FAILED", "ERROR", "DELETED"])
def test_failed_save_captures_nothing(simulator: Simulator, client: Client, status: str) -> None:
    notebook = simulator.notebook()
    notebook.install("numpy")
    simulator.set_image_status(client.save().json["id"], status)
    assert notebook.environment == {"numpy"}
    notebook.stop()
    assert notebook.environment == frozenset()


def test_notebook_stays_snapshotting_after_its_image(start: Start) -> None:
    simulator, client = start(save=AtOnce(), notebooks=NotebookBehaviour(snapshotting=AfterSeconds(30)))
    image_id = client.save().json["id"]
    assert client.image(image_id).json["status"] == "ACTIVE"
    assert client.notebook().json["status"] == "SNAPSHOTTING"
    simulator.advance(30)
    notebook = client.notebook().json
    assert (notebook["status"], notebook["image"]["id"]) == ("RUNNING", image_id)


def test_update_brings_another_image_with_its_environment(start: Start) -> None:
    simulator, client = start(notebooks=AT_ONCE, save=AtOnce())
    notebook = simulator.notebook()
    notebook.install("numpy")
    first = client.save(tag="v1").json["id"]
    notebook.install("torch")
    client.save(tag="v2")
    assert notebook.status == "RUNNING"
    act(client, "stop")
    assert notebook.environment == {"numpy", "torch"}

    assert act(client, "update", body={"image_id": first}).status == 200

    act(client, "start")
    assert notebook.image_id == first
    assert notebook.environment == {"numpy"}


def test_update_of_name_keeps_environment_of_running_notebook(simulator: Simulator, client: Client) -> None:
    simulator.notebook().install("numpy")
    assert act(client, "update", body={"name": "renamed"}).status == 200
    assert simulator.notebook().environment == {"numpy"}
    assert client.notebook().json["name"] == "renamed"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"image_id": "unknown"}, "6797"),
        ({"image_id": 7}, "0104"),
        ({"image": "x"}, "0104"),
        (b"[", "0104"),
    ],
    ids=str,
)
def test_update_rejects_invalid_body(simulator: Simulator, client: Client, body: object, code: str) -> None:
    simulator.notebook().stop()
    assert act(client, "update", body=body).error == (400, f"ModelArts.{code}")


@pytest.mark.parametrize("status", ["CREATING", "CREATE_FAILED", "DELETED"])
def test_update_rejects_image_that_is_not_active(simulator: Simulator, client: Client, status: str) -> None:
    simulator.notebook().stop()
    image_id = simulator.add_image(status=status)
    assert act(client, "update", body={"image_id": image_id}).error == (400, "ModelArts.6797")


def test_start_without_its_image_is_refused(start: Start) -> None:
    simulator, client = start(refuse_delete_in_use=False)
    image_id = simulator.add_image()
    client.notebook_id = simulator.add_notebook(image_id=image_id, status="STOPPED")
    client.delete(image_id)
    assert act(client, "start").error == (400, "ModelArts.6797")


@pytest.mark.parametrize(
    ("cloud", "partial", "is_partial"),
    [("huaweicloud", None, False), ("otc", None, True), ("otc", False, False), ("huaweicloud", True, True)],
)
def test_update_response_may_be_partial(
    start: Start, cloud: str, partial: bool | None, is_partial: bool
) -> None:
    simulator, client = start(cloud=cloud, notebooks=NotebookBehaviour(partial_update=partial))
    simulator.notebook().stop()
    document = act(client, "update", body={"image_id": simulator.add_image()}).json
    assert document["feature"] == "NOTEBOOK"
    assert document.keys().isdisjoint({"id", "status"}) is is_partial


@pytest.mark.parametrize(
    ("behaviour", "query", "listed"),
    [
        ("NOTEBOOK", {}, ["billed"]),
        ("NOTEBOOK", {"feature": "NOTEBOOK"}, ["billed"]),
        ("NOTEBOOK", {"feature": "DEFAULT"}, ["free"]),
        ("all", {}, ["free", "billed"]),
        ("all", {"feature": "NOTEBOOK"}, ["billed"]),
    ],
)
@pytest.mark.parametrize("path", ["/notebooks", "/notebooks/all"])
def test_list_without_feature_has_chosen_notebooks(
    start: Start, behaviour: str, query: dict[str, str], listed: list[str], path: str
) -> None:
    simulator, client = start(notebooks=NotebookBehaviour(unset_feature=behaviour))
    simulator.add_notebook(name="billed")
    simulator.add_notebook(name="free", feature="DEFAULT")
    data = client.call("GET", path, query).json["data"]
    assert [item["name"] for item in data if not item["name"].startswith("notebook-")] == listed


def test_list_of_all_users_has_every_workspace(simulator: Simulator, client: Client) -> None:
    simulator.add_notebook(name="other", owner="b" * 32, workspace_id="1")
    assert "other" not in [item["name"] for item in client.notebooks().json["data"]]
    data = client.call("GET", "/notebooks/all").json["data"]
    assert ("other", "1") in [(item["name"], item["workspace_id"]) for item in data]


def test_register_brings_back_image_with_its_environment(start: Start) -> None:
    simulator, client = start(notebooks=AT_ONCE, save=AtOnce(), refuse_delete_in_use=False)
    simulator.notebook().install("numpy")
    image_id = client.save().json["id"]
    swr_path = client.image(image_id).json["swr_path"]
    client.delete(image_id)

    image = client.call("POST", "/images", body={"swr_path": swr_path, "arch": "AARCH64"}).json

    assert image["id"] != image_id
    assert (image["swr_path"], image["status"], image["origin"]) == (swr_path, "ACTIVE", "CUSTOMIZE")
    assert (image["namespace"], image["name"], image["tag"]) == ("team", "research", "v1")
    assert image["arch"] == "aarch64"
    client.notebook_id = simulator.add_notebook(image_id=image["id"])
    assert simulator.notebook(client.notebook_id).environment == {"numpy"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "0104"),
        ({"swr_path": "swr.example.com/team/research"}, "0104"),
        ({"swr_path": "swr.example.com/team/unknown:v1"}, "6797"),
        ({"swr_path": "PATH"}, "6301"),
        ({"swr_path": "PATH", "arch": "x86_64"}, "0104"),
        ({"swr_path": "PATH", "colour": "red"}, "0104"),
    ],
    ids=str,
)
def test_register_rejects_invalid_request(
    simulator: Simulator, client: Client, body: dict[str, str], code: str
) -> None:
    """Lists return the architecture in lower case, but only upper case is accepted."""
    swr_path = client.image(simulator.add_image()).json["swr_path"]
    body = {name: value.replace("PATH", swr_path) for name, value in body.items()}
    assert client.call("POST", "/images", body=body).error == (400, f"ModelArts.{code}")


def test_reset_restores_first_notebook(simulator: Simulator, client: Client) -> None:
    simulator.notebook().install("numpy")
    act(client, "stop")
    simulator.reset()
    notebook = simulator.notebook()
    assert (notebook.status, notebook.environment, notebook.stops) == ("RUNNING", frozenset(), 0)


def test_control_installs_and_sets_lease(simulator: Simulator, client: Client) -> None:
    body = {"id": client.notebook_id, "install": ["numpy"], "lease": {"seconds": 60, "type": "IDLE"}}
    assert client.control("POST", "notebooks", body).status == 200
    (notebook,) = client.control("GET", "state").json["notebooks"]
    assert (notebook["environment"], notebook["lease"]["type"]) == (["numpy"], "IDLE")
    stopped = {"id": client.notebook_id, "status": "ERROR", "fail_reason": "disk"}
    assert client.control("POST", "notebooks", stopped).status == 200
    assert client.notebook().json["fail_reason"] == "disk"
    assert client.control("POST", "notebooks", body).status == 400
    assert simulator.notebook().environment == frozenset()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("renewal_response", "x"),
        ("no_auto_stop", "x"),
        ("not_running_code", "x"),
        ("stopped_code", "x"),
        ("unset_feature", "x"),
        ("touched_by", ["x"]),
    ],
)
def test_invalid_behaviour_is_rejected(option: str, value: Any) -> None:
    with pytest.raises(ValueError, match="unknown "):
        NotebookBehaviour(**{option: value})
