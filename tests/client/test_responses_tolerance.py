"""Odd fields and unreadable records in responses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from airflow_provider_modelarts.client.fields import MAX_TEXT
from airflow_provider_modelarts.client.models import Image, Page
from airflow_provider_modelarts.client.notebooks import Notebook
from airflow_provider_modelarts.client.operations import list_images, list_notebooks, show_image
from airflow_provider_modelarts.exceptions import ImageFailedError, InvalidResponseError
from tests.client.fake_transport import IMAGE_ID, START, FakeTransport, image, modelarts, reply, run

MOMENT = 1671786468811
"""2022-12-23T09:07:48.811 UTC."""
ODD: list[Any] = [
    1.5,
    "12 KB",
    True,
    [None],
    {"a": [1]},
    [],
    float("inf"),
    "\ud83d",
    "\0",
    10**400,
    "x" * 9_999,
]
NUMBERS = ("size", "create_at", "update_at")
LISTS = ("dev_services", "resource_categories", "support_res_categories")
MATTERS = ("id", "status", "name", "namespace", "tag", "description", "swr_path")
OPTIONAL = [name for name in Image.model_fields if name not in MATTERS]


@pytest.mark.parametrize("value", ODD, ids=lambda value: repr(value)[:12])
@pytest.mark.parametrize("field", OPTIONAL)
def test_image_is_active_despite_odd_optional_field(field: str, value: Any) -> None:
    transport = FakeTransport(image("ACTIVE", swr_path="swr.x/n/i:1", **{field: value}))
    seen = run(
        modelarts(transport).watch(
            show_image(IMAGE_ID),
            is_done=lambda it: not it.is_pending,
            poll_interval=10,
            deadline=START + 3600,
        )
    )

    assert (seen.is_active, seen.swr_path, len(transport.requests)) == (True, "swr.x/n/i:1", 1)
    assert_fit_for_xcom(seen.to_xcom())


def assert_fit_for_xcom(summary: dict[str, Any]) -> None:
    """Plain JSON of bounded, printable texts, as every database takes it."""
    assert json.loads(json.dumps(summary, ensure_ascii=False).encode()) == summary
    for text in [*summary, *summary.values()]:
        assert text is None or len(str(text).encode()) <= MAX_TEXT
        assert str(text).isprintable()


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (12, 12),
        ("12", 12),
        (" -1 ", -1),
        (12.0, 12),
        ("12.0", 12),
        (1.5, None),
        ("1.5", None),
        ("1_000", None),
        ("12 KB", None),
        (True, None),
        (2**63 - 1, 2**63 - 1),
        (2**63, None),
        (str(2**63), None),
        ("", None),
        ([12], None),
    ],
    ids=repr,
)
def test_number_field_is_parsed_or_absent(value: Any, size: int | None) -> None:
    assert Image.model_validate({"id": "i", "size": value}).size == size


@pytest.mark.parametrize(
    ("value", "milliseconds"),
    [
        (MOMENT, MOMENT),
        (str(MOMENT), MOMENT),
        (float(MOMENT), MOMENT),
        ("2022-12-23T09:07:48.811Z", MOMENT),
        ("2022-12-23T09:07:48.811", MOMENT),
        (" 2022-12-23 10:07:48.811+01:00", MOMENT),
        ("2022-12-23", 1671753600000),
        ("2022-13-45", None),
        ("yesterday", None),
        (False, None),
        ({"at": MOMENT}, None),
    ],
    ids=repr,
)
def test_time_field_is_parsed_from_milliseconds_and_iso_8601(value: Any, milliseconds: int | None) -> None:
    read = Image.model_validate({"id": "i", "create_at": value, "update_at": value})
    assert (read.create_at, read.update_at) == (milliseconds, milliseconds)
    assert ("created_at" in read.to_xcom()) is (milliseconds is not None)


@pytest.mark.parametrize("field", LISTS)
def test_list_field_skips_null(field: str) -> None:
    read = Image.model_validate({"id": "i", field: [None, "SSH", {"a": 1}, "NOTE\0BOOK"]})
    assert getattr(read, field) == ["SSH", "NOTE BOOK"]


@pytest.mark.parametrize("status", ["ACTIVE", "active", " Active", "ACTIVE\n", "\u00a0active\u2003"])
def test_image_status_is_compared_without_case_and_blanks(status: str) -> None:
    read = Image.model_validate({"id": "i", "status": status})
    assert (read.is_active, read.is_known, read.to_xcom()["status"]) == (True, True, "ACTIVE")
    assert read.describe() == "Image i is ACTIVE"


@pytest.mark.parametrize("status", ["create_failed ", "Error", "deleted"])
def test_image_has_failed_in_any_case(status: str) -> None:
    with pytest.raises(ImageFailedError):
        Image.model_validate({"id": "i", "status": status}).raise_for_status()


@pytest.mark.parametrize("status", [None, {"now": "ACTIVE"}, ["ACTIVE"], True, ""])
def test_image_with_unreadable_status_is_pending(status: Any) -> None:
    read = Image.model_validate({"id": "i", "status": status})
    assert (read.is_pending, read.is_active, read.has_failed, read.is_known) == (True, False, False, False)
    assert read.describe().startswith("Image i is without a status")


def test_notebook_is_running_despite_odd_fields() -> None:
    notebook = Notebook.model_validate(
        {
            "id": "n",
            "status": " running",
            "name": "line\nbreak\0",
            "image": ["i"],
            "lease": {"duration": "3600000", "create_at": "2022-12-23T09:07:48.811Z", "enable": "maybe"},
            "flavor": {"code": 1},
            "fail_reason": [None],
        }
    )
    assert notebook.is_running
    assert (notebook.name, notebook.image, notebook.flavor) == ("line break ", None, None)
    assert notebook.lease is not None
    lease = notebook.lease
    assert (lease.duration, lease.create_at, lease.enable) == (3_600_000, MOMENT, None)


@pytest.mark.parametrize("value", ODD, ids=lambda value: repr(value)[:12])
@pytest.mark.parametrize("field", [name for name in Notebook.model_fields if name != "id"])
def test_notebook_is_parsed_whatever_one_field_holds(field: str, value: Any) -> None:
    notebook = Notebook.model_validate({"id": "n", "status": "RUNNING", field: value})
    assert notebook.is_running is (field != "status")
    notebook.model_dump_json().encode()


# XCom


@pytest.mark.parametrize("field", ["name", "namespace", "tag", "swr_path", "status", "arch", "workspace_id"])
@pytest.mark.parametrize(
    "text",
    ["a\0b", "a\nb\x1b[31m", "\u202ea\u2028", "\ud83d", "é" * 9_999, "x" * 99_999, "\U0001f600" * 1_025],
)
def test_to_xcom_limits_length_and_characters_of_texts(field: str, text: str) -> None:
    assert_fit_for_xcom(Image.model_validate({"id": "i", field: text}).to_xcom())


def test_image_shows_that_long_name_was_cut() -> None:
    cut = Image.model_validate({"id": "i", "name": "x" * 4097}).name
    assert cut == "x" * 4093 + "…"
    assert Image.model_validate({"id": "i", "name": "x" * 4096}).name == "x" * 4096


def test_description_keeps_line_breaks_and_end() -> None:
    read = Image.model_validate({"id": "i", "description": "one\n" + "x" * 9_999 + "\0 [airflow 0]"})
    assert read.description == "one\n" + "x" * 9_999 + "  [airflow 0]"


@pytest.mark.parametrize("value", [["one", "two [airflow 0]"], {"en": "two [airflow 0]"}, {"[airflow 0]": 1}])
def test_description_of_odd_type_is_text_with_its_marker(value: Any) -> None:
    """Otherwise the task would not find the image that it saved."""
    assert "[airflow 0]" in (Image.model_validate({"id": "i", "description": value}).description or "")


def nested(depth: int) -> Any:
    value: Any = "[airflow 0]"
    for _ in range(depth):
        value = [value]
    return value


def test_description_that_is_nested_too_deeply_is_unreadable() -> None:
    with pytest.raises(ValidationError, match="nested too deeply to be read"):
        Image.model_validate({"id": "i", "description": nested(200_000)})


# Pages

STRANGERS: list[Any] = [
    None,
    "x",
    7,
    [],
    {},
    {"id": None},
    {"id": ""},
    {"id": ["a"]},
    {"id": "a b"},
    {"name": "n"},
]


@pytest.mark.parametrize("stranger", STRANGERS, ids=repr)
@pytest.mark.parametrize("operation", [list_images(), list_notebooks()], ids=["images", "notebooks"])
def test_page_keeps_records_beside_unreadable_one(operation: Any, stranger: Any) -> None:
    page = operation.parse({"data": [{"id": "a"}, stranger, {"id": "b"}], "total": 3})
    assert ([item.id for item in page.data], page.records, page.total) == (["a", "b"], 3, 3)


@pytest.mark.parametrize(
    "stranger",
    [
        pytest.param(b'{"id": "b", "name": "caf\xe9"}', id="a text in another encoding"),
        pytest.param(b'{"id": "b", "description": "\xe4\xb8"}', id="a text that was cut in a character"),
        pytest.param(b'{"id": "b", "description": "one\r\n\ttwo\0"}', id="bare control characters"),
        pytest.param(b'{"id": "b", "size": %s}' % (b"9" * 5000), id="thousands of digits"),
        pytest.param(b'{"id": "b", "size": -%s, "create_at": NaN}' % (b"9" * 5000), id="negative"),
    ],
)
def test_page_keeps_records_beside_invalid_json_value(stranger: bytes) -> None:
    body = b'{"data": [{"id": "a"}, %s, {"id": "c"}], "total": 3}' % stranger
    found = run(modelarts(FakeTransport(reply(body))).list_all(list_images()))
    assert [each.id for each in found] == ["a", "b", "c"]
    assert found[1].size is None


def test_list_all_is_complete_with_unreadable_record() -> None:
    """The service counts it in ``total`` and in ``offset``."""
    transport = FakeTransport(
        reply({"data": [{"id": "a"}, None], "total": 3}), reply({"data": [{"id": "b"}], "total": 3})
    )
    assert [item.id for item in run(modelarts(transport).list_all(list_images()))] == ["a", "b"]
    assert ["offset=0" in transport.requests[0].url, "offset=2" in transport.requests[1].url] == [True, True]
    assert len(transport.requests) == 2


@pytest.mark.parametrize("data", [{}, "x", 7, {"id": "a"}], ids=repr)
def test_page_without_list_of_items_is_invalid(data: Any) -> None:
    transport = FakeTransport(reply({"data": data, "total": 1}))
    with pytest.raises(InvalidResponseError, match="ListImages"):
        run(modelarts(transport).call(list_images()))


@pytest.mark.parametrize("total", ["many", 1.5, None, [2], True])
def test_page_with_unreadable_total_has_none(total: Any) -> None:
    assert Page[Image].model_validate({"data": [{"id": "a"}], "total": total}).total is None


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("\ud83d"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(
    fields=st.dictionaries(st.sampled_from([name for name in Image.model_fields if name != "id"]), anything)
)
def test_image_with_id_is_parsed_and_valid_for_xcom(fields: dict[str, Any]) -> None:
    read = Image.model_validate({"id": "i", **fields})
    assert_fit_for_xcom(read.to_xcom())
    assert read.describe().isprintable()
    read.model_dump_json().encode()
