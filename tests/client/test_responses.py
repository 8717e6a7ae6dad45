"""What comes back: complete, incomplete, new, and strange."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from airflow_provider_modelarts.client.models import CreateImageRequest, Image, Notebook, Page
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
    """Return the example reply of a page, decoded."""
    return json.loads((DATA / PAGES[page]).read_bytes())


@pytest.mark.parametrize("page", PAGES)
def test_the_example_of_the_page_is_read_completely(page: str) -> None:
    """No field is lost and none is made up."""
    image = Image.model_validate(example(page))
    assert image.model_dump(exclude_none=True) == example(page)
    assert image.is_pending
    assert image.is_known


@pytest.mark.parametrize("page", PAGES)
def test_every_field_of_the_example_is_in_the_table(page: str) -> None:
    """So the tables below are the whole contract."""
    fields = HUAWEI_FIELDS if page == "huaweicloud" else OTC_FIELDS
    assert set(example(page)) <= set(fields)


@pytest.mark.parametrize(
    ("page", "field"),
    [("huaweicloud", field) for field in HUAWEI_FIELDS] + [("otc", field) for field in OTC_FIELDS],
)
def test_every_documented_field_is_kept(page: str, field: str) -> None:
    """With the value and the type that the table gives it."""
    value = DOCUMENTED[field]
    image = Image.model_validate({**example(page), field: value})
    assert getattr(image, field) == value
    assert type(getattr(image, field)) is type(value)


@pytest.mark.parametrize("field", [field for field in HUAWEI_FIELDS if field != "id"])
def test_a_field_may_be_missing_or_null(field: str) -> None:
    """Only the id is certain."""
    without = {name: value for name, value in DOCUMENTED.items() if name != field}
    missing = Image.model_validate(without)
    null = Image.model_validate({**DOCUMENTED, field: None})
    assert missing == null
    assert getattr(missing, field) is None


def test_the_id_is_enough() -> None:
    """A reply that says nothing else can still be waited for."""
    image = Image.model_validate({"id": "i"})
    assert image.model_dump(exclude_none=True) == {"id": "i"}
    assert image.is_pending


@pytest.mark.parametrize("reply", [{}, {"id": None}, {"id": ""}, {"id": ["i"]}, [], "i", 7, None, True])
def test_without_an_id_it_is_no_image(reply: object) -> None:
    """Nor is what is no object at all."""
    with pytest.raises(ValueError, match="validation error"):
        Image.model_validate(reply)


def test_fields_of_tomorrow_are_no_trouble() -> None:
    """They are left out, whatever they hold."""
    later = {**DOCUMENTED, "swr_instance_id": None, "tags": [{"key": "a"}], "": {"deep": [1]}, "data": 1}
    assert Image.model_validate(later) == Image.model_validate(DOCUMENTED)


def test_numbers_may_come_as_strings_and_strings_as_numbers() -> None:
    """Whatever a service of another version makes of them."""
    image = Image.model_validate(
        {"id": 7, "tag": 20221223, "workspace_id": 0, "size": "12", "create_at": "0"}
    )
    assert image.model_dump(exclude_none=True) == {
        "id": "7",
        "tag": "20221223",
        "workspace_id": "0",
        "size": 12,
        "create_at": 0,
    }


def test_a_reply_cannot_be_changed() -> None:
    """It is what was said."""
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
def test_a_status_means(
    status: str | None,
    is_pending: bool,
    is_active: bool,
    has_failed: bool,
    is_known: bool,
) -> None:
    """One we never heard of is one that may pass."""
    image = Image.model_validate({"id": "i", "status": status})
    assert (image.is_pending, image.is_active, image.has_failed, image.is_known) == (
        is_pending,
        is_active,
        has_failed,
        is_known,
    )


@pytest.mark.parametrize("status", ["INIT", "CREATING", "ACTIVE", "PUSHING", None])
def test_an_image_that_has_not_failed_is_handed_on(status: str | None) -> None:
    """Pending or ACTIVE."""
    image = Image.model_validate({"id": "i", "status": status})
    assert image.raise_for_status() is image


@pytest.mark.parametrize("status", ["CREATE_FAILED", "ERROR", "DELETED"])
def test_an_image_that_has_failed_says_all_that_helps(status: str) -> None:
    """Its id, its name and tag, the status, the service's reason and the request id."""
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
    assert str(failed.value) == f"Image i (n:t) ended as {status}: too large (request id r)"


