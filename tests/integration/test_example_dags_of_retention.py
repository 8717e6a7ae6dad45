"""The example DAGs that prune and promote images do what their docstrings say."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_modelarts.simulator import Simulator
from tests.pages import ROOT
from tests.recorder import TaskInstance, context
from tests.snapshots import DAY, active, snapshot
from tests.test_pages import dags_of

pytestmark = pytest.mark.usefixtures("connection")


def example(name: str, monkeypatch: pytest.MonkeyPatch) -> DAG:
    """Return the DAG of a file."""
    code = (ROOT / "example_dags" / f"{name}.py").read_text(encoding="utf-8")
    return dags_of(code, monkeypatch)[name]


def run(task: Any) -> Any:
    """Run a task whose template of the namespace is rendered."""
    task.namespace = "team"
    return task.execute(context(TaskInstance()))


def snapshots(simulator: Simulator, count: int) -> list[str]:
    return [snapshot(simulator, f"v{n}", age=(2 + n) * DAY) for n in range(count)]


def test_prune_images_reports_only(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = snapshots(simulator, 100)

    result = run(example("prune_images", monkeypatch).task_dict["prune"])

    assert result["mode"] == "report"
    assert len(result["deleted"]) > 80
    assert set(ids) <= active(simulator)


def test_prune_after_approval_deletes_what_was_reported(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("airflow.providers.standard.operators.hitl")
    ids = snapshots(simulator, 40)
    tasks: Any = example("prune_after_approval", monkeypatch).task_dict

    report = run(tasks["report"])
    before = active(simulator)
    result = run(tasks["delete"])

    assert set(ids) <= before
    assert result["deleted"] == report["deleted"] != []
    assert tasks["delete"].upstream_task_ids == {"ask"}
    assert tasks["ask"].upstream_task_ids == {"is_anything_to_delete"}
    assert tasks["is_anything_to_delete"].python_callable(report)
    assert not tasks["is_anything_to_delete"].python_callable({"deleted": []})


def test_prune_after_approval_asks_with_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("airflow.providers.standard.operators.hitl")
    ask: Any = example("prune_after_approval", monkeypatch).task_dict["ask"]
    deleted = [{"swr_path": "swr/team/research:v1", "created_at": "2026-01-01"}]

    class Report(TaskInstance):
        def xcom_pull(self, _: str) -> Any:
            return {"deleted": deleted}

    rendered = [ask.render_template(text, context(Report())) for text in (ask.subject, ask.body)]

    assert rendered == [
        "Delete 1 snapshots for good?",
        "- swr/team/research:v1, created 2026-01-01\n",
    ]


def test_promote_checked_image_tags_only_after_the_check(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks: Any = example("promote_checked_image", monkeypatch).task_dict
    image_id = snapshot(simulator, "v1", age=DAY)
    (path,) = [image["swr_path"] for image in simulator.images if image["id"] == image_id]
    result = {"image_id": image_id, "swr_path": path}

    with pytest.raises(ValueError, match="no address"):
        tasks["check"].python_callable({**result, "swr_path": None})
    tasks["check"].python_callable(result)
    tasks["promote"].image_id = result
    tasks["promote"].execute(context(TaskInstance()))

    assert tasks["promote"].upstream_task_ids == {"save", "check"}
    assert simulator.registry.digest(path.replace(":v1", ":stable")) == simulator.registry.digest(path)
