"""Lists, single resources and deletions of images and notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_modelarts.simulator import AtOnce, Simulator

if TYPE_CHECKING:
    from tests.simulator.conftest import Answer, Client, Start


def names(answer: Answer) -> list[str]:
    """Give the names on a page, in order."""
    return [record["name"] for record in answer.json["data"]]


@pytest.fixture
def five(simulator: Simulator) -> None:
    """Five images with the fields of the filters."""
    simulator.add_image(name="a", namespace="one", create_at=1000, update_at=9000)
    simulator.add_image(name="ab", namespace="two", create_at=3000, update_at=3000)
    simulator.add_image(name="b", namespace="two", create_at=2000, update_at=4000, service_type="DEV")
    simulator.add_image(name="b", namespace="one", create_at=4000, tag="x", workspace_id="f" * 32)
    simulator.add_image(name="gone", status="DELETED")


@pytest.mark.usefixtures("five")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param({}, ["ab", "b", "a"], id="newest-first"),
        pytest.param({"sort_dir": "ASC"}, ["a", "b", "ab"], id="oldest-first"),
        pytest.param({"sort_key": "create_at"}, ["ab", "b", "a"], id="create_at"),
        pytest.param({"sort_key": "createTime"}, ["ab", "b", "a"], id="createTime"),
        pytest.param({"sort_key": "update_at"}, ["a", "b", "ab"], id="update_at"),
        pytest.param({"sort_key": "updateTime", "sort_dir": "DESC"}, ["a", "b", "ab"], id="updateTime"),
        pytest.param({"sort_key": "name", "sort_dir": "ASC"}, ["a", "ab", "b"], id="name"),
        pytest.param({"sort_key": "name,create_at", "sort_dir": "ASC"}, ["a", "ab", "b"], id="two-keys"),
        pytest.param({"name": "a"}, ["ab", "a"], id="fuzzy-name"),
        pytest.param({"name": "a", "name_fuzzy_match": True}, ["ab", "a"], id="fuzzy-name-explicit"),
        pytest.param({"name": "a", "name_fuzzy_match": False}, ["a"], id="exact-name"),
        pytest.param({"namespace": "two"}, ["ab", "b"], id="namespace"),
        pytest.param({"service_type": "DEV"}, ["b"], id="service_type"),
        pytest.param({"workspace_id": "f" * 32}, ["b"], id="workspace"),
        pytest.param({"show_name": "x"}, [], id="show_name"),
        pytest.param({"show_tag": "x"}, [], id="show_tag"),
        pytest.param({"limit": 2}, ["ab", "b"], id="limit"),
        pytest.param({"limit": 2, "offset": 1}, ["b", "a"], id="offset-in-records"),
        pytest.param({"offset": 3}, [], id="beyond-the-end"),
        pytest.param({"surprise": "1"}, ["ab", "b", "a"], id="unknown-query"),
    ],
)
def test_list_images_filters_by_query(client: Client, query: dict[str, object], expected: list[str]) -> None:
    assert names(client.images(**query)) == expected


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"limit": 0}, "ModelArts.0104"),
        ({"limit": "many"}, "ModelArts.0104"),
        ({"offset": -1}, "ModelArts.0104"),
        ({"offset": "9" * 5000}, "ModelArts.0104"),
        ({"name_fuzzy_match": "perhaps"}, "ModelArts.0104"),
        ({"type": "OTHER"}, "ModelArts.0104"),
        ({"service_type": "OTHER"}, "ModelArts.0104"),
        ({"sort_dir": "UP"}, "ModelArts.0104"),
        ({"sort_key": "colour"}, "ModelArts.6303"),
        ({"sort_key": "name,colour"}, "ModelArts.6303"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_list_images_refuses_wrong_query(client: Client, query: dict[str, object], code: str) -> None:
    """A wrong sort key has a code of its own."""
    answer = client.images(**query)
    assert answer.error == (400, code)


def test_list_images_defaults_to_built_in(client: Client) -> None:
    """As in Huawei's SDK, where a client then misses what it saved."""
    client.save()
    answer = client.call("GET", "/images")
    assert {image["type"] for image in answer.json["data"]} == {"BUILD_IN"}
    assert all("namespace" not in image for image in answer.json["data"])


