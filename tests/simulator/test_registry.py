"""The simulated SWR: its operations, and what saves, deletions and starts have to do with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_modelarts.simulator import AtOnce, Fault, RegistryBehaviour, Simulator

if TYPE_CHECKING:
    from tests.simulator.conftest import Answer, Client, Start

HOST = "swr.cn-north-4.myhuaweicloud.com"
PATH = f"{HOST}/team/research"
TAGS = "/v2/manage/namespaces/team/repos/research/tags"


def error(answer: Answer) -> tuple[int, str]:
    """Return HTTP status and code of an error in the form that SWR's page has."""
    return answer.status, answer.json[0]["errorCode"].removeprefix("SVCSTG.SWR.")


def save(simulator: Simulator, client: Client, tag: str, *packages: str) -> dict[str, Any]:
    """Save the notebook after some packages were installed, and return the tag in SWR."""
    simulator.notebook().install(*packages)
    client.image(client.save(name="research", namespace="team", tag=tag).json["id"])
    return simulator.registry.tags("team", "research")[tag]


def test_registry_lists_tags_of_repository(simulator: Simulator, client: Client) -> None:
    simulator.add_image(name="research", namespace="team", tag="v1")

    answer = client.call_signed("GET", TAGS)

    (item,) = answer.json
    manifest = json.loads(item["manifest"])
    assert (answer.status, answer.headers["Content-Range"]) == (200, "0-1/1")
    assert (item["Tag"], item["path"], item["tag_type"]) == ("v1", f"{PATH}:v1", 0)
    assert item["size"] == sum(layer["size"] for layer in manifest["layers"])
    assert item["digest"].startswith("sha256:")
    assert simulator.registry.digest(f"{PATH}:v1") == item["digest"]
    assert item["updated"].endswith("Z")


def test_registry_pages_by_offset_and_limit_together(simulator: Simulator, client: Client) -> None:
    simulator.freeze()
    for number in range(5):
        simulator.add_image(name="research", namespace="team", tag=f"v{number}")
        simulator.advance(60)
    simulator.add_image(name="other", namespace="team", tag="v9")
    newest = {"limit": 2, "offset": 3, "order_column": "updated_at", "order_type": "desc"}

    answer = client.call_signed("GET", TAGS, newest)

    assert [item["Tag"] for item in answer.json] == ["v1", "v0"]
    assert answer.headers["Content-Range"] == "3-2/5"
    assert [item["Tag"] for item in client.call_signed("GET", TAGS, {"tag": "v3"}).json] == ["v3"]
    for wrong in ({"limit": 2}, {"offset": 2}, {"order_column": "tag"}):
        assert error(client.call_signed("GET", TAGS, wrong)) == (400, "4001025")
    assert error(client.call_signed("GET", TAGS, {"limit": "x", "offset": 0})) == (400, "4000056")


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("GET", "/v2/manage/namespaces/nobody/repos/research/tags", None, "4040058"),
        ("GET", "/v2/manage/namespaces/team/repos/unknown/tags", None, "4040113"),
        ("GET", "/v2/manage/namespaces/team/repos/a%2Fb/tags", None, "4040113"),
        ("DELETE", f"{TAGS}/v2", None, "4040115"),
        ("POST", TAGS, {"source_tag": "v2", "destination_tag": "v3"}, "4040048"),
    ],
)
def test_registry_refuses_what_is_absent_with_code(
    simulator: Simulator, client: Client, method: str, path: str, body: object, code: str
) -> None:
    simulator.add_image(name="research", namespace="team", tag="v1")
    simulator.add_image(name="a/b", namespace="team", tag="v1")

    assert error(client.call_signed(method, path, body=body)) == (404, code)


def test_registry_has_dollar_sign_for_slash(simulator: Simulator, client: Client) -> None:
    simulator.registry.push(f"{HOST}/team/deep/name:v1")

    for name in ("deep$name", "deep%24name"):
        answer = client.call_signed("GET", f"/v2/manage/namespaces/team/repos/{name}/tags")
        assert [item["path"] for item in answer.json] == [f"{HOST}/team/deep/name:v1"]


def test_registry_has_second_form_of_errors(start: Start) -> None:
    _, client = start(registry=RegistryBehaviour(error_form="errors"), grants=())

    assert client.call_signed("GET", TAGS).json["errors"][0]["errorCode"] == "SVCSTG.SWR.4039002"


def test_registry_returns_empty_list_for_absent_repository(start: Start) -> None:
    _, client = start(registry=RegistryBehaviour(absent="empty"))
    answer = client.call_signed("GET", TAGS)
    assert (answer.status, answer.json, answer.headers["Content-Range"]) == (200, [], "0-0/0")


def test_registry_refuses_tokens_with_code_of_its_own(client: Client) -> None:
    assert error(client.call_unsigned("GET", TAGS, headers={"X-Auth-Token": "x"})) == (401, "4010000")


def test_registry_lists_new_tags_late(start: Start) -> None:
    simulator, client = start(registry=RegistryBehaviour(list_lag=30))
    simulator.freeze()
    simulator.add_image(name="research", namespace="team", tag="v1")

    assert client.call_signed("GET", TAGS).json == []
    simulator.advance(31)
    assert len(client.call_signed("GET", TAGS).json) == 1


