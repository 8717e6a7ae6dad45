"""How a task ends that waited for an image in the triggerer."""

from __future__ import annotations

import logging
import time
from typing import Any, Protocol

from airflow.providers.common.compat.sdk import Context

from airflow_provider_modelarts.metrics import measure_wait
from airflow_provider_modelarts.results import ImageTask, describe_wait, end_with_image
from airflow_provider_modelarts.triggers.deferral import LimitedTask, raise_execution_timeout
from airflow_provider_modelarts.triggers.events import ImageEvent

log = logging.getLogger(__name__)


class WaitingTask(LimitedTask, ImageTask, Protocol):
    """A task that waited for an image."""


def complete(task: WaitingTask, context: Context, event: Any) -> dict[str, Any]:
    """
    End a task that waited for an image: push its XComs, fill the events of its outlets, return its result.

    :param event: the trigger's event, as Airflow stored it.
    :raises AirflowTaskTimeout: the task's ``execution_timeout`` ended the wait.
    :raises ModelArtsError: the wait failed otherwise; the class is that of the error that ended it.
    """
    with raise_execution_timeout(task):
        with measure_wait(context) as wait:
            ended = ImageEvent.read(event)
            wait.since = ended.since
            result = ended.result()
        waited = None if ended.since is None else time.time() - ended.since
        log.info("%s", describe_wait(result["image_id"], result["swr_path"], waited))
        return end_with_image(task, context, result, status="ACTIVE", notebook_id=ended.notebook_id)