def test_otc_has_no_ascend_images(start: Start) -> None:
    """ASCEND is on Huawei's page only."""
    _, client = start(cloud="otc")
    categories = [image["resource_categories"] for image in client.call("GET", "/images").json["data"]]
    assert ["ASCEND"] not in categories


def test_list_item_lacks_one_field_of_image(start: Start) -> None:
    """The model of list items has no support_res_categories."""
    _, client = start(save=AtOnce())
    image_id = client.save().json["id"]
    image = client.image(image_id).json
    (item,) = client.images().json["data"]
    assert image.pop("support_res_categories") == ["CPU", "GPU"]
    assert item == image


def test_list_images_page_defaults_to_200_and_is_limited_to_500(simulator: Simulator, client: Client) -> None:
    for number in range(510):
        simulator.add_image(name=f"n{number}", create_at=number)
    pages = [client.images().json, client.images(limit=1000).json, client.images(offset=500).json]
    assert [len(page["data"]) for page in pages] == [200, 500, 10]
    assert {page["total"] for page in pages} == {510}
    assert pages[0] | {"data": []} == {"current": 0, "pages": 3, "size": 200, "total": 510, "data": []}


def test_offset_may_count_pages(start: Start) -> None:
    """The documents call it a number of records, which no traffic confirms."""
    simulator, client = start(offset_unit="pages")
    for number in range(5):
        simulator.add_image(name=f"n{number}", create_at=number)
    assert names(client.images(limit=2, offset=1)) == ["n2", "n1"]


def test_lists_may_lag(start: Start) -> None:
    """A new image can be read at once, and is listed later."""
    simulator, client = start(list_lag=30, save=AtOnce())
    image_id = client.save().json["id"]

    assert client.image(image_id).status == 200
    assert client.images().json["total"] == 0
    simulator.advance(31)
    assert client.images().json["total"] == 1


def test_image_stays_in_swr_until_forced_delete(simulator: Simulator, client: Client) -> None:
    ids = [simulator.add_image(name="n", namespace="team", tag=tag) for tag in ("v1", "v2", "v3", "v4")]
    paths = [image["swr_path"] for image in simulator.images]
    answers = [
        client.delete(ids[0]),
        client.delete(ids[1], query={"force": True}),
        client.delete(ids[2], body={"is_force": True}),
        client.delete(ids[3], query={"force": False}, body={"is_force": False}),
    ]
    assert [(answer.status, answer.json["status"]) for answer in answers] == [(200, "DELETED")] * 4
    assert [path in simulator.swr_paths for path in paths] == [True, False, False, True]


def test_deleted_image_is_not_found(simulator: Simulator, client: Client) -> None:
    image_id = simulator.add_image(name="n")
    client.delete(image_id)
    assert client.image(image_id).error == client.delete(image_id).error == (400, "ModelArts.6404")
    assert [image["status"] for image in simulator.images] == ["DELETED"]


@pytest.mark.parametrize(
    ("cloud", "switch", "is_refused"),
    [
        ("huaweicloud", None, True),
        ("huaweicloud-eu", None, True),
        ("otc", None, False),
        ("huaweicloud", False, False),
        ("otc", True, True),
    ],
)
def test_deletion_of_image_in_use_follows_page_or_option(
    start: Start, cloud: str, switch: bool | None, is_refused: bool
) -> None:
    """OTC's page does not say."""
    _, client = start(cloud=cloud, refuse_delete_in_use=switch, save=AtOnce())
    answer = client.delete(client.save().json["id"])
    assert (answer.error if is_refused else answer.status) == ((400, "ModelArts.6347") if is_refused else 200)


def test_image_in_use_cannot_be_deleted(start: Start) -> None:
    """It may be deleted once the notebook is saved again."""
    _, client = start(save=AtOnce())
    first = client.save().json["id"]
    refused = client.delete(first)
    client.save(tag="v2")
    assert refused.error == (400, "ModelArts.6347")
    assert client.delete(first).status == 200


