"""A save from the request to its end: the image and the notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_modelarts.simulator import AfterReads, AfterSeconds, AtOnce, Fault, Simulator
from airflow_provider_modelarts.simulator.save_timing import SaveTiming

if TYPE_CHECKING:
    from tests.simulator.conftest import Client, Start


def test_create_image_response_has_fields_of_documented_example(client: Client) -> None:
    """Seventeen keys on both pages, without size and status_message."""
    answer = client.save(description="nightly", workspace_id="0")
    image = answer.json
    made_up = {name: image.pop(name) for name in ("id", "create_at", "update_at")}
    assert (answer.status, image) == (
        200,
        {
            "arch": "x86_64",
            "description": "nightly",
            "dev_services": ["SSH", "NOTEBOOK"],
            "name": "research",
            "namespace": "team",
            "origin": "IMAGE_SAVE",
            "resource_categories": ["CPU", "GPU"],
            "service_type": "TRAIN",
            "status": "INIT",
            "swr_path": "swr.cn-north-4.myhuaweicloud.com/team/research:v1",
            "tag": "v1",
            "type": "DEDICATED",
            "visibility": "PRIVATE",
            "workspace_id": "0",
        },
    )
    assert made_up["create_at"] == made_up["update_at"] > 1_700_000_000_000


@pytest.mark.parametrize(
    ("cloud", "registry"),
    [
        ("huaweicloud", "swr.cn-north-4.myhuaweicloud.com"),
        ("huaweicloud-eu", "swr.eu-west-101.myhuaweicloud.eu"),
        ("otc", "swr.eu-de.otc.t-systems.com"),
    ],
)
def test_image_address_is_in_registry_of_cloud(start: Start, cloud: str, registry: str) -> None:
    _, client = start(cloud=cloud)
    assert client.save().json["swr_path"] == f"{registry}/team/research:v1"


def test_image_includes_enterprise_registry(client: Client) -> None:
    """Huawei's SDK has two fields that name it."""
    image = client.save(swr_instance_id="i-1", swr_instance_domain="swr.example").json
    assert (image["swr_instance_id"], image["swr_path"]) == ("i-1", "swr.example/team/research:v1")


def test_create_image_may_return_201(start: Start) -> None:
    """The pages document 201 beside 200."""
    _, client = start(create_status=201)
    assert client.save().status == 201


@pytest.mark.parametrize(
    ("progress", "statuses"),
    [
        pytest.param(AtOnce(), ["ACTIVE", "ACTIVE"], id="at-once"),
        pytest.param(AfterReads(0), ["ACTIVE", "ACTIVE"], id="0-reads"),
        pytest.param(AfterReads(1), ["ACTIVE", "ACTIVE"], id="1-read"),
        pytest.param(AfterReads(2), ["CREATING", "ACTIVE", "ACTIVE"], id="2-reads"),
        pytest.param(AfterReads(4), ["INIT", "CREATING", "CREATING", "ACTIVE"], id="4-reads"),
    ],
)
def test_save_ends_after_reads(start: Start, progress: SaveTiming, statuses: list[str]) -> None:
    _, client = start(save=progress)
    image_id = client.save().json["id"]
    assert [client.image(image_id).json["status"] for _ in statuses] == statuses


def test_list_counts_as_read_of_its_images(client: Client) -> None:
    client.save()
    client.images(name="another")
    assert [client.images().json["data"][0]["status"] for _ in range(2)] == ["CREATING", "ACTIVE"]


def test_save_ends_after_time(start: Start) -> None:
    simulator, client = start(save=AfterSeconds(100))
    image_id = client.save().json["id"]
    seen = []
    for seconds in (0, 50, 49, 2):
        simulator.advance(seconds)
        seen.append(client.image(image_id).json["status"])
    assert seen == ["INIT", "CREATING", "CREATING", "ACTIVE"]


def test_image_has_size_when_finished(client: Client) -> None:
    image_id = client.save().json["id"]
    missing = {"size", "support_res_categories"} - client.image(image_id).json.keys()
    image = client.image(image_id).json
    assert missing == {"size", "support_res_categories"}
    assert image["size"] > 0
    assert image["support_res_categories"] == ["CPU", "GPU"]
    assert "flavor_type" not in image


def test_ascend_notebook_makes_ascend_image(simulator: Simulator, client: Client) -> None:
    """Only on Huawei's page."""
    built_in = client.call("GET", "/images", {"sort_key": "name", "sort_dir": "ASC"}).json["data"]
    ascend = next(image for image in built_in if image["resource_categories"] == ["ASCEND"])
    client.notebook_id = simulator.add_notebook(image_id=ascend["id"])
    image_id = client.save().json["id"]
    images = [client.image(image_id).json for _ in range(2)]
    assert [image.get("flavor_type") for image in images] == [None, "ASCEND_SNT9B"]
    assert (images[1]["arch"], images[1]["resource_categories"]) == ("aarch64", ["ASCEND"])


def test_notebook_is_snapshotting_then_runs_new_image(client: Client) -> None:
    before = client.notebook().json
    image = client.save().json
    during = client.notebook().json
    client.image(image["id"])
    client.image(image["id"])
    after = client.notebook().json
    assert [before["status"], during["status"], after["status"]] == ["RUNNING", "SNAPSHOTTING", "RUNNING"]
    assert before["image"] == during["image"]
    assert after["image"] == {name: image[name] for name in ("id", "name", "swr_path", "type")}


