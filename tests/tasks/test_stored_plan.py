"""What a task stores for its next try, on Airflows with and without a task state store."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.providers.common.compat import sdk

from airflow_provider_modelarts.tasks import stored_plan
from airflow_provider_modelarts.tasks.stored_plan import StoredPlan
from tests.recorder import TaskInstance, TaskStateStore, context

ENTRIES = [{"image_id": "i", "swr_path": "r/team/research:v1", "digest": "sha256:1"}]


class Variables:
    """Airflow's Variables, which are JSON."""

    kept: dict[str, str]

    @classmethod
    def set(cls, key: str, value: Any, *, serialize_json: bool) -> None:
        assert serialize_json
        cls.kept[key] = json.dumps(value)

    @classmethod
    def get(cls, key: str, default: Any, *, deserialize_json: bool) -> Any:
        assert deserialize_json
        return json.loads(cls.kept[key]) if key in cls.kept else default

    @classmethod
    def delete(cls, key: str) -> None:
        del cls.kept[key]


@pytest.fixture(params=["store", "variable"])
def given(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the context has besides the task instance."""
    Variables.kept = {}
    monkeypatch.setattr(sdk, "Variable", Variables, raising=False)
    if request.param == "store":
        return {"task_state_store": TaskStateStore()}
    monkeypatch.setattr(stored_plan, "airflow_version", "3.2.2")
    return {}


def plan(given: dict[str, Any], try_number: int = 2, **ti: Any) -> StoredPlan:
    return StoredPlan(context(TaskInstance(try_number=try_number, **ti), **given))


def test_stored_plan_is_read_by_the_next_try(given: dict[str, Any]) -> None:
    plan(given, 1).save(ENTRIES)
    assert plan(given).load() == ENTRIES


def test_stored_plan_is_not_read_by_a_first_try(given: dict[str, Any]) -> None:
    plan(given, 1).save(ENTRIES)
    assert plan(given, 1).load() == []


@pytest.mark.parametrize("read_first", [True, False])
def test_stored_plan_is_empty_when_the_task_is_done(given: dict[str, Any], read_first: bool) -> None:
    stored = plan(given)
    stored.save(ENTRIES)
    if read_first:
        stored = plan(given)
        stored.load()
    stored.clear()
    assert plan(given).load() == []
    assert Variables.kept == {}


def test_stored_plan_clears_nothing_that_it_did_not_store(given: dict[str, Any]) -> None:
    plan(given).clear()
    store = given.get("task_state_store")
    assert store is None or store.kept == {}


def test_stored_plan_as_variable_is_that_of_one_task_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    Variables.kept = {}
    monkeypatch.setattr(sdk, "Variable", Variables, raising=False)
    monkeypatch.setattr(stored_plan, "airflow_version", "2.11.2")
    for ti in ({}, {"run_id": "other"}, {"map_index": 1}):
        plan({}, **ti).save(ENTRIES)
    assert len(Variables.kept) == 3
    assert all(len(key) <= 250 for key in Variables.kept)


@pytest.mark.parametrize("value", [None, "text", {"a": 1}, 7], ids=str)
def test_stored_plan_ignores_what_is_no_plan(value: Any) -> None:
    assert plan({"task_state_store": TaskStateStore(planned_deletions=value)}).load() == []


def test_stored_plan_is_no_variable_where_there_is_a_store(monkeypatch: pytest.MonkeyPatch) -> None:
    Variables.kept = {}
    monkeypatch.setattr(sdk, "Variable", Variables, raising=False)
    monkeypatch.setattr(stored_plan, "airflow_version", "3.3.0")
    plan({}).save(ENTRIES)
    assert Variables.kept == {}
