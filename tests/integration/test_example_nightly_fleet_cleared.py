"""The summary of the example DAG nightly_fleet in a run that was cleared, and lists fewer notebooks then."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from tests.airflow_versions import DagBag
from tests.integration.test_example_nightly_fleet import FILE

SAVE, WAIT = "snapshot.save", "snapshot.wait"
X = {"notebook_id": "n-x", "name": "x"}
IMAGE_OF_X, OLD_IMAGE_OF_X, IMAGE_OF_Y = (
    {"notebook_id": notebook_id, "swr_path": f"r/o/{tag}"}
    for notebook_id, tag in (("n-x", "x:2"), ("n-x", "x:1"), ("n-y", "y:1"))
)


class StoredXComs:
    """
    The XComs of a run, as Airflow stores them: those of the instances that a clear removes remain.

    :param has_gaps: whether an instance without a value is left out, as Airflow 2 does, or is None.
    """

    def __init__(self, rows: dict[tuple[str, str, int], Any], *, has_gaps: bool) -> None:
        self._rows = rows
        self._has_gaps = has_gaps
        self.summary: list[str] = []

    def xcom_pull(self, *, task_ids: Any, key: str, map_indexes: Any = None) -> list[Any]:
        indexes = range(100) if map_indexes is None else map_indexes
        found = [self._rows.get((task_id, key, index)) for task_id in task_ids for index in indexes]
        return (
            found if map_indexes and not self._has_gaps else [value for value in found if value is not None]
        )

    def xcom_push(self, key: str, value: list[str]) -> None:
        assert key == "summary"
        self.summary = value


@pytest.mark.parametrize("has_gaps", [True, False], ids=["gaps", "nones"])
@pytest.mark.parametrize(
    ("rows", "line", "fails"),
    [
        pytest.param(
            {
                (SAVE, "return_value", 0): IMAGE_OF_X,
                (SAVE, "return_value", 1): IMAGE_OF_Y,
                (SAVE, "error", 2): [2, "no right"],
            },
            "saved as r/o/x:2",
            False,
            id="the notebook that failed is saved now",
        ),
        pytest.param(
            {(SAVE, "skip", 0): [0, "it is stopped"], (WAIT, "error", 0): [0, "it is ERROR"]},
            "skipped: it is stopped",
            False,
            id="an error of the wait for another notebook",
        ),
        pytest.param(
            {(SAVE, "error", 0): [0, "no quota"], (WAIT, "error", 0): [0, "it is ERROR"]},
            "FAILED: no quota",
            True,
            id="another error of the wait for another notebook",
        ),
        pytest.param(
            {(SAVE, "return_value", 3): OLD_IMAGE_OF_X},
            "FAILED: no result, see the log of the task",
            True,
            id="an image of the run before",
        ),
    ],
)
def test_summary_of_cleared_run_ignores_instances_that_were_removed(
    rows: dict[tuple[str, str, int], Any], line: str, fails: bool, has_gaps: bool
) -> None:
    ti = StoredXComs(rows, has_gaps=has_gaps)
    task: Any = DagBag(dag_folder=FILE).dags["nightly_fleet"].task_dict["summarize"]
    if fails:
        with pytest.raises(AirflowFailException, match="1 of 1 notebooks failed"):
            task.python_callable([X], ti=ti)
    else:
        task.python_callable([X], ti=ti)
    assert ti.summary == [f"x (n-x): {line}"]