def test_failed_save_leaves_notebook_on_old_image(simulator: Simulator, client: Client) -> None:
    simulator.inject(Fault("save_fails", message="container size 60G is greater than threshold 50G"))
    before = client.notebook().json
    image_id = client.save().json["id"]
    images = [client.image(image_id).json for _ in range(2)]
    assert [image["status"] for image in images] == ["CREATING", "CREATE_FAILED"]
    assert images[1]["status_message"] == "container size 60G is greater than threshold 50G"
    assert "size" not in images[1]
    after = client.notebook().json
    times = {name: after[name] for name in ("current_time", "update_at", "lease")}
    assert after == before | times


@pytest.mark.parametrize(
    ("status", "code"),
    [("SNAPSHOTTING", "ModelArts.6357"), ("STOPPED", "ModelArts.6327"), ("FROZEN", "ModelArts.6326")],
)
def test_create_image_refuses_notebook_that_is_not_running(
    simulator: Simulator, client: Client, status: str, code: str
) -> None:
    """A busy notebook and a stopped one have different codes."""
    simulator.set_notebook_status(simulator.notebook_id, status)
    assert (client.save().error, simulator.saves) == ((400, code), 0)


def test_create_image_refuses_second_save_of_busy_notebook(client: Client) -> None:
    client.save()
    assert client.save(tag="v2").error == (400, "ModelArts.6357")


def test_create_image_returns_400_for_unknown_notebook(client: Client) -> None:
    client.notebook_id = "nobody"
    assert client.save().error == client.notebook().error == (400, "ModelArts.6404")


@pytest.mark.parametrize(
    ("other", "outcome"),
    [
        pytest.param({}, (400, "ModelArts.6737"), id="same"),
        pytest.param({"status": "CREATING"}, (400, "ModelArts.6737"), id="being-saved"),
        pytest.param({"status": "CREATE_FAILED"}, (400, "ModelArts.6737"), id="failed"),
        pytest.param({"status": "DELETED"}, (200, None), id="deleted"),
        pytest.param({"tag": "v2"}, (200, None), id="another-tag"),
        pytest.param({"name": "other"}, (200, None), id="another-name"),
        pytest.param({"namespace": "other"}, (200, None), id="another-namespace"),
    ],
)
def test_create_image_refuses_taken_tag(
    simulator: Simulator, client: Client, other: dict[str, str], outcome: tuple[int, str | None]
) -> None:
    simulator.add_image(**({"name": "research", "namespace": "team", "tag": "v1"} | other))
    answer = client.save()
    assert (answer.status, answer.json.get("error_code")) == outcome


def test_failed_image_may_release_its_tag(start: Start) -> None:
    """No page says whether a failed record keeps it."""
    simulator, client = start(failed_image_holds_tag=False)
    simulator.add_image(name="research", namespace="team", tag="v1", status="CREATE_FAILED")
    assert client.save().status == 200


@pytest.mark.parametrize("cloud", ["otc", "huaweicloud-eu"])
def test_create_image_fills_optional_fields(start: Start, cloud: str) -> None:
    _, client = start(cloud=cloud)
    image = client.call("POST", f"/notebooks/{client.notebook_id}/create-image").json
    assert image["name"]
    assert image["swr_path"].endswith(f"/{image['namespace']}/{image['name']}:{image['tag']}")


def test_create_image_makes_new_tag_for_each_save(start: Start) -> None:
    _, client = start(cloud="otc", save=AtOnce())
    path = f"/notebooks/{client.notebook_id}/create-image"
    answers = [client.call("POST", path, body={"name": "a"}) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200]


@pytest.mark.parametrize(
    ("status", "notebook", "mapped"),
    [
        ("ACTIVE", "RUNNING", True),
        ("CREATE_FAILED", "RUNNING", False),
        ("ERROR", "RUNNING", False),
        ("DELETED", "RUNNING", False),
        ("CREATING", "SNAPSHOTTING", False),
        ("SCANNING", "SNAPSHOTTING", False),
    ],
)
def test_status_of_image_may_be_set(
    simulator: Simulator, client: Client, status: str, notebook: str, mapped: bool
) -> None:
    """A final status frees the notebook."""
    image_id = client.save().json["id"]
    simulator.set_image_status(image_id, status, "because")
    for _ in range(5):
        client.image(image_id)
    (image,) = simulator.images
    shown: dict[str, Any] = client.notebook().json
    assert (image["status"], image["status_message"]) == (status, "because")
    assert (shown["status"], shown["image"]["id"] == image_id) == (notebook, mapped)


def test_notebook_stopped_during_save_stays_stopped(simulator: Simulator, client: Client) -> None:
    image_id = client.save().json["id"]
    simulator.set_notebook_status(simulator.notebook_id, "STOPPED")
    statuses = [client.image(image_id).json["status"] for _ in range(2)]
    assert (statuses[-1], client.notebook().json["status"]) == ("ACTIVE", "STOPPED")


@pytest.mark.parametrize(
    "make", [lambda: AfterReads(-1), lambda: AfterSeconds(-0.5)], ids=["reads", "seconds"]
)
def test_negative_save_timing_is_rejected(make: Any) -> None:
    with pytest.raises(ValueError, match="must be at least 0, not -"):
        make()
