"""
One DAG for each thing that a clear can mean; what they save is cleared by tests/matrix/clearing.py.

Where tries are to fail, they fail after their save, so that the next one has something to find.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow.providers.common.compat.sdk import DAG, get_parsing_context

from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator

NOTEBOOKS = os.environ.get("CLEARED_NOTEBOOKS", "none").split(",")


class FlakySave(CreateNotebookImageOperator):
    """
    Fails when all is done.

    :param failing: the tries that fail.
    """

    def __init__(self, *, failing: list[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.failing = failing

    def execute(self, context: Any) -> dict[str, Any]:
        """Save, and fail for a reason of its own."""
        result = super().execute(context)
        if context["ti"].try_number in self.failing:
            raise RuntimeError("the worker was lost")
        return result


RETRIED: dict[str, Any] = {"retries": 1, "failing": [1, 3, 5]}
AGAIN: dict[str, Any] = {"on_clear": "save_again"}
SAVES: dict[str, dict[str, Any]] = {
    "adopt": RETRIED,
    "adopt_tagged": {**RETRIED, "tag": "adopted"},
    "save_again": {**RETRIED, **AGAIN},
    "save_again_tagged": {**RETRIED, **AGAIN, "tag": "nightly"},
    "save_again_without_retries": {**AGAIN, "tag": "once"},
    "save_again_after_failure": {**RETRIED, **AGAIN, "tag": "late", "failing": [1, 2]},
    "save_again_while_deferred": {**AGAIN, "tag": "deferred"},
}
COMMON: dict[str, Any] = {
    "task_id": "save",
    "name": "research",
    "namespace": "team",
    "retries": 0,
    "failing": [],
    "retry_delay": timedelta(0),
}
START = datetime(2026, 1, 1, tzinfo=timezone.utc)

MAPPED = "save_again_mapped"
DAGS = {}

for name in [*SAVES, MAPPED]:
    if get_parsing_context().dag_id in {None, name}:  # all, or the one that Airflow wants
        with DAG(name, schedule=None, start_date=START) as DAGS[name]:
            if name == MAPPED:
                FlakySave.partial(**{**COMMON, **RETRIED, **AGAIN}).expand(notebook_id=NOTEBOOKS)
            else:
                FlakySave(notebook_id=NOTEBOOKS[0], **{**COMMON, **SAVES[name]})
