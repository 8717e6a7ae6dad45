"""Two projects in one account, and notebooks of several users."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_modelarts.simulator import AfterReads, AtOnce, Simulator

if TYPE_CHECKING:
    from tests.simulator.conftest import Answer, Client, Start

COLLEAGUE = "c" * 32


def ids(answer: Answer) -> list[str]:
    """Give the ids on a page, sorted."""
    return sorted(record["id"] for record in answer.json["data"])


def test_added_project_has_its_own_notebooks_and_images(start: Start) -> None:
    simulator, client = start(save=AtOnce())
    team = simulator.project(simulator.add_project("cn-north-4_team"))
    notebook_id, old = team.add_notebook(name="theirs"), team.add_image(name="old")
    ours = client.save().json["id"]

    client.project, client.notebook_id = f"/v1/{team.id}", notebook_id
    theirs = client.save().json["id"]

    assert ids(client.notebooks()) == [notebook_id]
    assert ids(client.images()) == sorted([theirs, old])
    assert client.image(ours).error == client.notebook(simulator.notebook_id).error == (400, "ModelArts.6404")
    assert sorted(image["id"] for image in team.images) == sorted([theirs, old])
    assert [image["id"] for image in simulator.project("cn-north-4").images] == [ours]
    assert (team.saves, simulator.saves, len(simulator.images)) == (1, 2, 3)


def test_added_project_is_empty_but_for_built_in_images(simulator: Simulator, client: Client) -> None:
    client.project = f"/v1/{simulator.add_project('new')}"
    assert ids(client.notebooks()) == ids(client.images()) == []
    assert len(client.call("GET", "/images").json["data"]) == 3


def test_projects_share_registry(simulator: Simulator, client: Client) -> None:
    """Organizations are the account's: a forced deletion affects both."""
    team = simulator.project(simulator.add_project("team"))
    fields = {"name": "n", "namespace": "shared", "tag": "v1"}
    ours = simulator.add_image(**fields)
    theirs = team.add_image(**fields)
    (path,) = {image["swr_path"] for image in simulator.images}

    client.delete(ours)
    assert path in simulator.swr_paths
    client.project = f"/v1/{team.id}"
    client.delete(theirs, query={"force": True})
    assert path not in simulator.swr_paths


def test_status_is_set_by_id_in_any_project(start: Start) -> None:
    simulator, client = start(save=AfterReads(9))
    team = simulator.project(simulator.add_project("team"))
    notebook_id, image_id = team.add_notebook(), team.add_image()
    simulator.set_notebook_status(notebook_id, "STOPPED")
    simulator.set_image_status(image_id, "ERROR")
    client.project = f"/v1/{team.id}"
    assert client.notebook(notebook_id).json["status"] == "STOPPED"
    assert client.image(image_id).json["status"] == "ERROR"
    client.control("POST", "notebooks", {"id": notebook_id, "status": "RUNNING"})
    client.control("POST", "images", {"id": image_id, "status": "ACTIVE"})
    assert client.notebook(notebook_id).json["status"] == "RUNNING"
    assert client.image(image_id).json["status"] == "ACTIVE"


def test_control_adds_project_and_its_resources(client: Client) -> None:
    assert client.control("POST", "projects", {"name": "team", "project_id": "t-1"}).json == {"id": "t-1"}
    added = client.control("POST", "notebooks", {"notebook_id": "n-1", "project_id": "t-1"}).json
    client.project = "/v1/t-1"
    assert (added, ids(client.notebooks())) == ({"id": "n-1"}, ["n-1"])


@pytest.mark.parametrize(
    ("name", "body", "problem"),
    [
        ("projects", {}, "name"),
        ("projects", {"name": 1}, "'name' cannot be 1"),
        ("notebooks", {"project_id": "x"}, "no project x"),
    ],
    ids=str,
)
def test_control_rejects_wrong_field_of_project(
    client: Client, name: str, body: object, problem: str
) -> None:
    answer = client.control("POST", name, body)
    assert (answer.status, problem in answer.json["error"]) == (400, True), answer.json


def test_project_is_found_by_id_or_unambiguous_name(simulator: Simulator) -> None:
    simulator.add_project("twin", "t-1")
    simulator.add_project("twin", "t-2")
    assert [simulator.project(value).id for value in ("t-1", "t-2")] == ["t-1", "t-2"]
    assert simulator.project("cn-north-4").connection == simulator.connection
    assert simulator.project("t-1").connection["extra"]["project_id"] == "t-1"
    with pytest.raises(ValueError, match="several projects twin"):
        simulator.project("twin")
    with pytest.raises(ValueError, match="no project nobody"):
        simulator.project("nobody")


def test_reset_removes_added_projects(simulator: Simulator, client: Client) -> None:
    team = simulator.project(simulator.add_project("team"))
    simulator.reset()
    client.project = f"/v1/{team.id}"
    assert client.images().error == (403, "ModelArts.0210")
    with pytest.raises(ValueError, match="no project"):
        team.add_notebook()


def test_list_notebooks_returns_own_or_all_users(simulator: Simulator, client: Client) -> None:
    """Filters and pages are the same."""
    theirs = simulator.add_notebook(name="theirs", owner=COLLEAGUE)
    own = simulator.notebook_id
    everybody = [
        client.call("GET", "/notebooks/all", query)
        for query in ({}, {"owner": COLLEAGUE}, {"name": "theirs"}, {"limit": 10, "offset": 1})
    ]
    assert ids(client.notebooks()) == [own]
    assert ids(client.notebooks(owner=COLLEAGUE)) == []
    assert [ids(answer) for answer in everybody] == [sorted([own, theirs]), [theirs], [theirs], [own]]
    assert everybody[0].json["total"] == 2
    assert client.call("GET", "/notebooks/all", {"limit": 11}).error == (400, "ModelArts.0104")
    assert simulator.journal[-1].operation == "ListAllNotebooks"


def test_notebook_names_owner(simulator: Simulator, client: Client) -> None:
    notebook = client.notebook(simulator.add_notebook(owner=COLLEAGUE)).json
    assert notebook["user"]["id"] == notebook["user_id"] == COLLEAGUE
    assert client.notebook().json["user"]["name"] == "simulator"
