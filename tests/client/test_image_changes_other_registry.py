"""RegisterImage of an address that was refused: which record is the image's."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_modelarts.client.image_changes import register_once
from airflow_provider_modelarts.exceptions import BadRequestError
from tests.client.fake_transport import FakeTransport, modelarts, reply, run

ADDRESS = "swr.cn-north-1.example/team/research:v1"
REFUSED = reply({"error_code": "ModelArts.6400", "error_msg": "invalid"}, 400)


def register(record: dict[str, Any]) -> tuple[Any, bool]:
    listed = reply({"data": [{"id": "i1", "status": "ACTIVE", **record}], "total": 1})
    transport = FakeTransport(REFUSED, listed)
    return run(register_once(modelarts(transport), ADDRESS, workspace_id="w1"))


@pytest.mark.parametrize(
    "record",
    [
        {"swr_path": ADDRESS},
        {"swr_path": ADDRESS.upper().replace("TEAM/RESEARCH:V1", "team/research:v1")},
        {"swr_path": "team/research:v1"},
        {"namespace": "team", "name": "research", "tag": "v1"},
        {"swr_path": ADDRESS, "workspace_id": "W1"},
    ],
    ids=str,
)
def test_register_once_returns_record_of_the_address(record: dict[str, Any]) -> None:
    image, adopted = register(record)
    assert (image.id, adopted) == ("i1", True)


@pytest.mark.parametrize(
    "record",
    [
        {"swr_path": "swr.cn-north-4.example/team/research:v1"},
        {"swr_path": ADDRESS, "workspace_id": "w2"},
        {"swr_path": ADDRESS, "status": "CREATE_FAILED"},
    ],
    ids=str,
)
def test_register_once_fails_if_only_another_image_has_a_record(record: dict[str, Any]) -> None:
    """The same path and tag in another registry is other content."""
    with pytest.raises(BadRequestError):
        register(record)
