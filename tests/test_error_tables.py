"""The tables of docs/errors.md."""

from __future__ import annotations

import re

from airflow_provider_modelarts import exceptions
from airflow_provider_modelarts.client.error_codes import ERROR_CODES
from airflow_provider_modelarts.exceptions import PERMANENT, ModelArtsError
from tests import error_tables
from tests.reliability.document import recorded


def rows(table: str) -> list[list[str]]:
    """Return the cells of a table in Markdown, without its head."""
    return [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines()[2:]]


def test_error_tables_on_page_are_up_to_date() -> None:
    """Readers of a checkout search the page itself: bash run.sh docs --record."""
    made = error_tables.tables()

    assert {name: recorded(name, error_tables.PAGE) for name in made} == made


def test_error_tables_list_every_code_with_its_statuses_in_order() -> None:
    found = rows(error_tables.codes_table())

    listed = {
        (int(status), code.strip(" `")) for code, statuses, *_ in found for status in statuses.split(", ")
    }
    assert listed == set(ERROR_CODES)
    assert [row[0] for row in found] == sorted(row[0] for row in found)
    assert {len(row) for row in found} == {5}


def test_error_tables_list_every_class_from_a_to_z() -> None:
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
