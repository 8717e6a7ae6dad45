"""The tables that the site's page of errors is made with."""

from __future__ import annotations

import importlib.util
import re
from types import ModuleType

import pytest

from airflow_provider_modelarts import exceptions
from airflow_provider_modelarts.client.error_codes import ERROR_CODES
from airflow_provider_modelarts.exceptions import PERMANENT, ModelArtsError
from tests.pages import ROOT, pages


@pytest.fixture(scope="module")
def error_tables() -> ModuleType:
    """The module that MkDocs loads by its path."""
    path = ROOT / "docs" / "hooks" / "error_tables.py"
    spec = importlib.util.spec_from_file_location("error_tables", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows(table: str) -> list[list[str]]:
    """Return the cells of a table in Markdown, without its head."""
    return [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines()[2:]]


def test_error_tables_have_their_places_on_the_page(error_tables: ModuleType) -> None:
    places = re.findall(r"^<!-- table: (\w+) -->$", pages()["docs/errors.md"], re.MULTILINE)

    assert places == list(error_tables.tables())


def test_error_tables_list_every_code_with_its_statuses_in_order(error_tables: ModuleType) -> None:
    found = rows(error_tables.codes_table())

    listed = {
        (int(status), code.strip(" `")) for code, statuses, *_ in found for status in statuses.split(", ")
    }
    assert listed == set(ERROR_CODES)
    assert [row[0] for row in found] == sorted(row[0] for row in found)
    assert {len(row) for row in found} == {5}


def test_error_tables_list_every_class_from_a_to_z(error_tables: ModuleType) -> None:
    public = {
        name
        for name, value in vars(exceptions).items()
        if isinstance(value, type) and issubclass(value, ModelArtsError) and value is not ModelArtsError
    }
    found = {
        row[0].strip(" `"): [cell.strip() for cell in row[1:]] for row in rows(error_tables.classes_table())
    }

    assert list(found) == sorted(public)
    assert {name for name, row in found.items() if row[2] == "is not retried"} == {
        e.__name__ for e in PERMANENT
    }
