"""Runs a DAG of tests/dags through Airflow's own dag.test(), in this process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Run:
    """What a task left behind."""

    state: str
    xcom: dict[str, Any]


def migrate() -> None:
    """Make Airflow's database."""
    from airflow.utils.db import initdb

    initdb()


def run(dag_id: str, **conf: str) -> Run:
    """Run the DAG's only task to its end, waits and all."""
    from airflow.dag_processing.dagbag import DagBag
    from airflow.models.xcom import XComModel
    from airflow.sdk.definitions._internal.dag_parsing_context import _airflow_parsing_context_manager
    from airflow.utils.session import create_session

    with _airflow_parsing_context_manager(dag_id=dag_id):
        bag = DagBag(dag_folder=Path(__file__).parent / "dags" / "modes.py")
        assert not bag.import_errors
        dag_run = bag.dags[dag_id].test(run_conf=conf)
    with create_session() as session:
        rows = session.query(XComModel).filter_by(dag_id=dag_id, run_id=dag_run.run_id, task_id="task")
        xcom = {row.key: XComModel.deserialize_value(row) for row in rows}
    return Run(str(dag_run.get_task_instance("task").state), xcom)
