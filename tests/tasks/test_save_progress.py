"""The progress of a save in an event that another version of this provider may have written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_modelarts.exceptions import ModelArtsError
from airflow_provider_modelarts.simulator import Simulator
from airflow_provider_modelarts.tasks.save_progress import SaveProgress
from tests.operators.saves import operator
from tests.recorder import TaskInstance, context

IMAGE = {"image_id": "an-image", "swr_path": "registry/team/research:nightly", "status": "ACTIVE"}


def test_progress_reads_what_it_passed_through() -> None:
    progress = SaveProgress({"adopted": False}, True, 7.5, {**IMAGE}, 3)
    event = json.loads(json.dumps({"passthrough": progress.passthrough()}))
    assert SaveProgress.read(event) == progress


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        ("text", SaveProgress()),
        ({"image": "text", "accepted_at": "yesterday", "waited": [1], "new": 1}, SaveProgress()),
        ({"image": {}}, SaveProgress()),
        ({"image": {"image_id": 7}}, SaveProgress()),
        ({"image": {"image_id": "x"}}, SaveProgress(image={"image_id": "x", "swr_path": None})),
    ],
    ids=str,
)
def test_progress_leaves_out_what_it_cannot_read(stored: Any, read: SaveProgress) -> None:
    assert SaveProgress.read({"passthrough": {"progress": stored}}) == read


@pytest.mark.parametrize(
    "passthrough", [None, {}, {"progress": {"image": "text", "accepted_at": "now"}}], ids=str
)
def test_operator_ends_with_event_of_another_version(
    passthrough: Any, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(simulator.connection))
    event = {"status": "success", "image": IMAGE, "seen_at": 5.0, "passthrough": passthrough}
    task = operator(simulator, wait_for_completion=True)
    assert task.execute_complete(context(TaskInstance()), event=event) == IMAGE


def test_operator_names_event_of_notebook_without_image(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(simulator.connection))
    event = {
        "status": "success",
        "notebook": {"id": simulator.notebook_id, "status": "RUNNING"},
        "passthrough": {"progress": {"image": {}}},
    }
    with pytest.raises(ModelArtsError, match="event cannot be read"):
        operator(simulator).execute_complete(context(TaskInstance()), event=event)
