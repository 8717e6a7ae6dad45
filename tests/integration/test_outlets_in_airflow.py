"""
The asset events in Airflow's database.

A whole run, because only Airflow decides which of a task's events it keeps, and resolves aliases.
"""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_modelarts.simulator import AfterReads, Simulator
from tests import airflow_runs
from tests.fast_forward import FastForward

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module", autouse=True)
def _database() -> None:
    airflow_runs.migrate()


def stored_events(run_id: str, dag_id: str) -> list[tuple[str, dict[str, Any]]]:
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session

    with create_session() as session:
        rows = session.query(AssetEvent).filter_by(source_run_id=run_id, source_dag_id=dag_id)
        return sorted(((row.asset.uri, dict(row.extra)) for row in rows), key=str)


@pytest.mark.parametrize("simulator", [AfterReads(2)], indirect=True)
@pytest.mark.usefixtures("connection", "quick_polls")
def test_outlets_of_deferred_save_are_stored(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    FastForward(monkeypatch)

    run = airflow_runs.run_dag("outlets.py", "outlets", notebook_id=simulator.notebook_id)

    (image,) = simulator.images
    extra = {
        "image_id": image["id"],
        "swr_path": image["swr_path"],
        "tag": image["tag"],
        "notebook_id": simulator.notebook_id,
    }
    uri = "swr://swr.cn-north-4.myhuaweicloud.com/team/research"
    assert run.state == "success"
    # One for the outlet, and one through the alias.
    ours = [(uri, extra), (uri, extra)]
    assert stored_events(run.run_id, "outlets") == [("s3://bucket/key", {}), *ours]
