"""The tables of docs/permissions.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "permissions.md"
OF_RETENTION = re.compile(r"(?:Prune|Delete|Tag|Register)NotebookImages?Operator")
"""Rows that tests/integration/test_retention_permissions.py executes."""
ACTION = re.compile(r"`([a-z]+:\w+:\w+)`")


def tables() -> Iterator[list[list[str]]]:
    """Give the tables of the page as rows of cells, without their heads."""
    for block in re.findall(r"(?:^\|.*\n)+", PAGE.read_text(), re.MULTILINE):
        yield [[cell.strip() for cell in line.strip("| ").split("|")] for line in block.splitlines()[2:]]


TASKS, NEEDS = tables()
ROWS = {task.replace("`", ""): ACTION.findall(actions) for task, actions in TASKS}
IN_SWR = {ACTION.findall(action)[0]: ACTION.findall(needed) for action, needed, _ in NEEDS}


def granted(row: str) -> list[str]:
    """The actions that the page lists for a row."""
    return list(dict.fromkeys(action for own in ROWS[row] for action in (own, *IN_SWR[own])))
