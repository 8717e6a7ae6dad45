"""The operation that registers images."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.operations import register_image
from airflow_provider_modelarts.exceptions import RequestValidationError

PATH = "swr.eu-de.otc.t-systems.com/team/research:v1"


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ({}, {}),
        ({"arch": "x86_64"}, {"arch": "X86_64"}),
        ({"arch": " Aarch64 "}, {"arch": "AARCH64"}),
        (
            {"description": "d", "arch": "AARCH64", "workspace_id": "0"},
            {"description": "d", "arch": "AARCH64", "workspace_id": "0"},
        ),
    ],
    ids=str,
)
def test_register_image_sends_documented_request(fields: dict[str, str], body: dict[str, str]) -> None:
    """Lists return the architecture in lower case, but only upper case is accepted."""
    operation = register_image(PATH, **fields)
    assert (operation.name, operation.method, operation.path) == ("RegisterImage", "POST", "/images")
    assert operation.body == {"swr_path": PATH, **body}


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"swr_path": ""}, "swr_path is empty"),
        ({"swr_path": None}, "swr_path is empty"),
        ({"swr_path": 7}, "swr_path must be a string"),
        ({"swr_path": "research:v1"}, "swr_path must be an image's address"),
        ({"swr_path": "swr.example.com/team/research"}, "swr_path must be an image's address"),
        ({"swr_path": "swr.example.com:443/team/research"}, "swr_path must be an image's address"),
        ({"swr_path": "https://swr.example.com/team/research:v1"}, "swr_path must be an image's address"),
        ({"swr_path": f"{PATH} "}, "swr_path must be an image's address"),
        ({"arch": "riscv"}, "arch must be X86_64 or AARCH64"),
        ({"arch": ""}, "arch must be X86_64 or AARCH64"),
        ({"arch": 64}, "arch must be X86_64 or AARCH64"),
        ({"description": " "}, "description is empty"),
        ({"workspace_id": 0}, "workspace_id must be a string"),
    ],
    ids=str,
)
def test_register_image_rejects_invalid_value(fields: dict[str, Any], rule: str) -> None:
    with pytest.raises(RequestValidationError, match=f"Nothing was sent: {rule}"):
        register_image(**{"swr_path": PATH, **fields})


@pytest.mark.parametrize("path", [PATH, "team/research:v1", "localhost:5000/team/sub/research:v1.0_x-y"])
def test_register_image_accepts_address(path: str) -> None:
    assert register_image(path).body == {"swr_path": path}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"swr_path": PATH},
        {"swr_path": "swr-internal.example.com/team/research:v1"},
        {"name": "research", "tag": "v1"},
        {"name": "team/research"},
    ],
    ids=str,
)
def test_register_image_accepts_response_about_its_image(fields: dict[str, Any]) -> None:
    """The host of the registry may be written in another way."""
    assert register_image(PATH).parse({"id": "i", **fields}) == Image(id="i", **fields)


@pytest.mark.parametrize(
    "fields", [{"swr_path": "swr.example.com/team/research:v2"}, {"name": "other"}, {"tag": "v2"}], ids=str
)
def test_register_image_rejects_response_about_another_image(fields: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="it is about image"):
        register_image(PATH).parse({"id": "i", **fields})
