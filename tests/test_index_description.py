"""The description that an index shows of the distributions: README.md with links that work there."""

from __future__ import annotations

import re
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from hatch_build import for_index
from tests.pages import ROOT, pages


@pytest.mark.parametrize(
    ("readme", "source", "expected"),
    [
        pytest.param("see [it](docs/a.md#b)", None, "see it", id="no-repository"),
        pytest.param("[A](https://a.example/b)", None, "[A](https://a.example/b)", id="absolute"),
        pytest.param(
            *("[a](docs/a.md), [b](https://b.example)", "https://git.example/x/"),
            "[a](https://git.example/x/blob/HEAD/docs/a.md), [b](https://b.example)",
            id="repository",
        ),
        pytest.param("![a form](docs/a.png)", None, "a form", id="image"),
        pytest.param(
            *("![a form](docs/a.png)", "https://git.example/x"),
            "![a form](https://git.example/x/raw/HEAD/docs/a.png)",
            id="image-repository",
        ),
        pytest.param(
            *("[a](#b)", "https://git.example/x"),
            "[a](https://git.example/x/blob/HEAD/README.md#b)",
            id="anchor-repository",
        ),
        pytest.param("[a](mailto:a@b.example)", None, "[a](mailto:a@b.example)", id="mail"),
    ],
)
def test_index_description_links_nowhere_unknown(readme: str, source: str | None, expected: str) -> None:
    assert for_index(readme, source) == expected


def test_wheel_has_readme_without_relative_links(tmp_path: Path) -> None:
    from hatchling.builders.wheel import WheelBuilder

    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])

    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = message_from_bytes(archive.read(name))
    description = str(metadata.get_payload())
    # Tools that upload refuse a version that they do not know.
    assert metadata["Metadata-Version"] == "2.4"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert description.startswith(pages()["README.md"].splitlines()[0])
    assert re.findall(r"\]\((?!https?://|mailto:)", description) == []
