"""The request rules of create-image, row by row of each page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.simulator.conftest import Client, Start

HUAWEI = ["huaweicloud"]
OTC = ["huaweicloud-eu", "otc"]
ALL = HUAWEI + OTC

Table = list[tuple[list[str], str, object]]

ACCEPTED: Table = [
    (ALL, "name", "a"),
    (ALL, "name", "pytorch1_4-x.y"),
    (HUAWEI, "name", "n" * 128),
    (OTC, "name", "n" * 512),
    (OTC, "name", "-a."),
    (ALL, "namespace", "atelier-auto"),
    (HUAWEI, "namespace", "aB9-_."),
    (HUAWEI, "namespace", "n" * 64),
    (OTC, "namespace", "9 Teams/" + "n" * 200),
    (ALL, "tag", "20221223"),
    (ALL, "tag", "aZ-_.9"),
    (ALL, "tag", "t" * 64),
    (ALL, "description", ""),
    (ALL, "description", "ünïcode\nlines, too" + "d" * 494),
    (ALL, "workspace_id", "0"),
    (ALL, "workspace_id", "a" * 32),
    (HUAWEI, "swr_instance_id", "i-1"),
    (HUAWEI, "swr_instance_domain", "swr.example"),
]

REFUSED: Table = [
    (HUAWEI, "name", "n" * 129),
    (OTC, "name", "n" * 513),
    (HUAWEI, "name", "-a"),
    (HUAWEI, "name", "a_"),
    (ALL, "name", "Upper"),
    (ALL, "name", "a b"),
    (ALL, "name", "a\n"),
    (ALL, "name", ""),
    (ALL, "name", None),
    (ALL, "name", 7),
    (HUAWEI, "namespace", "n" * 65),
    (HUAWEI, "namespace", "Team"),
    (HUAWEI, "namespace", "9team"),
    (HUAWEI, "namespace", "a/b"),
    (ALL, "namespace", ""),
    (ALL, "namespace", ["team"]),
    (ALL, "tag", "t" * 65),
    (ALL, "tag", "1,2"),
    (ALL, "tag", "a:b"),
    (ALL, "tag", ""),
    (ALL, "description", "d" * 513),
    (ALL, "description", {}),
    (ALL, "workspace_id", 0),
    (OTC, "swr_instance_id", "i-1"),
    (OTC, "swr_instance_domain", "swr.example"),
    (ALL, "labels", "x"),
]


def rows(table: Table) -> list[object]:
    """Give one case per cloud and value."""
    return [
        pytest.param(cloud, field, value, id=f"{cloud}-{field}-{str(value)[:12]!r}-{len(str(value))}")
        for clouds, field, value in table
        for cloud in clouds
    ]


@pytest.mark.parametrize(("cloud", "field", "value"), rows(ACCEPTED))
def test_create_image_accepts_documented_value(start: Start, cloud: str, field: str, value: object) -> None:
    simulator, client = start(cloud=cloud)
    answer = client.save(**{field: value})
    assert (answer.status, simulator.saves) == (200, 1)
    assert answer.json.get(field, value) == value


@pytest.mark.parametrize(("cloud", "field", "value"), rows(REFUSED))
def test_create_image_refuses_undocumented_value_by_field(
    start: Start, cloud: str, field: str, value: object
) -> None:
    simulator, client = start(cloud=cloud)
    answer = client.save(**{field: value})
    assert answer.error == (400, "ModelArts.0104")
    assert field in answer.json["error_msg"]
    assert (simulator.saves, client.notebook().json["status"]) == (0, "RUNNING")


@pytest.mark.parametrize("field", ["name", "namespace"])
def test_create_image_needs_name_and_namespace_on_huaweicloud(client: Client, field: str) -> None:
    body = {"name": "a", "namespace": "team"}
    del body[field]
    answer = client.call("POST", f"/notebooks/{client.notebook_id}/create-image", body=body)
    assert (answer.error, field in answer.json["error_msg"]) == ((400, "ModelArts.0104"), True)


@pytest.mark.parametrize(
    "body",
    [["name"], "name", 5, b"{name", b"\xff"],
    ids=["list", "text", "number", "no-json", "no-text"],
)
def test_create_image_refuses_body_that_is_no_json_object(client: Client, body: object) -> None:
    answer = client.call("POST", f"/notebooks/{client.notebook_id}/create-image", body=body)
    assert answer.error == (400, "ModelArts.0104")
