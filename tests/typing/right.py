"""A DAG as a team with a type checker writes it: ``mypy --strict`` finds nothing."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.operators.notebook import (
    RenewNotebookLeaseOperator,
    RestoreNotebookOperator,
    StartNotebookOperator,
    StopNotebookOperator,
)
from airflow_provider_modelarts.sensors.image import NotebookImageSensor
from airflow_provider_modelarts.sensors.notebook import NotebookStatusSensor


@task
def chosen_connection() -> str:
    """Choose at run time."""
    return "modelarts_default"


@task
def notebooks() -> list[str]:
    """Choose at run time."""
    return []


with DAG("typed", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)) as dag:
    save = CreateNotebookImageOperator(
        task_id="save",
        notebook_id="{{ params.notebook_id }}",
        name="research",
        namespace="team",
        tag="{{ ds_nodash }}",
        if_exists="adopt",
        if_not_running="skip",
        min_lease=timedelta(hours=2),
        wait_for_completion=True,
        wait_for_notebook=False,
        poll_interval=timedelta(seconds=30),
        retries=2,
        retry_delay=timedelta(minutes=5),
        execution_timeout=timedelta(hours=1),
        trigger_rule="all_done",
        pool="saves",
    )
    wait = NotebookImageSensor(
        task_id="wait", image_id=save.output, mode="reschedule", soft_fail=True, timeout=600
    )

    saves = CreateNotebookImageOperator.partial(
        task_id="saves", name="research", namespace="team", tag=dag.param("tag"), modelarts_conn_id="other"
    ).expand(notebook_id=notebooks())
    NotebookImageSensor.partial(task_id="waits", deferrable=True).expand(image_id=saves.output)
    CreateNotebookImageOperator(
        task_id="by_parameter",
        notebook_id=dag.param("notebook_id", default=""),
        tag=dag.param("tag", default=None),
        min_lease=dag.param("min_lease", default="2h"),
        modelarts_conn_id=chosen_connection(),
    )
    NotebookImageSensor(
        task_id="wait_by_parameter",
        image_id=dag.param("image_id", default=""),
        modelarts_conn_id=dag.param("connection", default="modelarts_default"),
    )

    StartNotebookOperator(
        task_id="start", notebook_id=dag.param("notebook_id", default=""), duration=timedelta(hours=8)
    )
    RenewNotebookLeaseOperator(task_id="renew", notebook_id="{{ params.notebook_id }}", duration="1d12h")
    StopNotebookOperator(
        task_id="stop", notebook_id="n", image_id=save.output, require_snapshot_within="45min", retries=2
    )
    StopNotebookOperator.partial(task_id="stops", deferrable=True).expand(notebook_id=notebooks())
    RestoreNotebookOperator(
        task_id="restore", notebook_id="n", image_id=dag.param("image_id", default=""), stop_running=True
    )
    runs = NotebookStatusSensor(
        task_id="runs", notebook_id="n", status=["RUNNING", "STOPPED"], mode="reschedule", soft_fail=True
    )

    @task
    def report() -> list[str]:
        """Use the hook, and the client that it connects."""
        hook = ModelArtsHook()
        images: list[Image] = hook.list_images(namespace="team", limit=50)
        image: Image = hook.get_conn().call(operations.show_image(images[0].id))
        hook.delete_image(image.id, delete_swr_image=True)
        everything: list[Image] = hook.get_conn().list_all(operations.list_images())
        return [image.id for image in everything] + [
            save.hook.modelarts_conn_id,
            wait.hook.conn_type,
            runs.hook.conn_type,
        ]
