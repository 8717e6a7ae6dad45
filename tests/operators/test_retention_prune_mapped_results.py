"""A mapped prune of which an argument is a result that is nothing."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException

from airflow_provider_modelarts.operators.retention import PruneNotebookImagesOperator
from airflow_provider_modelarts.simulator import Simulator
from tests.recorder import TaskInstance, context
from tests.snapshots import NOTEBOOK, active, daily

pytestmark = pytest.mark.usefixtures("connection")

GIVEN: dict[str, Any] = {"task_id": "prune", "name": "*r?search*", "keep_last": 1, "mode": "delete"}
VALUES: dict[str, Any] = {
    "namespace": "team",
    "notebook_ids": [NOTEBOOK],
    "workspace_id": "0",
    "keep_daily": 7,
    "keep_within": "30d",
    "keep_tags": ["stable"],
    "protect": ["team/research"],
    "timezone": "Europe/Berlin",
    "min_age": "1d",
}


def unmapped(way: str, argument: str, value: Any, **partial: Any) -> Any:
    """Return the operator that Airflow makes of a mapped one, as it does before it runs the task."""
    with DAG("prune", schedule=None):
        mapped: Any = PruneNotebookImagesOperator.partial(**{**GIVEN, **partial})
        given = VALUES[argument]
        if way == "expand":
            mapped = mapped.expand(**{argument: [given, value]})
        else:
            mapped = mapped.expand_kwargs([{argument: given}, {argument: value}])
    return mapped.unmap({argument: value})


@pytest.mark.parametrize("argument", VALUES)
@pytest.mark.parametrize("way", ["expand", "expand_kwargs"])
def test_mapped_prune_refuses_result_that_is_nothing(simulator: Simulator, way: str, argument: str) -> None:
    """Without the argument it would remove more: of all notebooks in place of those of one result."""
    daily(simulator, 3)
    task = unmapped(way, argument, None)

    with pytest.raises(AirflowFailException, match=argument):
        task.execute(context(TaskInstance(map_index=1)))

    assert simulator.journal == ()


@pytest.mark.parametrize("argument", VALUES)
def test_mapped_prune_accepts_none_beside_what_is_mapped(simulator: Simulator, argument: str) -> None:
    """``None`` in the DAG file is what its author means."""
    newest, *_ = daily(simulator, 3)
    optional = {"namespace", "notebook_ids", "workspace_id", "keep_daily", "keep_within", "timezone"}
    none = dict.fromkeys(optional - {argument})
    task = unmapped("expand", argument, VALUES[argument], **none)

    result = task.execute(context(TaskInstance(map_index=0)))

    assert newest in active(simulator)
    assert result["failed"] == []


def test_prune_accepts_explicit_none(simulator: Simulator) -> None:
    newest, *_ = daily(simulator, 3)
    none = dict.fromkeys(("namespace", "notebook_ids", "workspace_id", "keep_daily", "timezone"))

    PruneNotebookImagesOperator(**{**GIVEN, **none}).execute(context(TaskInstance()))

    assert active(simulator) == {newest}
