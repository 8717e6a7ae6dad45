"""A save, from the request to its end, on the image and on the notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_modelarts.simulator import AfterReads, AfterSeconds, AtOnce, Fault, Simulator
from airflow_provider_modelarts.simulator.save_timing import SaveTiming

if TYPE_CHECKING:
    from tests.simulator.conftest import Client, Start


def test_reply_has_the_shape_of_the_pages_example(client: Client) -> None:
    """The example of both pages has seventeen keys, and neither size nor status_message."""
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
def test_image_is_kept_in_the_registry_of_the_cloud(start: Start, cloud: str, registry: str) -> None:
    """Each cloud has a usual region and its own domain."""
    _, client = start(cloud=cloud)
    assert client.save().json["swr_path"] == f"{registry}/team/research:v1"


def test_enterprise_registry_shows_in_the_image(client: Client) -> None:
    """Huawei's SDK knows two fields that name an Enterprise edition of SWR."""
    image = client.save(swr_instance_id="i-1", swr_instance_domain="swr.example").json
    assert (image["swr_instance_id"], image["swr_path"]) == ("i-1", "swr.example/team/research:v1")


def test_status_201_can_be_played(start: Start) -> None:
    """The pages document 201 beside 200 and do not say which one comes."""
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
def test_reads_end_a_save(start: Start, progress: SaveTiming, statuses: list[str]) -> None:
    """The n-th look at the image shows it ACTIVE, and it stays so."""
    _, client = start(save=progress)
    image_id = client.save().json["id"]
    assert [client.image(image_id).json["status"] for _ in statuses] == statuses


def test_list_is_a_look_at_the_images_on_its_page(client: Client) -> None:
    """A client that polls by ListImages sees the same as one that uses ShowImage."""
    client.save()
    client.images(name="another")
    assert [client.images().json["data"][0]["status"] for _ in range(2)] == ["CREATING", "ACTIVE"]


def test_time_ends_a_save(start: Start) -> None:
    """The clock alone decides, however often a client looks."""
    simulator, client = start(save=AfterSeconds(100))
    image_id = client.save().json["id"]
    seen = []
    for seconds in (0, 50, 49, 2):
        simulator.advance(seconds)
        seen.append(client.image(image_id).json["status"])
    assert seen == ["INIT", "CREATING", "CREATING", "ACTIVE"]


def test_finished_image_has_a_size(client: Client) -> None:
    """What is only known at the end is only there at the end."""
    image_id = client.save().json["id"]
    missing = {"size", "support_res_categories"} - client.image(image_id).json.keys()
    image = client.image(image_id).json
    assert missing == {"size", "support_res_categories"}
    assert image["size"] > 0
    assert image["support_res_categories"] == ["CPU", "GPU"]
    assert "flavor_type" not in image


def test_ascend_notebook_makes_an_ascend_image(simulator: Simulator, client: Client) -> None:
    """Huawei's page alone lists ASCEND and flavor_type."""
    built_in = client.call("GET", "/images", {"sort_key": "name", "sort_dir": "ASC"}).json["data"]
    ascend = next(image for image in built_in if image["resource_categories"] == ["ASCEND"])
    client.notebook_id = simulator.add_notebook(image_id=ascend["id"])
    image_id = client.save().json["id"]
    images = [client.image(image_id).json for _ in range(2)]
    assert [image.get("flavor_type") for image in images] == [None, "ASCEND_SNT9B"]
    assert (images[1]["arch"], images[1]["resource_categories"]) == ("aarch64", ["ASCEND"])


def test_notebook_is_unavailable_during_a_save_and_maps_to_the_image_afterwards(client: Client) -> None:
    """SNAPSHOTTING while the image is made, then RUNNING on the new image."""
    before = client.notebook().json
    image = client.save().json
    during = client.notebook().json
    client.image(image["id"])
    client.image(image["id"])
    after = client.notebook().json
    assert [before["status"], during["status"], after["status"]] == ["RUNNING", "SNAPSHOTTING", "RUNNING"]
    assert before["image"] == during["image"]
    assert after["image"] == {name: image[name] for name in ("id", "name", "swr_path", "type")}


