"""Ways to save many notebooks in one run, and a DAG whose templates render to objects."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from airflow.providers.common.compat.sdk import DAG, Param, task, task_group
from airflow.sdk import get_parsing_context

from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.sensors.image import NotebookImageSensor

PARAMS = {
    "notebook_ids": Param([], type="array"),
    "notebook_id": Param("", type="string"),
    "tag": Param("nightly", type=["null", "string"]),
    "descriptions": Param([], type="array"),
}
SAVE: dict[str, Any] = {"name": "research", "namespace": "team", "poll_interval": 1}
WAIT: dict[str, Any] = {"poke_interval": 1, "timeout": 600}


def dag(dag_id: str, **arguments: Any) -> DAG:
    return DAG(
        dag_id=dag_id,
        schedule=None,
        start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
        params=PARAMS,
        # Where Airflow needs one DAG, it does not have to store the others.
        auto_register=get_parsing_context().dag_id in {None, dag_id},
        **arguments,
    )


@task
def notebooks(params: Any = None) -> list[str]:
    return list(params["notebook_ids"])


@task
def descriptions(params: Any = None) -> list[str]:
    return list(params["descriptions"])


@task
def announce(image: Any) -> str:
    return f"{image['swr_path']}"


with dag("fleet_expand"):
    save = CreateNotebookImageOperator.partial(task_id="save", **SAVE).expand(notebook_id=notebooks())
    wait = NotebookImageSensor.partial(task_id="wait", **WAIT).expand(image_id=save.output)
    announce.expand(image=wait.output)

with dag("fleet_all_done"):
    save = CreateNotebookImageOperator.partial(task_id="save", **SAVE).expand(notebook_id=notebooks())
    NotebookImageSensor.partial(task_id="wait", trigger_rule="all_done", **WAIT).expand(image_id=save.output)

with dag("fleet_group"):

    @task_group
    def snapshot(notebook_id: str) -> None:
        save = CreateNotebookImageOperator(task_id="save", notebook_id=notebook_id, **SAVE)
        by_result = NotebookImageSensor(task_id="by_result", image_id=save.output, **WAIT)
        by_id = NotebookImageSensor(task_id="by_id", image_id=save.output["image_id"], **WAIT)  # type: ignore[index]
        by_result >> by_id

    snapshot.expand(notebook_id=notebooks())

with dag("fleet_forgotten_expand"):
    save = CreateNotebookImageOperator.partial(task_id="save", **SAVE).expand(notebook_id=notebooks())
    NotebookImageSensor(task_id="wait", image_id=save.output, **WAIT)

with dag("native", render_template_as_native_obj=True):
    save_natively = CreateNotebookImageOperator(
        task_id="save", notebook_id="{{ params.notebook_id }}", tag="{{ params.tag }}", **SAVE
    )
    NotebookImageSensor(task_id="by_result", image_id=save_natively.output, **WAIT)
    template = NotebookImageSensor(
        task_id="by_template", image_id="{{ ti.xcom_pull('save')['image_id'] }}", **WAIT
    )
    text = NotebookImageSensor(task_id="by_text", image_id="{{ ti.xcom_pull('save') }}", **WAIT)
    save_natively >> [template, text]

with dag("native_mapped", render_template_as_native_obj=True):
    CreateNotebookImageOperator.partial(task_id="save", tag="{{ params.tag }}", **SAVE).expand(
        notebook_id=notebooks()
    )

for native in (True, False):
    with dag(f"described_{native}", render_template_as_native_obj=native):
        CreateNotebookImageOperator.partial(
            task_id="save", notebook_id="{{ params.notebook_id }}", tag="{{ params.tag }}", **SAVE
        ).expand(description=descriptions())