def test_registry_gives_content_another_tag(simulator: Simulator, client: Client) -> None:
    simulator.add_image(name="research", namespace="team", tag="v1")
    simulator.add_image(name="research", namespace="team", tag="v2")
    wanted = {"source_tag": "v1", "destination_tag": "stable"}

    created = client.call_signed("POST", TAGS, body=wanted)

    assert (created.status, created.body) == (201, b"")
    assert error(client.call_signed("POST", TAGS, body={**wanted, "source_tag": "v2"})) == (409, "4090006")
    moved = client.call_signed("POST", TAGS, body={**wanted, "source_tag": "v2", "override": True})
    assert moved.status == 201
    assert simulator.registry.digest(f"{PATH}:stable") == simulator.registry.digest(f"{PATH}:v2")
    assert client.call_signed("DELETE", f"{TAGS}/v2").status == 204
    assert f"{PATH}:stable" in simulator.swr_paths


def test_registry_has_no_retag_on_open_telekom_cloud(start: Start) -> None:
    _, client = start(cloud="otc")
    answer = client.call_signed("POST", TAGS, body={"source_tag": "a", "destination_tag": "b"})
    assert answer.error == (404, "APIGW.0101")


def test_registry_lists_retention_rules(simulator: Simulator, client: Client) -> None:
    simulator.add_image(name="research", namespace="team", tag="v1")
    path = "/v2/manage/namespaces/team/repos/research/retentions"
    assert client.call_signed("GET", path).json == []

    simulator.registry.add_rule("team", "research", days=30, exceptions=("stable",))

    (policy,) = client.call_signed("GET", path).json
    assert policy["rules"] == [
        {
            "template": "date_rule",
            "params": {"days": "30"},
            "tag_selectors": [{"kind": "label", "pattern": "stable"}],
        }
    ]


def test_registry_saves_share_layers_of_image_that_notebook_ran(start: Start) -> None:
    simulator, client = start(save=AtOnce())
    first, second = save(simulator, client, "v1", "numpy"), save(simulator, client, "v2")

    layers = [json.loads(tag["manifest"])["layers"] for tag in (first, second)]
    assert layers[1][:-1] == layers[0]
    assert second["size"] > first["size"]
    assert first["digest"] != second["digest"]


def test_registry_same_content_has_same_digest(start: Start) -> None:
    simulator, client = start(save=AtOnce(), registry=RegistryBehaviour(same_content=True))
    digests = [
        save(simulator, client, *given)["digest"] for given in (("v1", "numpy"), ("v2",), ("v3", "jax"))
    ]

    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("flag", "query", "body", "is_kept"),
    [
        ("either", {"force": True}, None, False),
        ("either", {}, {"is_force": True}, False),
        ("query", {"force": True}, None, False),
        ("query", {}, {"is_force": True}, True),
        ("body", {"force": True}, None, True),
        ("body", {}, {"is_force": True}, False),
        ("either", {}, None, True),
    ],
)
def test_registry_delete_image_honours_one_flag(
    start: Start, flag: str, query: dict[str, object], body: object, is_kept: bool
) -> None:
    simulator, client = start(registry=RegistryBehaviour(delete_flag=flag))
    image_id = simulator.add_image(name="research", namespace="team", tag="v1")

    client.delete(image_id, query=query, body=body)

    assert (f"{PATH}:v1" in simulator.swr_paths) is is_kept
    if is_kept:  # and registering brings it back
        registered = client.call("POST", "/images", body={"swr_path": f"{PATH}:v1"})
        assert (registered.status, registered.json["status"]) == (200, "ACTIVE")


def test_registry_notebook_does_not_start_without_its_content(simulator: Simulator, client: Client) -> None:
    image_id = simulator.add_image(name="research", namespace="team", tag="v1")
    notebook_id = simulator.add_notebook(status="STOPPED", image_id=image_id)
    simulator.registry.delete(f"{PATH}:v1")

    assert client.call("POST", f"/notebooks/{notebook_id}/start").error == (400, "ModelArts.6797")
    simulator.registry.push(f"{PATH}:v1")
    assert client.call("POST", f"/notebooks/{notebook_id}/start").status == 200


def test_registry_lists_can_miss_records(simulator: Simulator, client: Client) -> None:
    project = simulator.project(simulator.connection["extra"]["project_id"])
    image_id = simulator.add_image(name="research", namespace="team", tag="v1")
    notebook_id = simulator.add_notebook()

    project.hide(image_id, notebook_id)
    simulator.registry.hide(f"{PATH}:v1")

    assert client.call_signed("GET", TAGS).json == []
    assert f"{PATH}:v1" in simulator.swr_paths
    assert client.images(type="DEDICATED").json["total"] == 0
    assert notebook_id not in client.notebooks().body.decode()
    assert client.image(image_id).status == client.call("GET", f"/notebooks/{notebook_id}").status == 200


def test_registry_total_can_be_wrong(simulator: Simulator, client: Client) -> None:
    simulator.add_image(name="research", namespace="team", tag="v1")
    simulator.inject(Fault("miscount", "ListRepositoryTags", count=2))

    assert client.call_signed("GET", TAGS).headers["Content-Range"] == "0-1/3"


def test_registry_is_shared_by_projects_and_reset(simulator: Simulator) -> None:
    team = simulator.project(simulator.add_project("team"))
    team.add_image(name="research", namespace="team", tag="v1")
    assert list(simulator.registry.tags("team", "research")) == ["v1"]

    simulator.reset()

    assert simulator.registry.tags("team", "research") == {}
