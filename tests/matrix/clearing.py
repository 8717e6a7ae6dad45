"""
Clears a save with Airflow's own clear; each cell of the matrix runs this in its own venv.

Airflow 3.4 discards the task state of a cleared task by default; earlier versions keep it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest.mock import patch

from airflow_provider_modelarts.simulator import AtOnce, Simulator

DAGS = Path(__file__).resolve().parents[1] / "dags" / "clears"
NOTEBOOKS = ("6fa459ea-ee8a-3ca4-894e-db77e160355e", "16fd2706-8baf-433b-82eb-8c7fada847da")
DATE = datetime(2026, 11, 21, 2, tzinfo=timezone.utc)
CLEARS = 2

# DAG: images after the run and two clears, and their tags where those are not derived. With a retry in each
# the run is tries 1 and 2 and the clears are 3 and 4, 5 and 6: max_tries is 1, 3, 5.
WANTED: dict[str, tuple[int, set[str]]] = {
    "adopt": (1, set()),
    "adopt_tagged": (1, {"adopted"}),
    "save_again": (3, set()),
    "save_again_tagged": (3, {"nightly", "nightly-3", "nightly-5"}),
    "save_again_without_retries": (3, {"once", "once-1", "once-2"}),
    "save_again_after_failure": (3, {"late", "late-3", "late-4"}),
    "save_again_while_deferred": (3, {"deferred", "deferred-1", "deferred-2"}),
    "save_again_mapped": (6, set()),
}


def main() -> None:
    """Migrate a fresh database, and run and clear each DAG."""
    with tempfile.TemporaryDirectory(prefix="airflow-matrix-") as home, Simulator(save=AtOnce()) as cloud:
        configure(Path(home), cloud)
        subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True)
        if _airflow_version().startswith("3.0."):
            # A clear counts the retries of the stored DAG, and dag.test() stores it only from 3.1 on.
            subprocess.run([sys.executable, "-m", "airflow", "dags", "reserialize"], check=True)
        for dag_id in WANTED:
            for keep in (False, True) if discards_state() else (True,):
                print(run_and_clear(dag_id, cloud, keep_task_state=keep))


def configure(home: Path, cloud: Simulator) -> None:
    """Set the environment that Airflow reads when it is first imported, which must not have happened yet."""
    os.environ.update(
        {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW_CONN_MODELARTS_DEFAULT": json.dumps(cloud.connection),
            "CLEARED_NOTEBOOKS": ",".join(NOTEBOOKS),
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }
    )


def discards_state() -> bool:
    """Whether this Airflow discards what a task remembers when it is cleared."""
    return _state_discarder() is not None


def run_and_clear(dag_id: str, cloud: Simulator, *, keep_task_state: bool) -> str:
    """Run a DAG, clear it twice and run it each time; raise if it left other images than it should."""
    cloud.reset()
    for notebook_id in NOTEBOOKS:
        cloud.add_notebook(notebook_id)
    dag = load_dags().DAGS[dag_id]
    for clear in range(1 + CLEARS):
        if clear and dag_id == "save_again_while_deferred":
            _set_state(dag, "deferred")
        run = clear_and_run(dag, keep_task_state=keep_task_state) if clear else run_dag(dag)
        failed = dag_id == "save_again_after_failure" and not clear
        expect(f"state of {dag_id} after {clear} clears", str(run.state), "failed" if failed else "success")
    images, tags = WANTED[dag_id]
    found = {image["tag"] for image in cloud.images}
    expect(f"images of {dag_id}", (cloud.saves, len(found)), (images, images))
    if tags:
        expect(f"tags of {dag_id}", found, tags)
    lists = sum(entry.operation == "ListImages" for entry in cloud.journal)
    if dag_id == "adopt" and _has_state():
        expect("lists where the image's id is remembered", lists, 0 if keep_task_state else CLEARS)
    state = "kept" if keep_task_state else "discarded"
    return f"{dag_id}, task state {state}: {images} images, {lists} lists, {sorted(found)}"


def run_dag(dag: Any) -> Any:
    """Run a DAG through ``dag.test()``, for always the same date."""
    return dag.test(**{"execution_date" if _is_airflow_2() else "logical_date": DATE})


def clear_and_run(dag: Any, *, keep_task_state: bool = True) -> Any:
    """Clear the run as Airflow does, and run it again: ``dag.test()`` clears, but deletes the run then."""
    if not keep_task_state:
        _discard_state(dag)
    with _runs_survive():
        return run_dag(dag)


def load_dags() -> Any:
    """Import all DAGs, although Airflow 3.2 leaves a variable behind that wants only the last one."""
    os.environ.pop("_AIRFLOW_PARSING_CONTEXT_DAG_ID", None)
    spec = importlib.util.spec_from_file_location("clearing_dags", DAGS / "clearing.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(f"there are no DAGs in {DAGS}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def expect(what: str, found: object, wanted: object) -> None:
    """Raise if something is not as it should be."""
    if found != wanted:
        raise SystemExit(f"{what}: expected {wanted!r}, found {found!r}")


def _airflow_version() -> str:
    return version("apache-airflow")


def _is_airflow_2() -> bool:
    return _airflow_version().startswith("2.")


@contextmanager
def _runs_survive() -> Iterator[None]:
    """Let ``dag.test()`` go on with the run that it has just cleared."""
    from airflow.models import dag, dagrun
    from airflow.models.dagrun import DagRun
    from airflow.utils.state import DagRunState

    def cleared_run(*, dag: Any, session: Any, **_: Any) -> Any:
        run = session.query(DagRun).filter_by(dag_id=dag.dag_id).one()
        run.dag = dag
        run.state = DagRunState.RUNNING
        session.commit()
        return run

    # Airflow 3.1 renamed it.
    name = "get_or_create_dagrun" if hasattr(dagrun, "get_or_create_dagrun") else "_get_or_create_dagrun"
    with patch.object(dag if name.startswith("_") else dagrun, name, cleared_run):
        yield


def _set_state(dag: Any, state: str) -> None:
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    with create_session() as session:
        for task in session.query(TaskInstance).filter_by(dag_id=dag.dag_id):
            task.state = state


def _has_state() -> bool:
    """Whether tasks of this Airflow remember anything: those of 3.3 and later."""
    return importlib.util.find_spec("airflow.models.task_state_store") is not None


def _state_discarder() -> Any:
    try:
        from airflow.api_fastapi.core_api.services.public import task_instances
    except ImportError:
        return None
    return getattr(task_instances, "_discard_task_state_store", None)


def _discard_state(dag: Any) -> None:
    """Do what the API of Airflow 3.4 does when tasks are cleared."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    with create_session() as session:
        tasks = session.query(TaskInstance).filter_by(dag_id=dag.dag_id).all()
        _state_discarder()(tasks, session, event="Discarded task state on clear")


if __name__ == "__main__":
    main()
