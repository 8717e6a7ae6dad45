"""DAGs of README, docs and examples do not get in the way of their own runs."""

from __future__ import annotations

import pytest

from tests.pages import ROOT, blocks
from tests.test_pages import dags_of

SAVES = "CreateNotebookImageOperator"
# DAGs whose runs may overlap, by their ids, each with the reason.
OVERLAPPING = {
    "snapshot_before_auto_stop": "it lists RUNNING notebooks only, and none is that while it is saved"
}
SOURCES = {
    **{
        str(block): block.code
        for block in blocks()
        if block.language == "python" and "with DAG(" in block.code
    },
    **{path.name: path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("example_dags/*.py"))},
}


@pytest.mark.parametrize("source", SOURCES)
def test_page_dag_that_saves_has_one_run_at_a_time(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A notebook that is being saved refuses another save.

    Two runs begin in the same second when a new DAG is triggered: that unpauses it, and Airflow starts the
    run that its schedule has missed.
    """
    dags = dags_of(SOURCES[source], monkeypatch)

    several = {
        dag_id
        for dag_id, dag in dags.items()
        if dag.max_active_runs != 1 and SAVES in {task.task_type for task in dag.tasks}
    }

    assert several <= OVERLAPPING.keys()
