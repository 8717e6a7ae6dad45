"""The marker in a description, and the request that a save is prepared with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_modelarts.client.clouds import CLOUDS
from airflow_provider_modelarts.client.marker import (
    IdempotencyKey,
    Marker,
    check_notebook_id,
    parse_marker,
    prepare_request,
    snapshots_of,
)
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.exceptions import RequestValidationError

ID = "6fa459ea-ee8a-3ca4-894e-db77e160355e"
OTHER_ID = "16fd2706-8baf-433b-82eb-8c7fada847da"
TEXT = f"[airflow:0123456789abcdef notebook:{ID}]"
MARKER = Marker("0123456789abcdef", ID)
KEY = IdempotencyKey("nightly", "save", "run", -1)
FIELDS: dict[str, Any] = {"name": "research", "namespace": "team"}


def image(description: str | None, **fields: Any) -> Image:
    return Image.model_validate({"id": "i", "description": description, **fields})


def test_marker_has_documented_form() -> None:
    assert str(MARKER) == TEXT
    assert len(TEXT) == 72


@pytest.mark.parametrize(
    ("description", "found"),
    [
        (TEXT, MARKER),
        (f"after the course {TEXT}", MARKER),
        (f"after the course{TEXT}, edited later", MARKER),
        (TEXT.upper(), MARKER),
        (f"\n [ Airflow : 0123456789ABCDEF\t\n notebook :\u00a0{ID.upper()} ] ", MARKER),
        (TEXT.replace(" ", r"\n"), MARKER),
        (f"copy of [airflow:{'f' * 16} notebook:{OTHER_ID}] {TEXT}", MARKER),
        ("[airflow:0123456789abcdef notebook:Dev.box_7]", Marker("0123456789abcdef", "Dev.box_7")),
        (None, None),
        ("", None),
        ("saved by airflow", None),
        ("[airflow 0123456789abcdef]", None),
        ("[airflow:0123456789abcdef]", None),
        ("[airflow:0123456789abcde notebook:n]", None),
        ("[airflow:0123456789abcdef0 notebook:n]", None),
        ("[airflow:0123456789abcdeg notebook:n]", None),
        ("[airflow:0123456789abcdef notebook:]", None),
        ("[airflow:0123456789abcdefnotebook:n]", None),
        ("[airflow:0123456789abcdef notebook:a/b]", None),
        ("[airflow:0123456789abcdef notebook:a b]", None),
        (TEXT[:-1], None),
    ],
)
def test_parse_marker_ignores_space_and_case_only(description: str | None, found: Marker | None) -> None:
    assert parse_marker(description) == found


@given(
    words=st.text(max_size=60),
    notebook_id=st.one_of(
        st.uuids().map(str), st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", fullmatch=True)
    ),
    run_id=st.text(max_size=20),
    max_tries=st.none() | st.integers(0, 2**31 - 1),
)
def test_parse_marker_parses_output_of_append_to(
    words: str, notebook_id: str, run_id: str, max_tries: int | None
) -> None:
    key = IdempotencyKey("d", "t", run_id.encode(errors="replace").decode(), -1, max_tries)
    described = key.append_to(words, notebook_id)

    assert parse_marker(described) == key.marker(notebook_id)
    assert described.startswith(words.rstrip())
    assert key.matches(image(described), notebook_id)


def test_digest_is_equal_for_tries_of_one_task_only() -> None:
    others: list[dict[str, Any]] = [
        {"dag_id": "x"},
        {"task_id": "x"},
        {"run_id": "x"},
        {"map_index": 7},
        {"max_tries": 0},
        {"max_tries": 1},
    ]
    keys = [KEY, *(replace(KEY, **other) for other in others)]

    assert len({key.marker(ID).digest for key in keys} | {KEY.marker(OTHER_ID).digest}) == 8
    assert KEY.marker(ID.upper()) == KEY.marker(ID)
    assert {len(key.marker(ID).digest) for key in keys} == {16}


@pytest.mark.parametrize("saved_by", [None, 0, 1, 3])
@pytest.mark.parametrize("asked_by", [None, 0, 1, 3])
def test_matches_distinguishes_clears_only_with_max_tries(saved_by: int | None, asked_by: int | None) -> None:
    """Without ``max_tries`` any image of the run matches, also one of another ``on_clear``."""
    saved = image(replace(KEY, max_tries=saved_by).append_to("x", ID))
    asking = replace(KEY, max_tries=asked_by)
    is_own = asked_by in (None, saved_by)

    assert asking.matches(saved, ID) is is_own
    assert asking.is_of_earlier_clear(saved, ID) is not is_own


@pytest.mark.parametrize("max_tries", [None, 0, 3])
@pytest.mark.parametrize(
    "description",
    [
        "by hand",
        None,
        IdempotencyKey("nightly", "save", "another run", -1).append_to(None, ID),
        IdempotencyKey("nightly", "save", "run", 0).append_to(None, ID),
        KEY.append_to(None, OTHER_ID),
        str(Marker(KEY.marker(ID).digest, OTHER_ID)),
        f"{KEY.marker(ID)} {IdempotencyKey('weekly', 'save', 'run', -1).marker(ID)}",
    ],
)
def test_matches_rejects_image_of_another_task_run_or_notebook(
    description: str | None, max_tries: int | None
) -> None:
    key = replace(KEY, max_tries=max_tries)

    assert not key.matches(image(description), ID)
    assert not key.is_of_earlier_clear(image(description), ID)


@pytest.mark.parametrize(
    ("run_id", "start"),
    [
        ("scheduled__2026-11-21T02:00:00+00:00", "scheduled__2026-11-21T02-00-00-00-00-"),
        ("manual__" + "x" * 250, "manual__xxx"),
        ("-.hidden", "hidden-"),
        ("ночь", ""),
        ("", ""),
    ],
)
@pytest.mark.parametrize("max_tries", [None, 3])
def test_default_tag_is_valid_and_includes_run(
    run_id: str, start: str, max_tries: int | None, cloud: str
) -> None:
    key = IdempotencyKey("d", "t", run_id, -1, max_tries)
    tag = key.default_tag("n")

    assert tag.startswith(start)
    assert tag.endswith(key.marker("n").digest)
    assert CLOUDS[cloud].rules["tag"].violation(tag) is None


def test_prepare_request_sets_tag_and_appends_marker(cloud: str) -> None:
    request, other_tag = prepare_request(CLOUDS[cloud], ID.upper(), KEY, {**FIELDS, "description": "words\n"})

    assert request.description == f"words {KEY.marker(ID)}"
    assert (request.tag, other_tag) == (KEY.default_tag(ID), None)
    assert prepare_request(CLOUDS[cloud], ID, KEY, FIELDS)[0].description == str(KEY.marker(ID))


@pytest.mark.parametrize(
    ("tag", "max_tries", "other"),
    [
        ("nightly", None, None),
        ("nightly", 0, "nightly-0"),
        ("nightly", 12, "nightly-12"),
        ("x" * 62, 3, "x" * 62 + "-3"),
        ("x" * 64, 3, "x" * 62 + "-3"),
        ("x" * 64, 1234, "x" * 59 + "-1234"),
        (None, 3, None),
    ],
)
def test_prepare_request_sets_tag_after_clear(
    tag: str | None, max_tries: int | None, other: str | None, cloud: str
) -> None:
    key = replace(KEY, max_tries=max_tries)
    request, other_tag = prepare_request(CLOUDS[cloud], ID, key, {**FIELDS, "tag": tag})

    assert request.tag == (tag or key.default_tag(ID))
    assert other_tag == other
    assert other is None or CLOUDS[cloud].rules["tag"].violation(other) is None


@pytest.mark.parametrize("words", ["x" * 439, "x" * 439 + " \n" * 50, "\u00fc\n" * 219])
def test_prepare_request_allows_439_characters_of_description(words: str, cloud: str) -> None:
    request, _ = prepare_request(CLOUDS[cloud], ID, KEY, {**FIELDS, "description": words})

    assert request.description == f"{words.rstrip()} {KEY.marker(ID)}"
    assert len(request.description) <= 512


@pytest.mark.parametrize(
    ("cloud_name", "notebook_id", "fields", "words"),
    [
        ("huaweicloud", ID, {"description": "x" * 440}, "description may have at most 439 characters"),
        ("huaweicloud", ID, {"description": "x" * 5000}, "takes 72 of 512"),
        ("otc", "n" * 64, {"description": "x" * 412}, "description may have at most 411 characters"),
        ("huaweicloud", "devbox", {}, "notebook_id must be the notebook's id, a UUID"),
        ("otc", "a]b", {}, "notebook_id must be the notebook's id: letters"),
        ("otc", "a b", {}, "notebook_id must be the notebook's id: letters"),
        ("otc", "n" * 65, {}, "notebook_id may have at most 64 characters"),
        ("otc", "", {}, "notebook_id is empty"),
        ("otc", None, {}, "notebook_id is mandatory"),
        ("otc", 7, {}, "notebook_id must be a string"),
        ("otc", ID, {"description": 7}, "description must be a string"),
        ("otc", ID, {"description": " "}, "description is empty"),
        ("otc", ID, {"tag": ""}, "tag is empty"),
    ],
)
def test_prepare_request_rejects_invalid_fields(
    cloud_name: str, notebook_id: Any, fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(RequestValidationError, match="Nothing was sent") as caught:
        prepare_request(CLOUDS[cloud_name], notebook_id, KEY, {**FIELDS, **fields})

    assert words in str(caught.value)


def test_prepare_request_reports_all_violations_at_once() -> None:
    with pytest.raises(RequestValidationError) as caught:
        prepare_request(CLOUDS["huaweicloud"], "n", KEY, {**FIELDS, "tag": "a b", "description": "x" * 500})

    assert {broken.field for broken in caught.value.violations} == {"notebook_id", "tag", "description"}


def test_snapshots_of_returns_images_of_notebook_newest_first() -> None:
    """An image without a creation time is last."""
    images = [
        image(KEY.append_to("x", ID), id="old", create_at=1_000),
        image(KEY.append_to("x", ID.upper()), id="timeless", status="ERROR"),
        image(IdempotencyKey("weekly", "t", "r", 3, 7).append_to(None, ID), id="new", create_at=3_000),
        image(KEY.append_to("x", ID), id="garbled", create_at="yesterday"),
        image(KEY.append_to("x", ID).upper(), id="middle", create_at=2_000),
        image(KEY.append_to("x", OTHER_ID), id="another", create_at=9_000),
        image(f"copied from {ID}", id="unmarked", create_at=9_000),
        image(None, id="silent", create_at=9_000),
    ]

    found = [one.id for one in snapshots_of(ID.upper(), images)]

    assert found == ["new", "middle", "old", "timeless", "garbled"]


@pytest.mark.parametrize("notebook_id", [None, "", " ", 7, "a b", "a]", "n" * 65])
def test_check_notebook_id_rejects_values_that_a_marker_cannot_hold(notebook_id: Any) -> None:
    with pytest.raises(RequestValidationError, match="notebook_id"):
        check_notebook_id(notebook_id)
