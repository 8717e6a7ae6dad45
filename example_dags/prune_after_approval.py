"""
Report which snapshots a policy would delete, ask a person, and delete them only after an approval.

Needs Airflow 3.1 or later, where a person can be asked; earlier versions find no DAG in this file. Set the
Airflow Variable ``modelarts_namespace`` (the SWR organization). Without an answer within two days nothing is
deleted. The deletion plans anew: what became old meanwhile is deleted too, what is used by now is not.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from airflow.providers.common.compat.sdk import DAG, AirflowOptionalProviderFeatureException, task

from airflow_provider_modelarts.operators.retention import PruneNotebookImagesOperator

try:
    from airflow.providers.standard.operators.hitl import ApprovalOperator
except (ImportError, AirflowOptionalProviderFeatureException):  # before Airflow 3.1
    ApprovalOperator = None  # type: ignore[assignment,misc]

RULES: dict[str, Any] = {
    "namespace": "{{ var.value.modelarts_namespace }}",
    "keep_daily": 14,
    "keep_monthly": 12,
    "keep_tags": ["stable"],
    "max_deletions": 50,
}

if ApprovalOperator is not None:
    with DAG(
        dag_id="prune_after_approval",
        schedule="0 9 * * 1",
        start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
        catchup=False,
        max_active_runs=1,
        doc_md=__doc__,
        tags=["modelarts"],
    ):
        # --8<-- [start:approval]
        report = PruneNotebookImagesOperator(task_id="report", mode="report", **RULES)

        @task.short_circuit
        def is_anything_to_delete(result: Any) -> bool:
            """Ask nobody if there is nothing to delete."""
            return bool(result["deleted"])

        ask = ApprovalOperator(
            task_id="ask",
            subject="Delete {{ ti.xcom_pull('report')['deleted'] | length }} snapshots for good?",
            body="{% for image in ti.xcom_pull('report')['deleted'] %}"
            "- {{ image['swr_path'] }}, created {{ image['created_at'] }}\n"
            "{% endfor %}",
            defaults="Reject",
            response_timeout=timedelta(days=2),  # older standard providers: execution_timeout
        )
        delete = PruneNotebookImagesOperator(task_id="delete", mode="delete", retries=2, **RULES)

        is_anything_to_delete(report.output) >> ask >> delete
        # --8<-- [end:approval]
