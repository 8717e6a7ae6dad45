"""The address of an image, as ModelArts and registries write it."""

from __future__ import annotations

import pytest

from airflow_provider_modelarts.client.image_address import ImageAddress, parse_address

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        pytest.param(
            "swr.cn-north-4.myhuaweicloud.com/team/research:1.0",
            ("swr.cn-north-4.myhuaweicloud.com", "team/research", "1.0", None),
            id="a registry of the cloud",
        ),
        pytest.param(
            "SWR.example.com:5000/team/research:1",
            ("swr.example.com:5000", "team/research", "1", None),
            id="port",
        ),
        pytest.param(
            "registry/team/research", ("registry", "team/research", None, None), id="a host of one word"
        ),
        pytest.param(
            "swr.x/Team/research", ("swr.x", "Team/research", None, None), id="an upper-case organization"
        ),
        pytest.param("swr.x/team/a/b:1", ("swr.x", "team/a/b", "1", None), id="a name with a slash"),
        pytest.param(f"swr.x/t/n:1@{DIGEST}", ("swr.x", "t/n", "1", DIGEST), id="tag and digest"),
        pytest.param(f"swr.x/t/n@{DIGEST}", ("swr.x", "t/n", None, DIGEST), id="digest"),
        pytest.param("my.team/research:1", ("", "my.team/research", "1", None), id="no registry"),
        pytest.param("https://swr.x/t/n:1", ("swr.x", "t/n", "1", None), id="a URL"),
        pytest.param("swr://swr.x/t/n", ("swr.x", "t/n", None, None), id="an asset's URI"),
        pytest.param(" swr.x/t/n:1\n", ("swr.x", "t/n", "1", None), id="blanks around it"),
    ],
)
def test_address_is_parsed(address: str, parts: tuple[str, str, str | None, str | None]) -> None:
    assert parse_address(address) == ImageAddress(*parts)


@pytest.mark.parametrize(
    "address", [None, "", "research", "research:1", "swr.x:5000", "swr.x//n:1", "swr.x/t/:1", "/"]
)
def test_address_without_repository_is_none(address: str | None) -> None:
    assert parse_address(address) is None


@pytest.mark.parametrize(
    ("address", "uri", "is_in"),
    [
        ("swr.x/t/n:1", "swr://swr.x/t/n", True),
        ("SWR.X/t/n:1", "swr://swr.x/t/n", True),
        ("swr.x/t/n:1", "swr://swr.x:443/t/n", False),
        ("swr.x/t/n:1", "swr://swr.y/t/n", False),
        ("swr.x/t/n:1", "swr://swr.x/T/n", False),
        ("swr.x/t/n:1", "swr://swr.x/t/n/n", False),
        ("t/n:1", "swr://swr.x/t/n", True),
        ("t/m:1", "swr://swr.x/t/n", False),
    ],
)
def test_address_is_in_repository(address: str, uri: str, *, is_in: bool) -> None:
    image, repository = parse_address(address), parse_address(uri)

    assert image is not None
    assert repository is not None
    assert image.is_in(repository) is is_in


def test_address_uri_leaves_tag_out() -> None:
    image = parse_address("SWR.x:5000/team/a/b:1")

    assert image is not None
    assert image.uri == "swr://swr.x:5000/team/a/b"
