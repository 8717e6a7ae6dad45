"""Which image a notebook uses, however its address is written."""

from __future__ import annotations

import pytest

from airflow_provider_modelarts.client.image_address import ImageAddress
from airflow_provider_modelarts.client.image_uses import ImageUses
from airflow_provider_modelarts.client.notebooks import Notebook

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("path", "swr_path"),
    [
        ("team/research", "team/research:v1"),
        ("team/research", "SWR.example:443/team/research:v1"),
        ("team/research", "docker://swr.example/team/research:v1"),
        ("team/research", " swr.example/Team/Research:v1 "),
        ("team/research", f"swr.example/TEAM/research@{DIGEST.upper()}"),
        ("team/research", f"swr.example/team/research:v1@{DIGEST}"),
        ("team/research", "swr.example/team/research"),
        ("team/deep/research", "swr.example/team/deep/research:v1"),
        ("team/deep/research", "team/deep/research:v1"),
        ("team/deep/research", f"team/deep/research@{DIGEST}"),
        ("te.am/deep", "te.am/deep:v1"),
    ],
)
@pytest.mark.parametrize("digest", [DIGEST, None], ids=["known digest", "unknown digest"])
def test_image_uses_find_notebook_by_any_spelling(path: str, swr_path: str, digest: str | None) -> None:
    """The record of the image is another one than the notebook was given, as after a registration."""
    notebook = Notebook.model_validate(
        {"id": "n1", "status": "STOPPED", "image": {"id": "other", "swr_path": swr_path}}
    )
    address = ImageAddress("swr.example", path, "v1")

    uses = ImageUses.of([notebook])

    assert uses.of_image("i1", address, digest) == ("n1",)
    assert uses.name_digests_of(address) is ("@" in swr_path)


@pytest.mark.parametrize(
    "swr_path", ["swr.example/team/research:V1", "swr.example/team/other:v1", "swr.example/research:v1"]
)
def test_image_uses_do_not_find_notebook_of_another_image(swr_path: str) -> None:
    notebook = Notebook.model_validate(
        {"id": "n1", "status": "STOPPED", "image": {"id": "other", "swr_path": swr_path}}
    )
    address = ImageAddress("swr.example", "team/research", "v1")
    assert ImageUses.of([notebook]).of_image("i1", address, DIGEST) == ()
