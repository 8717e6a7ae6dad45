"""Tasks that are expanded over a list of notebooks, by one value of each and by several."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from airflow.providers.common.compat.sdk import DAG, get_parsing_context

from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.operators.notebook import ListNotebooksOperator, RenewNotebookLeaseOperator


def save_arguments(notebook: dict[str, Any]) -> dict[str, Any]:
    return {
        "notebook_id": notebook["notebook_id"],
        "name": notebook["image_name"],
        "tag": notebook["notebook_id"],
    }


with DAG(
    dag_id="listed",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    # Where Airflow needs one DAG, it does not have to store the others.
    auto_register=get_parsing_context().dag_id in {None, "listed"},
):
    listed = ListNotebooksOperator(task_id="list", status=["{{ 'running' }}"], name="{{ 'team-*' }}")
    renewed = RenewNotebookLeaseOperator.partial(task_id="renew", duration="2h").expand(
        notebook_id=listed.output.map(lambda notebook: notebook["notebook_id"])
    )
    saved = CreateNotebookImageOperator.partial(task_id="save", namespace="team").expand_kwargs(
        listed.output.map(save_arguments)
    )
    renewed >> saved
