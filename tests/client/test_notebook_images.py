"""The images among which the snapshots of a notebook are, in lists and beside them."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from airflow_provider_modelarts.client.notebook_images import read_images
from airflow_provider_modelarts.client.notebooks import Notebook
from tests.client.fake_transport import IMAGE_ID, FakeTransport, image, modelarts, reply, run

EMPTY = reply({"data": [], "total": 0})
GONE = reply({"error_code": "ModelArts.6309", "error_msg": "no such image"}, 400)


def read(transport: FakeTransport, *workspace_ids: str, **fields: Any) -> list[str | None]:
    """Return the ids of the images of a notebook that runs the one image."""
    given = {"id": "n1", "status": "RUNNING", "image": {"id": IMAGE_ID, **fields}}
    found = run(read_images(modelarts(transport), Notebook.model_validate(given), workspace_ids))
    return [item.id for item in found]


def test_notebook_images_include_the_one_that_runs_and_is_not_listed() -> None:
    transport = FakeTransport(EMPTY, EMPTY, image("ACTIVE"))

    assert read(transport, "0", "w1", "0") == [IMAGE_ID]
    assert len(transport.requests) == 3


@pytest.mark.parametrize(
    ("answers", "fields", "found"),
    [
        pytest.param([reply({"data": [{"id": IMAGE_ID}], "total": 1})], {}, [IMAGE_ID], id="listed"),
        pytest.param([EMPTY], {"type": "BUILD_IN"}, [], id="of the vendor"),
    ],
)
def test_notebook_images_read_no_image_by_itself(
    answers: list[Any], fields: dict[str, str], found: list[str]
) -> None:
    transport = FakeTransport(*answers)

    assert read(transport, "0", **fields) == found
    assert len(transport.requests) == 1


def test_notebook_images_leave_out_one_that_cannot_be_read(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    assert read(FakeTransport(EMPTY, GONE), "0") == []
    assert f"Notebook n1 runs image {IMAGE_ID}, which cannot be read and does not count" in caplog.text
