"""Responses that are complete, incomplete, or newer than this client."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

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
from airflow_provider_modelarts.exceptions import ImageFailedError

DATA = Path(__file__).parent / "data"
PAGES = {"huaweicloud": "create-image-huaweicloud.json", "otc": "create-image-otc.json"}

# Table 3 of each page, in its order.
OTC_FIELDS = [
    "arch",
    "create_at",
    "description",
    "dev_services",
    "id",
    "name",
    "namespace",
    "origin",
    "resource_categories",
    "service_type",
    "size",
    "status",
    "status_message",
    "support_res_categories",
    "swr_path",
    "tag",
    "type",
    "update_at",
    "visibility",
    "workspace_id",
]
HUAWEI_FIELDS = [*OTC_FIELDS, "flavor_type"]

# A value for each, as the table describes it and the examples do not show.
DOCUMENTED: dict[str, Any] = {
    "arch": "AARCH64",
    "create_at": 1671786468811,
    "description": "d" * 512,
    "dev_services": ["NOTEBOOK", "SSH"],
    "id": "4e0d1854-63e5-4517-b683-a0ee97a692a1",
    "name": "pytorch1_4",
    "namespace": "atelier-auto",
    "origin": "CUSTOMIZE",
    "resource_categories": ["CPU", "GPU", "ASCEND"],
    "service_type": "UNKNOWN",
    "size": 3376133259,
    "status": "CREATING",
    "status_message": "building",
    "support_res_categories": ["ASCEND"],
    "swr_path": "swr.xxxxx.com/atelier-auto/pytorch1_4:20221223",
    "tag": "20221223",
    "type": "DEDICATED",
    "update_at": 1671786468812,
    "visibility": "PUBLIC",
    "workspace_id": "0",
    "flavor_type": "ASCEND_SNT9B",
}


def example(page: str) -> Any:
    """Return the example response of a page, decoded."""
    return json.loads((DATA / PAGES[page]).read_bytes())


@pytest.mark.parametrize("page", PAGES)
def test_parse_response_keeps_every_field_of_documented_example(page: str) -> None:
    image = Image.model_validate(example(page))
    assert image.model_dump(exclude_none=True) == example(page)
    assert image.is_pending
    assert image.is_known


@pytest.mark.parametrize("page", PAGES)
def test_documented_example_has_fields_of_table_only(page: str) -> None:
    """The tables below are the whole contract."""
    fields = HUAWEI_FIELDS if page == "huaweicloud" else OTC_FIELDS
    assert set(example(page)) <= set(fields)


@pytest.mark.parametrize(
    ("page", "field"),
    [("huaweicloud", field) for field in HUAWEI_FIELDS] + [("otc", field) for field in OTC_FIELDS],
)
def test_image_keeps_every_documented_field(page: str, field: str) -> None:
    value = DOCUMENTED[field]
    image = Image.model_validate({**example(page), field: value})
    assert getattr(image, field) == value
    assert type(getattr(image, field)) is type(value)


@pytest.mark.parametrize("field", [field for field in HUAWEI_FIELDS if field != "id"])
def test_image_allows_missing_or_null_field(field: str) -> None:
    without = {name: value for name, value in DOCUMENTED.items() if name != field}
    missing = Image.model_validate(without)
    null = Image.model_validate({**DOCUMENTED, field: None})
    assert missing == null
    assert getattr(missing, field) is None


def test_image_needs_id_only() -> None:
    image = Image.model_validate({"id": "i"})
    assert image.model_dump(exclude_none=True) == {"id": "i"}
    assert image.is_pending


@pytest.mark.parametrize("reply", [{}, {"id": None}, {"id": ""}, {"id": ["i"]}, [], "i", 7, None, True])
def test_image_without_id_is_invalid(reply: object) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Image.model_validate(reply)


def test_image_ignores_unknown_field() -> None:
    later = {**DOCUMENTED, "swr_instance_id": None, "tags": [{"key": "a"}], "": {"deep": [1]}, "data": 1}
    assert Image.model_validate(later) == Image.model_validate(DOCUMENTED)


def test_image_converts_numbers_and_strings() -> None:
    image = Image.model_validate(
        {"id": 7, "tag": 20221223, "workspace_id": 0, "size": "12", "create_at": "1"}
    )
    assert image.model_dump(exclude_none=True) == {
        "id": "7",
        "tag": "20221223",
        "workspace_id": "0",
        "size": 12,
        "create_at": 1,
    }


def test_response_model_is_frozen() -> None:
    image = Image.model_validate({"id": "i"})
    with pytest.raises(ValueError, match="frozen"):
        image.status = "ACTIVE"


# Statuses


@pytest.mark.parametrize(
    ("status", "is_pending", "is_active", "has_failed", "is_known"),
    [
        ("INIT", True, False, False, True),
        ("CREATING", True, False, False, True),
        ("ACTIVE", False, True, False, True),
        ("CREATE_FAILED", False, False, True, True),
        ("ERROR", False, False, True, True),
        ("DELETED", False, False, True, True),
        ("PUSHING", True, False, False, False),
        ("active ", False, True, False, True),
        ("Create_Failed", False, False, True, True),
        ("", True, False, False, False),
        (None, True, False, False, False),
    ],
)
def test_image_status_properties(
    status: str | None,
    is_pending: bool,
    is_active: bool,
    has_failed: bool,
    is_known: bool,
) -> None:
    image = Image.model_validate({"id": "i", "status": status})
    assert (image.is_pending, image.is_active, image.has_failed, image.is_known) == (
        is_pending,
        is_active,
        has_failed,
        is_known,
    )


@pytest.mark.parametrize("status", ["INIT", "CREATING", "ACTIVE", "PUSHING", None])
def test_raise_for_status_returns_image_that_has_not_failed(status: str | None) -> None:
    image = Image.model_validate({"id": "i", "status": status})
    assert image.raise_for_status() is image


@pytest.mark.parametrize("status", ["CREATE_FAILED", "ERROR", "DELETED"])
def test_raise_for_status_error_includes_id_name_reason_and_request_id(status: str) -> None:
    image = Image.model_validate(
        {
            "id": "i",
            "name": "n",
            "tag": "t",
            "status": status,
            "status_message": "too large",
            "request_id": "r",
        }
    )
    with pytest.raises(ImageFailedError) as failed:
        image.raise_for_status()
    text = str(failed.value)
    assert text.startswith(f"Image i (n:t) ended as {status}: too large (request id r); ")
    assert text.count("clear the task that saves ") == 1
    assert ("deleted" in text) is ("check" not in text) is (status == "DELETED")


def test_raise_for_status_error_replaces_missing_reason() -> None:
    with pytest.raises(ImageFailedError) as failed:
        Image.model_validate({"id": "i", "status": "ERROR"}).raise_for_status()
    text = str(failed.value)
    assert text.startswith("Image i (unnamed:untagged) ended as ERROR: the service gave no reason; check ")


def test_raise_for_status_error_puts_reason_on_one_line_before_remedy() -> None:
    """A build may end with its whole log."""
    image = Image.model_validate(
        {"id": "i", "status": "ERROR", "status_message": "a\n\x1b[31mb" + "x" * 9_999}
    )
    with pytest.raises(ImageFailedError, match=r"ended as ERROR: a \[31mbx{400,470}…; check .+ saves it$"):
        image.raise_for_status()
    assert image.describe().startswith("Image i is ERROR: a [31mbx")


def test_image_replaces_half_surrogate_pair() -> None:
    """Services that count in UTF-16 cut texts there, and no database stores the half."""
    image = Image.model_validate(json.loads(r'{"id": "i", "name": "\ud83d", "swr_path": "\ud83d\ude00"}'))
    assert (image.name, image.swr_path) == ("?", "\U0001f600")


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"status": "INIT"}, "Image i is INIT"),
        ({"status": "CREATING", "status_message": "pushing"}, "Image i is CREATING: pushing"),
        (
            {"status": "PUSHING", "status_message": "50%"},
            "Image i is PUSHING (an unknown status, treated as pending): 50%",
        ),
    ],
)
def test_describe_returns_one_line(fields: dict[str, str], line: str) -> None:
    assert Image.model_validate({"id": "i", **fields}).describe() == line


# XCom


def test_to_xcom_returns_plain_json_of_complete_image() -> None:
    summary = Image.model_validate({**DOCUMENTED, "status": "ACTIVE"}).to_xcom()
    assert summary == {
        "image_id": "4e0d1854-63e5-4517-b683-a0ee97a692a1",
        "swr_path": "swr.xxxxx.com/atelier-auto/pytorch1_4:20221223",
        "status": "ACTIVE",
        "name": "pytorch1_4",
        "namespace": "atelier-auto",
        "tag": "20221223",
        "workspace_id": "0",
        "arch": "AARCH64",
        "size": 3376133259,
        "created_at": "2022-12-23T09:07:48.811+00:00",
        "updated_at": "2022-12-23T09:07:48.812+00:00",
    }
    assert json.loads(json.dumps(summary)) == summary


def test_to_xcom_omits_missing_fields() -> None:
    assert Image.model_validate({"id": "i"}).to_xcom() == {"image_id": "i", "swr_path": None}


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (1, "1970-01-01T00:00:00.001+00:00"),
        (0, None),
        (-1, None),
        (253402300799000, "9999-12-31T23:59:59.000+00:00"),
        (253402300800000, None),
        (-62135596800001, None),
        (10**18, None),
        (-(10**18), None),
        (10**400, None),
    ],
)
def test_to_xcom_omits_time_outside_calendar(milliseconds: int, shown: str | None) -> None:
    """It must not fail the task of a good image."""
    summary = Image.model_validate({"id": "i", "create_at": milliseconds}).to_xcom()
    assert summary.get("created_at") == shown


# Notebooks and lists

NOTEBOOK = {
    "id": "6fa459ea-ee8a-3ca4-894e-db77e160355e",
    "name": "notebook_5c2d",
    "status": "RUNNING",
    "token": "hidden-word",
    "fail_reason": None,
    "feature": "NOTEBOOK",
    "flavor": "modelarts.vm.cpu.2u",
    "image": {"id": "e1a07296", "name": "mindspore1.2", "swr_path": "swr.x/atelier/m:1", "type": "BUILD_IN"},
    "lease": {"create_at": 1638841744515, "duration": 3600000, "enable": True, "update_at": 1638841744515},
    "url": "https://authoring-modelarts.example/6fa459ea/lab",
    "volume": {"category": "EVS", "capacity": 5},
    "workspace_id": "0",
}


def test_notebook_drops_access_token() -> None:
    notebook = Notebook.model_validate(NOTEBOOK)
    assert "hidden-word" not in f"{notebook!r} {notebook} {notebook.model_dump()} {vars(notebook)}"
    assert not hasattr(notebook, "token")


def test_notebook_keeps_image_and_lease() -> None:
    notebook = Notebook.model_validate(NOTEBOOK)
    assert notebook.is_running
    assert notebook.image is not None
    assert notebook.image.swr_path == "swr.x/atelier/m:1"
    assert notebook.lease is not None
    assert (notebook.lease.duration, notebook.lease.enable) == (3600000, True)


@pytest.mark.parametrize("status", ["SNAPSHOTTING", "STOPPED", "FROZEN", "NOT RUNNING", "", None])
def test_notebook_is_running_only_with_status_running(status: str | None) -> None:
    assert not Notebook.model_validate({"id": "n", "status": status}).is_running


def test_page_has_items_and_total() -> None:
    page = Page[Image].model_validate(
        {"current": 4, "data": [{"id": "a"}, {"id": "b"}], "pages": 54, "size": 2, "total": 107}
    )
    assert page == Page[Image](data=[Image(id="a"), Image(id="b")], total=107)
    assert set(type(page).model_fields) == {"data", "records", "total", "request_id"}


@pytest.mark.parametrize("reply", [{"data": []}, {"data": None}, {"data": [], "total": 0}])
def test_page_allows_empty_list(reply: dict[str, Any]) -> None:
    assert Page[Image].model_validate(reply).data == []


@pytest.mark.parametrize("reply", [{}, {"total": 0}, {"id": "x", "status": "ACTIVE"}, [], None])
def test_page_without_list_is_invalid(reply: Any) -> None:
    """A lookup that took it for an empty list would save again."""
    with pytest.raises(ValidationError):
        Page[Image].model_validate(reply)


# Anything at all

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*HUAWEI_FIELDS, "data"]), inner, max_size=5)
    ),
    max_leaves=12,
)
PARSES: dict[str, Callable[[Any], Any]] = {
    "CreateImage": create_image("n", CreateImageRequest()).parse,
    "ShowImage": show_image("i").parse,
    "ListImages": list_images().parse,
    "DeleteImage": delete_image("i").parse,
    "ShowNotebook": show_notebook("n").parse,
    "ListNotebooks": list_notebooks().parse,
}


@given(reply=_json, parse=st.sampled_from(list(PARSES.values())))
def test_parse_response_returns_model_or_raises_value_error(reply: Any, parse: Callable[[Any], Any]) -> None:
    try:
        model = parse(reply)
    except ValueError:
        return
    assert model is None or isinstance(model, BaseModel)
    if isinstance(model, Image):
        assert json.loads(json.dumps(model.to_xcom()))["image_id"] == model.id
        assert model.is_pending + model.is_active + model.has_failed == 1
        assert model.describe()
