"""
Mistakes that a type checker finds in a DAG.

The comments keep this file clean in the check of the whole project, which also finds a comment that is no
longer needed; ``tests/test_typing.py`` takes them off.
"""

from __future__ import annotations

from airflow_provider_modelarts.client import operations
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

CreateNotebookImageOperator(task_id="save", notebook_id="n", nmae="research")  # type: ignore[call-arg]
CreateNotebookImageOperator(task_id="save", notebook_id="n", if_exists="skip")  # type: ignore[arg-type]
CreateNotebookImageOperator(task_id="save", notebook_id="n", if_not_running="adopt")  # type: ignore[arg-type]
CreateNotebookImageOperator(task_id="save", notebook_id="n", min_lease=7200)  # type: ignore[arg-type]
CreateNotebookImageOperator(task_id="save", notebook_id=7)  # type: ignore[arg-type]
CreateNotebookImageOperator(task_id="save", notebook_id="n", retries="two")  # type: ignore[arg-type]
CreateNotebookImageOperator(task_id="save")  # type: ignore[call-arg]
NotebookImageSensor(task_id="wait", image_id="i", poll_interval=10)  # type: ignore[call-arg]
NotebookImageSensor(task_id="wait", image_id=7)  # type: ignore[arg-type]
NotebookImageSensor(image_id="i")  # type: ignore[call-arg]
StartNotebookOperator(task_id="start", notebook_id="n", duration=7200)  # type: ignore[arg-type]
StopNotebookOperator(task_id="stop", notebook_id="n", discard_environment="no")  # type: ignore[arg-type]
RenewNotebookLeaseOperator(task_id="renew", notebook_id="n")  # type: ignore[call-arg]
RestoreNotebookOperator(task_id="restore", notebook_id="n", stop=True)  # type: ignore[call-arg]
NotebookStatusSensor(task_id="runs", notebook_id="n", poll_interval=10)  # type: ignore[call-arg]
ModelArtsHook(conn_id="modelarts_default")  # type: ignore[call-arg]
hook = ModelArtsHook()
hook.create_image("n", nmae="research")  # type: ignore[call-arg]
hook.list_images(limit="ten")  # type: ignore[arg-type]
hook.list_notebooks(stauts="RUNNING")  # type: ignore[call-arg]
hook.delete_image("i", delete_swr_image="no")  # type: ignore[arg-type]
hook.get_conn().call(operations.show_image("i")).nmae  # type: ignore[attr-defined]  # noqa: B018
hook.get_image("i").id + 1  # type: ignore[operator]