def test_image_being_saved_cannot_be_deleted(client: Client) -> None:
    assert client.delete(client.save().json["id"]).error == (400, "ModelArts.6357")


def test_built_in_image_cannot_be_deleted(client: Client) -> None:
    built_in = client.call("GET", "/images").json["data"][0]["id"]
    assert client.delete(built_in).error == (400, "ModelArts.6347")


@pytest.mark.parametrize("body", [{"force": True}, {"is_force": "yes"}], ids=["unknown", "text"])
def test_delete_image_refuses_wrong_body(simulator: Simulator, client: Client, body: object) -> None:
    assert client.delete(simulator.add_image(), body=body).error == (400, "ModelArts.0104")


def test_notebook_includes_access_token(client: Client) -> None:
    """Clients must show that they drop it."""
    notebook = client.notebook().json
    assert notebook["id"] == client.notebook_id
    assert notebook["token"]
    assert notebook["url"].endswith(f"/{client.notebook_id}/lab")
    assert notebook["image"].keys() == {"id", "name", "swr_path", "type"}


@pytest.fixture
def notebooks(simulator: Simulator) -> None:
    """Two notebooks beside the default one."""
    simulator.add_notebook("n-1", name="alpha", status="STOPPED", workspace_id="w1")
    simulator.add_notebook("n-2", name="alphabet")


@pytest.mark.usefixtures("notebooks")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param({}, ["alphabet", "alpha", "notebook-6b1c2d3e"], id="all"),
        pytest.param({"name": "alpha"}, ["alphabet", "alpha"], id="fuzzy-name"),
        pytest.param({"status": "STOPPED"}, ["alpha"], id="status"),
        pytest.param({"workspaceId": "w1"}, ["alpha"], id="workspace-otc"),
        pytest.param({"workspace_id": "w1"}, ["alpha"], id="workspace-huawei"),
        pytest.param({"owner": "somebody"}, [], id="owner"),
        pytest.param({"image_id": "none"}, [], id="image"),
        pytest.param({"feature": "DEFAULT"}, [], id="feature"),
        pytest.param(
            {"sort_key": "name", "sort_dir": "ASC"}, ["alpha", "alphabet", "notebook-6b1c2d3e"], id="sorted"
        ),
        pytest.param({"limit": 10, "offset": 2}, ["notebook-6b1c2d3e"], id="page"),
    ],
)
def test_list_notebooks_filters_by_query(
    client: Client, query: dict[str, object], expected: list[str]
) -> None:
    assert names(client.notebooks(**query)) == expected


@pytest.mark.parametrize(
    "query",
    [{"limit": 11}, {"limit": 200}, {"status": "BUSY"}, {"feature": "OTHER"}, {"offset": "x"}],
    ids=str,
)
def test_list_notebooks_refuses_wrong_query(client: Client, query: dict[str, object]) -> None:
    """A page has 10, 20 or 50 notebooks."""
    assert client.notebooks(**query).error == (400, "ModelArts.0104")


@pytest.mark.parametrize(("limit", "expected"), [(None, 10), (10, 10), (20, 20), (50, 26)])
def test_list_notebooks_page_defaults_to_ten(
    simulator: Simulator, client: Client, limit: int | None, expected: int
) -> None:
    for _ in range(25):
        simulator.add_notebook()
    query: dict[str, Any] = {} if limit is None else {"limit": limit}
    assert (len(names(client.notebooks(**query))), client.notebooks().json["total"]) == (expected, 26)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nothing"),
        ("PUT", "/images"),
        ("GET", "/images/"),
        ("POST", "/notebooks/x/create-image/more"),
        ("GET", "/notebooks/x/create-image"),
    ],
    ids=str,
)
def test_unknown_api_is_not_found_at_gateway(client: Client, method: str, path: str) -> None:
    answer = client.call(method, path)
    assert answer.error == (404, "APIGW.0101")
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]


def test_foreign_project_is_forbidden(client: Client) -> None:
    client.project = "/v1/" + "f" * 32
    assert client.images().error == (403, "ModelArts.0210")
