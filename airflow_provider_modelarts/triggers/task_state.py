"""The state of a trigger's task, as Airflow has it."""

from __future__ import annotations

import logging
from typing import Any

log = logging.getLogger(__name__)


def is_still_deferred(ti: Any) -> bool:
    """
    Return whether a task is still deferred; false if that cannot be read.

    :param ti: the task instance of a trigger; None if it runs in line.
    """
    if ti is None:
        return False
    try:
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

        states = RuntimeTaskInstance.get_task_states(
            dag_id=ti.dag_id, run_ids=[ti.run_id], task_ids=[ti.task_id], map_index=ti.map_index
        )
    except Exception as error:  # noqa: BLE001 - whatever Airflow raises, one log line too many is harmless
        log.debug("Cannot read the task's state, assuming that it is not deferred: %s", error)
        return False
    return "deferred" in states.get(ti.run_id, {}).values()