def test_an_image_that_has_failed_without_a_word_says_so() -> None:
    """Rather than None."""
    with pytest.raises(ImageFailedError) as failed:
        Image.model_validate({"id": "i", "status": "ERROR"}).raise_for_status()
    assert str(failed.value) == "Image i (unnamed:untagged) ended as ERROR: the service gave no reason"


def test_a_reason_of_many_lines_is_told_on_one() -> None:
    """A build may end with its whole log."""
    image = Image.model_validate(
        {"id": "i", "status": "ERROR", "status_message": "a\n\x1b[31mb" + "x" * 9_999}
    )
    with pytest.raises(ImageFailedError, match=r"ended as ERROR: a \[31mbx{400,470}…$"):
        image.raise_for_status()
    assert image.describe().startswith("Image i is ERROR: a [31mbx")


def test_a_text_that_was_cut_inside_a_character_can_be_stored() -> None:
    """As services that count in UTF-16 cut it; half an emoji is nothing a database takes."""
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
def test_an_image_is_described_in_a_line(fields: dict[str, str], line: str) -> None:
    """For the log."""
    assert Image.model_validate({"id": "i", **fields}).describe() == line


# What a task hands on


def test_the_summary_of_a_whole_image() -> None:
    """Plain JSON, times in ISO 8601 UTC, and nothing else."""
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


def test_the_summary_has_only_what_the_service_gave() -> None:
    """But id and address are always there."""
    assert Image.model_validate({"id": "i"}).to_xcom() == {"image_id": "i", "swr_path": None}


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (0, "1970-01-01T00:00:00.000+00:00"),
        (-1, "1969-12-31T23:59:59.999+00:00"),
        (253402300799000, "9999-12-31T23:59:59.000+00:00"),
        (253402300800000, None),
        (-62135596800001, None),
        (10**18, None),
        (-(10**18), None),
        (10**400, None),
    ],
)
def test_a_time_that_no_calendar_knows_is_left_out(milliseconds: int, shown: str | None) -> None:
    """It must not keep a good image from being handed on."""
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


def test_a_notebook_drops_its_access_token() -> None:
    """What is not held cannot be shown."""
    notebook = Notebook.model_validate(NOTEBOOK)
    assert "hidden-word" not in f"{notebook!r} {notebook} {notebook.model_dump()} {vars(notebook)}"
    assert not hasattr(notebook, "token")


def test_a_notebook_is_read() -> None:
    """With its image and its lease."""
    notebook = Notebook.model_validate(NOTEBOOK)
    assert notebook.is_running
    assert notebook.image is not None
    assert notebook.image.swr_path == "swr.x/atelier/m:1"
    assert notebook.lease is not None
    assert (notebook.lease.duration, notebook.lease.enable) == (3600000, True)


@pytest.mark.parametrize("status", ["SNAPSHOTTING", "STOPPED", "FROZEN", "NOT RUNNING", "", None])
def test_only_a_running_notebook_can_be_saved(status: str | None) -> None:
    """As the page wants it."""
    assert not Notebook.model_validate({"id": "n", "status": status}).is_running


def test_a_page_is_its_items_and_how_many_there_are() -> None:
    """What the vendors' examples contradict each other about is left out."""
    page = Page[Image].model_validate(
        {"current": 4, "data": [{"id": "a"}, {"id": "b"}], "pages": 54, "size": 2, "total": 107}
    )
    assert page == Page[Image](data=[Image(id="a"), Image(id="b")], total=107)
    assert set(type(page).model_fields) == {"data", "records", "total", "request_id"}


@pytest.mark.parametrize("reply", [{"data": []}, {"data": None}, {"data": [], "total": 0}])
def test_a_page_may_be_empty(reply: dict[str, Any]) -> None:
    """If it says so."""
    assert Page[Image].model_validate(reply).data == []


@pytest.mark.parametrize("reply", [{}, {"total": 0}, {"id": "x", "status": "ACTIVE"}, [], None])
def test_a_page_without_items_is_none(reply: Any) -> None:
    """Who looks for a save in it, and took it for an empty list, would save again."""
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
def test_any_reply_is_a_model_or_a_value_error(reply: Any, parse: Callable[[Any], Any]) -> None:
    """Nothing else gets out, so the conversation can turn it into one clear error."""
    try:
        model = parse(reply)
    except ValueError:
        return
    assert model is None or isinstance(model, BaseModel)
    if isinstance(model, Image):
        assert json.loads(json.dumps(model.to_xcom()))["image_id"] == model.id
        assert model.is_pending + model.is_active + model.has_failed == 1
        assert model.describe()
