"""Runs a DAG of tests/dags through Airflow's own dag.test(), in this process."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch


@dataclass(frozen=True)
class Run:
    """What a task left behind."""

    state: str
    xcom: dict[str, Any]


@cache
def migrate() -> None:
    """Make Airflow's database, once in this process."""
    from airflow.utils.db import initdb

    initdb()


def run_dag(file: str, dag_id: str, *, change: Callable[[Any], None] = lambda _: None, **conf: Any) -> Any:
    """
    Run one DAG of a file to its end, waits and all, and return Airflow's run of it.

    :param change: called with the DAG before it runs.
    """
    from tests.airflow_versions import PARSED_DAG, DagBag

    # Each run stores all DAGs of the folder: a file may make only the one that is wanted.
    with patch.dict(os.environ, {PARSED_DAG: dag_id}):
        bag = DagBag(dag_folder=Path(__file__).parent / "dags" / file)
        assert not bag.import_errors
        change(bag.dags[dag_id])
        return bag.dags[dag_id].test(run_conf=conf)


def run(dag_id: str, **conf: Any) -> Run:
    """Run a DAG of modes.py, and return what its only task left behind."""
    from airflow.utils.session import create_session

    from tests.airflow_versions import XComModel, xcom_value

    dag_run = run_dag("modes.py", dag_id, **conf)
    with create_session() as session:
        rows = session.query(XComModel).filter_by(dag_id=dag_id, run_id=dag_run.run_id, task_id="task")
        xcom = {row.key: xcom_value(row) for row in rows}
    return Run(str(dag_run.get_task_instance("task").state), xcom)
