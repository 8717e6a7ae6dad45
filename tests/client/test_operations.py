"""Operations: the request that each makes, and which response it accepts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_modelarts.client.http_types import Operation
from airflow_provider_modelarts.client.models import CreateImageRequest, Image, Page
from airflow_provider_modelarts.client.notebooks import Notebook
from airflow_provider_modelarts.client.operations import (
    create_image,
    delete_image,
    list_images,
    list_notebooks,
    show_image,
    show_notebook,
)
from airflow_provider_modelarts.client.polled_resources import IMAGES
from airflow_provider_modelarts.exceptions import RequestValidationError

SAVE = CreateImageRequest(name="a", namespace="b", tag="c", description="d", workspace_id="0")


@pytest.mark.parametrize(
    ("call", "operation", "method", "path", "query", "body"),
    [
        pytest.param(
            create_image("n-1", SAVE),
            "CreateImage",
            "POST",
            "/notebooks/n-1/create-image",
            {},
            {"name": "a", "namespace": "b", "tag": "c", "description": "d", "workspace_id": "0"},
            id="create_image with every field of the pages",
        ),
        pytest.param(
            create_image("n-1", CreateImageRequest()),
            "CreateImage",
            "POST",
            "/notebooks/n-1/create-image",
            {},
            {},
            id="create_image with none",
        ),
        pytest.param(
            create_image("n-1", CreateImageRequest(swr_instance_id="i", swr_instance_domain="d")),
            "CreateImage",
            "POST",
            "/notebooks/n-1/create-image",
            {},
            {"swr_instance_id": "i", "swr_instance_domain": "d"},
            id="create_image in an Enterprise registry",
        ),
        pytest.param(show_image("i-1"), "ShowImage", "GET", "/images/i-1", {}, None, id="show_image"),
        pytest.param(
            list_images(),
            "ListImages",
            "GET",
            "/images",
            {"type": "DEDICATED", "name_fuzzy_match": "false", "limit": "200"},
            None,
            id="list_images says what the service would guess wrong",
        ),
        pytest.param(
            list_images(
                name="a",
                name_fuzzy_match=True,
                namespace="b",
                service_type="TRAIN",
                type="BUILD_IN",
                workspace_id="0",
                sort_dir="ASC",
                sort_key="updateTime",
                show_name="s",
                show_tag="t",
                limit=20,
            ),
            "ListImages",
            "GET",
            "/images",
            {
                "name": "a",
                "name_fuzzy_match": "true",
                "namespace": "b",
                "service_type": "TRAIN",
                "type": "BUILD_IN",
                "workspace_id": "0",
                "sort_dir": "ASC",
                "sort_key": "updateTime",
                "show_name": "s",
                "show_tag": "t",
                "limit": "20",
            },
            None,
            id="list_images with every filter",
        ),
        pytest.param(
            delete_image("i-1", delete_swr_image=True),
            "DeleteImage",
            "DELETE",
            "/images/i-1",
            {"force": "true"},
            {"is_force": True},
            id="delete_image with its tag in SWR, in both spellings",
        ),
        pytest.param(
            delete_image("i-1"),
            "DeleteImage",
            "DELETE",
            "/images/i-1",
            {"force": "false"},
            {"is_force": False},
            id="delete_image without",
        ),
        pytest.param(
            show_notebook("n-1"), "ShowNotebook", "GET", "/notebooks/n-1", {}, None, id="show_notebook"
        ),
        pytest.param(
            list_notebooks(),
            "ListNotebooks",
            "GET",
            "/notebooks",
            {"feature": "NOTEBOOK", "limit": "50"},
            None,
            id="list_notebooks",
        ),
        pytest.param(
            list_notebooks(
                feature="DEFAULT",
                name="a",
                owner="o",
                pool_id="p",
                status="RUNNING",
                workspace_id="0",
                sort_dir="ASC",
                sort_key="name",
                all_users=True,
                limit=10,
            ),
            "ListAllNotebooks",
            "GET",
            "/notebooks/all",
            {
                "feature": "DEFAULT",
                "name": "a",
                "owner": "o",
                "pool_id": "p",
                "status": "RUNNING",
                "workspace_id": "0",
                "workspaceId": "0",
                "sort_dir": "ASC",
                "sort_key": "name",
                "limit": "10",
            },
            None,
            id="list_notebooks of everybody, with every filter",
        ),
    ],
)
def test_operation_sends_documented_request(
    call: Operation[Any],
    operation: str,
    method: str,
    path: str,
    query: dict[str, str],
    body: dict[str, Any] | None,
) -> None:
    asked = (call.name, call.method, call.path, dict(call.query), call.body)
    assert asked == (operation, method, path, query, body)


@pytest.mark.parametrize(
    "filter_", ["name", "namespace", "service_type", "workspace_id", "sort_dir", "sort_key"]
)
def test_list_images_sends_each_filter_by_itself(filter_: str) -> None:
    given: Any = {filter_: "x"}
    call = list_images(**given)
    assert call.query == {**list_images().query, filter_: "x"}


@pytest.mark.parametrize(
    ("call", "sizes"),
    [
        pytest.param(list_images(), (200, 100, 50, 25, 20), id="images"),
        pytest.param(list_images(limit=500), (500, 250, 125, 62, 31, 20), id="many images"),
        pytest.param(list_images(limit=20), (20,), id="few images"),
        pytest.param(list_images(limit=1), (1,), id="one image"),
        pytest.param(list_notebooks(), (50, 20, 10), id="notebooks, of which the service takes no other"),
        pytest.param(list_notebooks(limit=20), (20, 10), id="few notebooks"),
    ],
)
def test_list_operation_allows_a_mebibyte_and_smaller_pages(
    call: Operation[Any], sizes: tuple[int, ...]
) -> None:
    assert (call.max_bytes, call.page_sizes) == (1024 * 1024, sizes)
    assert call.query["limit"] == str(sizes[0])


@pytest.mark.parametrize(
    "call", [show_image("i"), show_notebook("n"), create_image("n", SAVE), delete_image("i")]
)
def test_single_object_operation_limits_response_size(call: Operation[Any]) -> None:
    assert (call.max_bytes, call.page_sizes) == (256 * 1024, ())


def test_operation_with_query_returns_new_operation() -> None:
    """``list_all`` reuses the first one for every page."""
    first = list_images()
    second = first.with_query(offset="200")
    assert "offset" not in first.query
    assert second.query == {**first.query, "offset": "200"}
    assert (second.path, second.parse) == (first.path, first.parse)


def test_operation_with_query_shares_no_last_call() -> None:
    """It would be sent without that query."""
    polled = IMAGES.show("i")
    assert polled.last is not None
    assert polled.with_query(limit="1").last is None


# Ids that want to be something else

Make = Callable[[Any], Operation[Any]]
TAKES_AN_ID: list[Any] = [
    pytest.param(lambda id_: create_image(id_, SAVE), "notebook_id", id="create_image"),
    pytest.param(show_image, "image_id", id="show_image"),
    pytest.param(delete_image, "image_id", id="delete_image"),
    pytest.param(show_notebook, "notebook_id", id="show_notebook"),
]


@pytest.mark.parametrize(("make", "field"), TAKES_AN_ID)
@pytest.mark.parametrize(
    "id_",
    [
        "a/b",
        "/a",
        "a/",
        "..",
        ".",
        "../images",
        ".hidden",
        "a\\b",
        "%2F",
        "a%2Fb",
        "%2e%2e",
        "a?force=true",
        "a#b",
        "a;b",
        "a b",
        " a",
        "a\n",
        "a\r\nHost: b",
        "a\tb",
        "a\u00a0b",
        "a\u2028b",
        "a\x00b",
        "a\u200bb",
        "a\ud800",
    ],
)
def test_operation_rejects_id_that_would_change_path(make: Make, field: str, id_: str) -> None:
    with pytest.raises(
        RequestValidationError, match=r"must be one id, without slash|cannot be written"
    ) as refused:
        make(id_)
    [rule] = refused.value.violations
    assert (rule.field, rule.value) == (field, id_)


@pytest.mark.parametrize(("make", "field"), TAKES_AN_ID)
def test_operation_rejects_id_that_is_not_a_string(make: Make, field: str) -> None:
    """The error names the type, instead of calling a number empty."""
    with pytest.raises(
        RequestValidationError, match=f"Nothing was sent: {field} must be a string, not int; got 7"
    ):
        make(7)


@pytest.mark.parametrize("make", [list_images, list_notebooks])
@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("name", 7, "must be a string, not int"),
        ("workspace_id", 0, "must be a string, not int"),
        ("name", "a\ud800", "cannot be written in UTF-8"),
        ("limit", "20", "must be"),
        ("limit", None, "must be"),
        ("limit", 0, "must be"),
        ("limit", True, "must be"),
    ],
)
def test_list_images_rejects_filter_that_cannot_be_encoded(
    make: Callable[..., object], field: str, value: object, rule: str
) -> None:
    with pytest.raises(RequestValidationError, match=f"Nothing was sent: {field} {rule}"):
        make(**{field: value})


@pytest.mark.parametrize("blank", ["", "  "])
@pytest.mark.parametrize("filter_", ["name", "namespace", "workspace_id"])
def test_list_images_rejects_blank_filter(filter_: str, blank: str) -> None:
    """It would list everything, and a caller may delete what was listed."""
    given: dict[str, Any] = {filter_: blank}
    with pytest.raises(RequestValidationError, match=f"{filter_} is empty"):
        list_images(**given)


@pytest.mark.parametrize("value", [0, 7.5, True, b"x", ["x"], {"x": "y"}, "\ud800"], ids=ascii)
@pytest.mark.parametrize(
    ("make", "filter_"),
    [
        *(
            (list_images, name)
            for name in ("name", "namespace", "workspace_id", "sort_key", "show_tag", "type")
        ),
        *(
            (list_notebooks, name)
            for name in ("name", "owner", "pool_id", "status", "workspace_id", "feature")
        ),
    ],
)
def test_list_operation_rejects_filter_that_is_not_text(make: Any, filter_: str, value: object) -> None:
    with pytest.raises(
        RequestValidationError, match=f"{filter_} (must be a string|cannot be written)"
    ) as refused:
        make(**{filter_: value})
    assert refused.value.violations[0].value == value


@pytest.mark.parametrize("limit", [0, -1, "ten", "50", 1.5, 10.0, True, None, [10]], ids=ascii)
@pytest.mark.parametrize("make", [list_images, list_notebooks])
def test_list_operation_rejects_invalid_limit(make: Any, limit: object) -> None:
    with pytest.raises(RequestValidationError, match="limit must be ") as refused:
        make(limit=limit)
    assert [rule.value for rule in refused.value.violations] == [limit]


@pytest.mark.parametrize("value", ["false", "True", "", 0, 1, None, []], ids=ascii)
@pytest.mark.parametrize(
    ("make", "flag"),
    [
        (lambda **flag: delete_image("i", **flag), "delete_swr_image"),
        (list_images, "name_fuzzy_match"),
        (list_notebooks, "all_users"),
    ],
)
def test_operation_rejects_flag_that_is_not_bool(make: Any, flag: str, value: object) -> None:
    """A template renders the text false, which is true in Python, and a deletion cannot be undone."""
    with pytest.raises(RequestValidationError, match=f"{flag} must be True or False"):
        make(**{flag: value})


@pytest.mark.parametrize("limit", [1, 30, 100])
def test_list_notebooks_rejects_limit_above_service_maximum(limit: Any) -> None:
    with pytest.raises(RequestValidationError, match="limit must be 10, 20 or 50"):
        list_notebooks(limit=limit)


@pytest.mark.parametrize(("make", "field"), TAKES_AN_ID)
@pytest.mark.parametrize("id_", ["", " ", "\n\t", None])
def test_operation_rejects_empty_id(make: Make, field: str, id_: Any) -> None:
    """A template that rendered to nothing must not reach the list, or delete it."""
    with pytest.raises(RequestValidationError, match=f"Nothing was sent: {field} is empty") as refused:
        make(id_)
    assert refused.value.violations[0].value == id_


@pytest.mark.parametrize(("make", "field"), TAKES_AN_ID)
@pytest.mark.parametrize(
    ("id_", "quoted"),
    [
        ("4e0d1854-63e5-4517-b683-a0ee97a692a1", "4e0d1854-63e5-4517-b683-a0ee97a692a1"),
        ("4E0D1854-63e5-4517-B683-A0EE97A692A1", "4e0d1854-63e5-4517-b683-a0ee97a692a1"),
        ("ABC-1", "ABC-1"),
        ("a.b_c~d", "a.b_c~d"),
        ("é漢", "%C3%A9%E6%BC%A2"),
        ("a+b&c=d:e@f", "a%2Bb%26c%3Dd%3Ae%40f"),
    ],
)
def test_operation_escapes_id_as_one_path_segment(make: Make, field: str, id_: str, quoted: str) -> None:
    assert quoted in make(id_).path.split("/"), field


# Responses for another resource


@pytest.mark.parametrize(
    ("call", "reply"),
    [
        pytest.param(show_image("i-1"), Image(id="i-1"), id="the image"),
        pytest.param(show_image("ABC"), Image(id="abc"), id="the image in other letters"),
        pytest.param(show_notebook("N-1"), Notebook(id="n-1"), id="the notebook"),
    ],
)
def test_operation_accepts_response_with_requested_id(call: Operation[Any], reply: Image | Notebook) -> None:
    """Ids are compared without case."""
    assert call.parse(reply.model_dump()) == reply


@pytest.mark.parametrize(
    ("call", "message"),
    [
        pytest.param(show_image("i-1"), "it is about image i-2", id="image"),
        pytest.param(show_notebook("i-1"), "it is about notebook i-2", id="notebook"),
    ],
)
def test_operation_rejects_response_with_another_id(call: Operation[Any], message: str) -> None:
    """A response from a cache must not end a wait."""
    with pytest.raises(ValueError, match=message):
        call.parse({"id": "i-2", "status": "ACTIVE"})


def test_operation_parses_documented_response() -> None:
    data = {"data": [{"id": "a"}], "total": 1}
    assert create_image("n", SAVE).parse({"id": "a"}) == Image(id="a")
    assert list_images().parse(data) == Page[Image](data=[Image(id="a")], total=1)
    assert list_notebooks().parse(data) == Page[Notebook](data=[Notebook(id="a")], total=1)
    assert [delete_image("i").parse(reply) for reply in (None, {"id": "i", "status": "DELETED"})] == [
        None,
        None,
    ]
