"""The operator that prunes images: its arguments, its result, its log and how it fails."""

from __future__ import annotations

import logging
from datetime import timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException

from airflow_provider_modelarts.exceptions import ModelArtsError, PruneIncompleteError, ServerError
from airflow_provider_modelarts.operators.retention import PruneNotebookImagesOperator
from airflow_provider_modelarts.simulator import Fault, Simulator
from airflow_provider_modelarts.tasks import retention
from airflow_provider_modelarts.tasks.retention import prune_rules
from tests.fast_forward import FastForward
from tests.recorder import TaskInstance, TaskStateStore, context
from tests.snapshots import DAY, NOTEBOOK, active, daily, snapshot

pytestmark = pytest.mark.usefixtures("connection")


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads are retried for two minutes."""
    FastForward(monkeypatch)


def task(**given: Any) -> PruneNotebookImagesOperator:
    return PruneNotebookImagesOperator(task_id="prune", **{"all_of_project": True, "keep_last": 1, **given})


def execute(ti: TaskInstance | None = None, store: TaskStateStore | None = None, **given: Any) -> Any:
    kept = {"task_state_store": store} if store else {}
    return task(**given).execute(context(ti or TaskInstance(), **kept))


def sent(simulator: Simulator) -> list[str]:
    return [entry.operation for entry in simulator.journal if entry.method != "GET"]


def image_ids(result: dict[str, Any], kind: str) -> list[str]:
    return [image["image_id"] for image in result[kind]]


@pytest.mark.parametrize(
    "given",
    [
        {"all_of_project": False},
        {"all_of_project": False, "namespace": ""},
        {"all_of_project": False, "namespace": "team", "name": "None"},
        {"all_of_project": False, "namespace": "team", "notebook_ids": [""]},
        {"all_of_project": False, "namespace": "team", "notebook_ids": ""},
        {"all_of_project": False, "namespace": "team", "notebook_ids": []},
        {"all_of_project": False, "name": "*"},
        {"all_of_project": True, "name": "research"},
        {"workspace_id": ""},
        {"keep_last": None},
        {"keep_last": 0},
        {"keep_last": "3"},
        {"keep_daily": True},
        {"keep_within": ""},
        {"keep_within": "30"},
        {"keep_within": timedelta(0)},
        {"keep_tags": "stable"},
        {"keep_tags": [""]},
        {"protect": ["None"]},
        {"timezone": "Mars/Olympus"},
        {"timezone": ""},
        {"timezone": "../etc/passwd"},
        {"min_age": "5m"},
        {"min_age": 3600},
        {"min_age": timedelta(0)},
        {"max_deletions": 0},
        {"mode": "purge"},
        {"include_unmarked": "false"},
        {"own_notebooks_only": "false"},
        {"modelarts_conn_id": ""},
    ],
    ids=str,
)
def test_prune_refuses_arguments_before_anything_is_sent(simulator: Simulator, given: dict[str, Any]) -> None:
    daily(simulator, 3)
    with pytest.raises(AirflowFailException):
        execute(mode=given.pop("mode", "delete"), **given)
    assert simulator.journal == ()


def test_prune_result_is_documented_one(simulator: Simulator) -> None:
    newest, old = daily(simulator, 2)
    ti = TaskInstance()

    result = execute(ti, mode="delete")

    assert list(result) == [
        *("mode", "kept", "deleted", "skipped", "failed", "freed_bytes", "notebooks_seen"),
    ]
    assert (result["mode"], result["skipped"], result["failed"]) == ("delete", [], [])
    assert (image_ids(result, "kept"), image_ids(result, "deleted")) == ([newest], [old])
    assert list(result["deleted"][0]) == ["image_id", "swr_path", "tag", "created_at", "reasons"]
    assert result["freed_bytes"] > 0
    assert result["notebooks_seen"] == 1
    assert ti.xcom == {}


def test_prune_reports_by_default(simulator: Simulator) -> None:
    _, old = daily(simulator, 2)

    result = execute()

    assert (result["mode"], image_ids(result, "deleted")) == ("report", [old])
    assert sent(simulator) == []


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"namespace": "te*"}, ["b1"]),
        ({"name": "research"}, ["b1"]),
        ({"notebook_ids": [NOTEBOOK]}, ["b1"]),
        ({"namespace": "team", "name": "oth*"}, ["a1"]),
        ({"namespace": "nobody"}, ["a1", "b1"]),
    ],
    ids=str,
)
def test_prune_stays_in_its_scope(simulator: Simulator, given: dict[str, Any], kept: list[str]) -> None:
    other = "99999999-2222-4333-8444-555555555555"
    for n in range(2):
        snapshot(simulator, f"a{n}", age=(2 + n) * DAY)
        path = {"name": "other", "namespace": "team" if "name" in given else "tools", "notebook_id": other}
        snapshot(simulator, f"b{n}", age=(2 + n) * DAY, **path)

    execute(all_of_project=False, mode="delete", **given)

    left = {image["tag"] for image in simulator.images if image["status"] == "ACTIVE"}
    assert sorted(left - {"a0", "b0"}) == kept


@pytest.mark.parametrize(("given", "workspace"), [({}, "0"), ({"workspace_id": "w1"}, "w1")])
def test_prune_reads_images_of_one_workspace(
    simulator: Simulator, given: dict[str, Any], workspace: str
) -> None:
    for found in ("0", "w1"):
        for n in range(2):
            snapshot(simulator, f"{found}-{n}", age=(2 + n) * DAY, workspace_id=found)

    result = execute(mode="delete", **given)

    assert [image["tag"] for image in result["deleted"]] == [f"{workspace}-1"]


def test_prune_pushes_its_result_before_it_fails(simulator: Simulator) -> None:
    _, *old = daily(simulator, 3)
    simulator.inject(Fault("error", "DeleteImage"))
    ti = TaskInstance()

    with pytest.raises(PruneIncompleteError, match="1 images could not be removed, 1 were"):
        execute(ti, mode="delete")

    result = ti.xcom["return_value"]
    assert (image_ids(result, "failed"), image_ids(result, "deleted")) == ([old[1]], [old[0]])


def test_prune_retry_goes_on_where_the_last_try_failed(simulator: Simulator) -> None:
    newest, *old = daily(simulator, 4)
    store = TaskStateStore()
    simulator.inject(Fault("error", "DeleteImage", skip=1))
    with pytest.raises(PruneIncompleteError):
        execute(store=store, mode="delete")

    result = execute(TaskInstance(try_number=2), store, mode="delete")

    assert set(image_ids(result, "deleted")) == set(old)
    assert active(simulator) == {newest}
    assert store.kept == {"planned_deletions": []}


def test_prune_fails_without_retry_if_permission_is_missing(simulator: Simulator) -> None:
    daily(simulator, 3)
    simulator.revoke("modelarts:image:delete")
    ti = TaskInstance()

    with pytest.raises(AirflowFailException, match="modelarts:image:delete"):
        execute(ti, mode="delete")

    assert len(ti.xcom["return_value"]["failed"]) == 2


def test_prune_names_permission_and_way_out_if_notebooks_cannot_be_listed(simulator: Simulator) -> None:
    daily(simulator, 3)
    simulator.revoke("modelarts:notebook:listAllNotebooks")
    with pytest.raises(AirflowFailException, match=r"listAllNotebooks.*own_notebooks_only=True"):
        execute(mode="unregister")
    assert sent(simulator) == []


def test_prune_failing_list_is_retried(simulator: Simulator) -> None:
    daily(simulator, 3)
    simulator.inject(Fault("error", "ListAllNotebooks", status=409, times=None))
    with pytest.raises(ModelArtsError, match="own_notebooks_only=True"):
        execute(mode="delete")
    assert sent(simulator) == []


def test_prune_first_log_line_says_what_is_not_asked(
    simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    daily(simulator, 2)
    with caplog.at_level(logging.INFO, "airflow_provider_modelarts"):
        execute(mode="delete")

    ours = [record for record in caplog.records if record.name.startswith("airflow_provider_modelarts")]
    assert "Training jobs, services" in ours[0].getMessage()


def test_prune_logs_a_table(simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    newest, old = daily(simulator, 2)
    with caplog.at_level(logging.INFO, "airflow_provider_modelarts"):
        execute()

    lines = [line for line in caplog.messages if newest in line or old in line]
    assert [line.split("  ")[0].strip() for line in lines] == ["kept", "would be deleted"]
    assert {line.index("team/research:v") for line in lines} == {lines[0].index("team/research:v")}
    assert lines[1].endswith("no rule keeps it")
    assert any(line.startswith("Prune (report): 1 kept, 1 would be deleted") for line in caplog.messages)


def test_prune_log_of_many_images_is_short(
    simulator: Simulator, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "MAX_ROWS", 2)
    daily(simulator, 8)
    with caplog.at_level(logging.INFO, "airflow_provider_modelarts"):
        execute(max_deletions=5)
    assert "would be deleted: 3 more are in the result" in caplog.messages
    assert sum("team/research:v" in line for line in caplog.messages) == 5


@pytest.mark.parametrize(
    ("given", "dag_zone", "expected"),
    [
        ({}, ZoneInfo("Europe/Berlin"), "Europe/Berlin"),
        ({"timezone": "Asia/Shanghai"}, ZoneInfo("Europe/Berlin"), "Asia/Shanghai"),
        ({}, None, "UTC"),
    ],
    ids=str,
)
def test_prune_uses_time_zone_of_dag(given: dict[str, Any], dag_zone: Any, expected: str) -> None:
    import pendulum

    operator = task(**given)
    if dag_zone is not None:
        start = pendulum.datetime(2026, 1, 1, tz=str(dag_zone))
        with DAG("d", start_date=start, schedule=None):
            operator = task(**given)

    zone = prune_rules(operator).zone

    assert (str(zone) if zone != timezone.utc else "UTC") == expected


def test_prune_templates_render_in_lists(simulator: Simulator) -> None:
    operator = task(all_of_project=False, notebook_ids=["{{ ti.run_id }}"], keep_tags=["{{ ti.run_id }}*"])
    operator.render_template_fields(context(TaskInstance(run_id=NOTEBOOK)))

    rules = prune_rules(operator)

    assert rules.scope.notebook_ids == frozenset({NOTEBOOK})
    assert rules.keep_tags == (f"{NOTEBOOK}*",)
    assert simulator.journal == ()


@pytest.mark.parametrize("failure", [None, RuntimeError("the API server is away")])
def test_prune_goes_on_if_plan_cannot_be_stored(
    simulator: Simulator, failure: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    newest, _ = daily(simulator, 2)

    execute(store=TaskStateStore(failure=failure), mode="delete")

    assert active(simulator) == {newest}
    assert ("cannot be stored" in caplog.text) is (failure is not None)


def test_prune_stores_plan_before_first_deletion(simulator: Simulator) -> None:
    _, old = daily(simulator, 2)
    seen: list[list[str]] = []

    class Store(TaskStateStore):
        def set(self, key: str, value: Any) -> None:
            seen.append(sent(simulator))
            super().set(key, value)

    store = Store()
    simulator.inject(Fault("error", "DeleteImage", times=None))
    with pytest.raises((PruneIncompleteError, ServerError)):
        execute(store=store, mode="delete")

    assert seen == [[]]
    (entry,) = store.kept["planned_deletions"]
    assert entry["image_id"] == old
    assert entry["digest"].startswith("sha256:")
