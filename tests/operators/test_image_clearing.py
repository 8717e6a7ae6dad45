"""``on_clear`` of the operator, without a scheduler."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_modelarts.client.marker import IdempotencyKey
from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.simulator import AtOnce, Simulator
from tests.recorder import TaskInstance, TaskStateStore, context

pytestmark = [
    pytest.mark.usefixtures("connection"),
    pytest.mark.parametrize("simulator", [AtOnce()], indirect=True, ids=["saved at once"]),
]


def execute(simulator: Simulator, try_number: int, max_tries: int, **given: Any) -> dict[str, Any]:
    map_index = given.pop("map_index", -1)
    ti = TaskInstance(try_number=try_number, max_tries=max_tries, map_index=map_index)
    stored = {"task_state_store": given.pop("store")} if "store" in given else {}
    arguments = {"task_id": "save", "name": "research", "namespace": "team", **given}
    return CreateNotebookImageOperator(notebook_id=simulator.notebook_id, **arguments).execute(
        context(ti, **stored)
    )


@pytest.mark.parametrize("store", ["none", "kept", "discarded"])
@pytest.mark.parametrize("tag", [None, "nightly"])
@pytest.mark.parametrize(
    ("on_clear", "saves"), [({}, 1), ({"on_clear": "adopt"}, 1), ({"on_clear": "save_again"}, 3)], ids=str
)
def test_operator_creates_one_image_per_run_or_per_clear(
    on_clear: dict[str, Any], saves: int, tag: str | None, store: str, simulator: Simulator
) -> None:
    """Whether or not a clear discards the task state."""
    task_state = TaskStateStore()
    results = []
    for tries, max_tries in (((1, 2), 1), ((3, 4), 3), ((5, 6), 5)):
        if store == "discarded":
            task_state = TaskStateStore()
        stored = {} if store == "none" else {"store": task_state}
        results += [execute(simulator, n, max_tries, tag=tag, **on_clear, **stored) for n in tries]

    assert simulator.saves == len({result["image_id"] for result in results}) == saves
    assert [result["adopted"] for result in results[1::2]] == [True] * 3
    assert [result["adopted"] for result in results[::2]] == [False, *[saves == 1] * 2]


def test_operator_not_cleared_uses_first_try_settings(simulator: Simulator) -> None:
    """Also when ``retries`` was changed in the file since: the stored value counts."""
    first = execute(simulator, 1, 3, on_clear="save_again", tag="nightly", retries=3)

    again = [execute(simulator, n, 3, on_clear="save_again", tag="nightly", retries=n) for n in (2, 3, 4)]

    assert first["tag"] == "nightly"
    assert {result["image_id"] for result in again} == {first["image_id"]}
    assert simulator.saves == 1


def test_operator_counts_clears_of_each_mapped_task(simulator: Simulator) -> None:
    for map_index in (0, 1):
        execute(simulator, 1, 0, on_clear="save_again", map_index=map_index)

    execute(simulator, 2, 1, on_clear="save_again", map_index=1)

    keys = [
        IdempotencyKey("dag", "task", "nightly", index, tries) for index, tries in ((0, 0), (1, 0), (1, 1))
    ]
    assert [image["tag"] for image in simulator.images] == [
        key.default_tag(simulator.notebook_id) for key in keys
    ]


def test_operator_writes_documented_marker(simulator: Simulator) -> None:
    execute(simulator, 1, 0, description="after the course")

    marker = IdempotencyKey("dag", "task", "nightly", -1).marker(simulator.notebook_id)
    assert simulator.images[0]["description"] == f"after the course {marker}"
