"""docs/compatibility.md shows what the matrix runs, and what the wheel declares."""

from __future__ import annotations

import re

from tests.matrix.cells import ADDED_TO_3_3_2, CELLS
from tests.matrix.features import FEATURES
from tests.matrix.page import PAGE
from tests.reliability import document

PROJECT = PAGE.parents[1] / "pyproject.toml"
README = PAGE.parents[1] / "README.md"


def rows(section: str) -> list[list[str]]:
    """Return the cells of a table that was recorded, without its head."""
    lines = document.recorded(section, PAGE).splitlines()[2:]
    return [[text.strip() for text in line.strip("|").split("|")] for line in lines]


def test_page_shows_every_cell_and_that_it_passed() -> None:
    shown = {(row[0], ".".join(row[1].split(".")[:2]), row[-1]) for row in rows("cells")}

    assert shown == {
        (f"{cell.airflow}{', lowest dependencies' if cell.lowest else ''}", cell.python, "passed")
        for cell in CELLS
    }


def test_page_shows_every_feature() -> None:
    assert [row[0] for row in rows("features")] == list(FEATURES)


def test_page_lists_what_wheel_adds() -> None:
    assert [row[0] for row in rows("added")[:-1]] == sorted(ADDED_TO_3_3_2)


def test_page_shows_pins_of_every_cell() -> None:
    text = PAGE.read_text(encoding="utf-8")
    section = text[text.index("## Airflow versions that need pins") :]
    shown: dict[str, list[str]] = {}
    for version, pins in re.findall(r"^\| (\d\S+) \| (.+?) \|", section, re.MULTILINE):
        shown.setdefault(version, []).extend(re.findall(r"`(.+?)`", pins))

    assert {version: tuple(pins) for version, pins in shown.items()} == {
        known.airflow: known.pins for known in CELLS if known.pins
    }


def test_page_shows_lowest_version_of_each_dependency() -> None:
    text = PAGE.read_text(encoding="utf-8")
    section = text[text.index("## Lowest versions") :]
    (declared,) = re.findall(r"^dependencies = \[$(.+?)^\]$", PROJECT.read_text(), re.MULTILINE | re.DOTALL)

    shown = re.findall(r"^\| `(\S+)` \| ([\d.]+) \|", section, re.MULTILINE)

    assert {f"{name}>={lowest}" for name, lowest in shown} == {*re.findall(r'"(.+?)"', declared)}


def test_readme_names_every_airflow_of_matrix() -> None:
    text = " ".join(README.read_text(encoding="utf-8").split())
    (named,) = re.findall(r"beside Airflow (.+?), on Python", text)

    assert set(re.split(r", | and ", named)) == {cell.airflow for cell in CELLS if not cell.lowest}
    assert {cell.python for cell in CELLS} == {"3.10", "3.11", "3.12", "3.13"}
