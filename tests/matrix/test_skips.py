"""The list of what cells of the matrix skip."""

from __future__ import annotations

import pytest

from tests.matrix.cells import CELLS
from tests.matrix.skips import Skip, listed

NODE = "tests/hooks/test_x.py::test_it[a-b]"


@pytest.mark.parametrize(
    ("where", "airflow", "python", "applies"),
    [
        ("everywhere", "3.3.2", "3.12.1", True),
        ("airflow<3", "2.11.2", "3.12.1", True),
        ("airflow<3", "3.0.6", "3.12.1", False),
        ("airflow>=3.3", "3.4.0b2", "3.12.1", True),
        ("airflow>=3,airflow<3.1", "3.0.6", "3.12.1", True),
        ("airflow>=3,airflow<3.1", "2.11.2", "3.12.1", False),
        ("airflow<3,python<3.11", "2.11.2", "3.10.13", True),
        ("airflow<3,python<3.11", "2.11.2", "3.11.7", False),
    ],
)
def test_skip_applies_where_all_conditions_hold(where: str, airflow: str, python: str, applies: bool) -> None:
    assert Skip("t", where, "r").applies(airflow, python) is applies


@pytest.mark.parametrize("where", ["", "airflow", "airflow<", "pydantic<3", "airflow<3 ,python<3.11"])
def test_skip_refuses_condition_that_it_cannot_read(where: str) -> None:
    with pytest.raises(ValueError, match="is not a condition"):
        Skip("t", where, "r").applies("3.3.2", "3.12")


@pytest.mark.parametrize(
    ("test", "covers"),
    [
        (NODE, True),
        ("tests/hooks/test_x.py::test_it[*]", True),
        ("tests/hooks/test_x.py::*", True),
        ("tests/hooks/test_x.py", False),  # a file is skipped before it is imported
        ("tests/hooks/test_x.py::test_it[ab]", False),
        ("tests/hooks/test_x.py::test_it", False),
    ],
)
def test_skip_covers_literal_node_ids_and_asterisks(test: str, covers: bool) -> None:
    assert Skip(test, "everywhere", "r").covers(NODE) is covers


@pytest.mark.parametrize("skip", listed(), ids=lambda skip: skip.test)
def test_listed_skip_has_reason_and_applies_in_some_cell(skip: Skip) -> None:
    assert skip.reason.strip()
    assert any(skip.applies(cell.airflow, cell.python) for cell in CELLS)