def test_failed_save_leaves_the_notebook_on_its_old_image(simulator: Simulator, client: Client) -> None:
    """The image says why in status_message; the notebook runs as before."""
    simulator.inject(Fault("save_fails", message="container size 60G is greater than threshold 50G"))
    before = client.notebook().json
    image_id = client.save().json["id"]
    images = [client.image(image_id).json for _ in range(2)]
    assert [image["status"] for image in images] == ["CREATING", "CREATE_FAILED"]
    assert images[1]["status_message"] == "container size 60G is greater than threshold 50G"
    assert "size" not in images[1]
    assert client.notebook().json == before | {"lease": client.notebook().json["lease"]}


@pytest.mark.parametrize(
    ("status", "code"),
    [("SNAPSHOTTING", "ModelArts.6357"), ("STOPPED", "ModelArts.6327"), ("FROZEN", "ModelArts.6327")],
)
def test_only_a_running_notebook_can_be_saved(
    simulator: Simulator, client: Client, status: str, code: str
) -> None:
    """A busy notebook and one that does not run are told apart by the code."""
    simulator.set_notebook_status(simulator.notebook_id, status)
    assert (client.save().error, simulator.saves) == ((400, code), 0)


def test_second_save_of_a_busy_notebook_is_refused(client: Client) -> None:
    """The notebook is SNAPSHOTTING until the first one ends."""
    client.save()
    assert client.save(tag="v2").error == (400, "ModelArts.6357")


def test_unknown_notebook_is_not_found_with_status_400(client: Client) -> None:
    """ModelArts says not found with HTTP 400 and a code."""
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
def test_tag_is_taken_once(
    simulator: Simulator, client: Client, other: dict[str, str], outcome: tuple[int, str | None]
) -> None:
    """Nothing can be overwritten: name and tag are taken while a record in the namespace has them."""
    simulator.add_image(**({"name": "research", "namespace": "team", "tag": "v1"} | other))
    answer = client.save()
    assert (answer.status, answer.json.get("error_code")) == outcome


def test_failed_image_can_be_made_to_release_its_tag(start: Start) -> None:
    """No page says whether a failed record keeps its tag taken, so both can be played."""
    simulator, client = start(failed_image_holds_tag=False)
    simulator.add_image(name="research", namespace="team", tag="v1", status="CREATE_FAILED")
    assert client.save().status == 200


@pytest.mark.parametrize("cloud", ["otc", "huaweicloud-eu"])
def test_omitted_fields_are_made_up_where_they_are_optional(start: Start, cloud: str) -> None:
    """The pages do not say what the service chooses, only that nothing is needed."""
    _, client = start(cloud=cloud)
    image = client.call("POST", f"/notebooks/{client.notebook_id}/create-image").json
    assert image["name"]
    assert image["swr_path"].endswith(f"/{image['namespace']}/{image['name']}:{image['tag']}")


def test_two_saves_without_a_tag_do_not_collide(start: Start) -> None:
    """An invented tag is a new one each time."""
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
def test_status_of_an_image_can_be_set(
    simulator: Simulator, client: Client, status: str, notebook: str, mapped: bool
) -> None:
    """The documented ends free the notebook; any other status stays, whatever the client reads."""
    image_id = client.save().json["id"]
    simulator.set_image_status(image_id, status, "because")
    for _ in range(5):
        client.image(image_id)
    (image,) = simulator.images
    shown: dict[str, Any] = client.notebook().json
    assert (image["status"], image["status_message"]) == (status, "because")
    assert (shown["status"], shown["image"]["id"] == image_id) == (notebook, mapped)


def test_notebook_stopped_during_a_save_stays_stopped(simulator: Simulator, client: Client) -> None:
    """The save goes on behind a status that a test sets."""
    image_id = client.save().json["id"]
    simulator.set_notebook_status(simulator.notebook_id, "STOPPED")
    statuses = [client.image(image_id).json["status"] for _ in range(2)]
    assert (statuses[-1], client.notebook().json["status"]) == ("ACTIVE", "STOPPED")


@pytest.mark.parametrize(
    "make", [lambda: AfterReads(-1), lambda: AfterSeconds(-0.5)], ids=["reads", "seconds"]
)
def test_save_cannot_end_before_it_begins(make: Any) -> None:
    """A negative progress is a mistake."""
    with pytest.raises(ValueError, match="cannot end after"):
        make()
