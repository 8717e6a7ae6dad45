"""The wait for a notebook after its save, of which the image decides the outcome."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_provider_modelarts.exceptions import ModelArtsError, WaitTimeoutError
from airflow_provider_modelarts.tasks.failures import name_execution_timeout
from airflow_provider_modelarts.tasks.save_progress import SaveProgress

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_modelarts.client.notebooks import Notebook
    from airflow_provider_modelarts.tasks.save import SaveTask

SAVE_END_STATUSES = ("RUNNING", "STOPPING", "STOPPED", "DELETING")
"""The statuses of a notebook that end the wait for it; so does any failure."""

log = logging.getLogger(__name__)


class NotebookWait:
    """
    The wait of one task until its notebook runs again.

    The image is ACTIVE, so whatever happens to the notebook is a warning. Only a notebook that is still being
    saved at the deadline fails the task, which Airflow then retries.

    :param progress: with the ACTIVE image.
    """

    def __init__(self, task: SaveTask, progress: SaveProgress) -> None:
        self._task = task
        self._progress = progress
        self._image_id = (progress.image or {}).get("image_id")

    def begin(self, context: Context, deadline: float) -> None:
        """
        Return when the notebook is not being saved any more, or defer until then.

        :param deadline: epoch seconds of the last poll.
        :raises WaitTimeoutError: it is still being saved at the deadline.
        """
        workspace_id = None
        try:
            notebook = self._read()
        except ModelArtsError as error:
            if not error.is_transient:
                self._warn(str(error))
                return
            log.warning("Poll failed, will retry: %s", error)
        else:
            self._task.push_notebook_link(context, notebook)
            if notebook.ends_wait_for(SAVE_END_STATUSES):
                self._check(notebook)
                return
            workspace_id = notebook.workspace_id
            log.info("Image %s is ACTIVE; waiting for its notebook. %s", self._image_id, notebook.describe())
        if self._task.deferrable:
            self._defer(deadline, workspace_id)
        self._wait(deadline)

    def end(self, event: Any) -> None:
        """
        End a wait in the triggerer with its event.

        :raises WaitTimeoutError: the notebook is still being saved at the deadline.
        """
        from airflow_provider_modelarts.triggers.events import NotebookEvent

        self._end(lambda: NotebookEvent.read(event).result())

    def _defer(self, deadline: float, workspace_id: str | None) -> None:
        from airflow_provider_modelarts.triggers.deferral import defer_until_done
        from airflow_provider_modelarts.triggers.notebook import NotebookStatusTrigger

        defer_until_done(
            self._task,
            NotebookStatusTrigger,
            notebook_id=self._task.notebook_id,
            statuses=SAVE_END_STATUSES,
            poll_interval=self._task.poll_interval,
            deadline=deadline,
            passthrough=self._progress.passthrough(),
            workspace_id=workspace_id,
        )

    def _wait(self, deadline: float) -> None:
        """Wait in the worker."""
        task = self._task

        def wait() -> Notebook:
            with name_execution_timeout(lambda: f"notebook {task.notebook_id}; {self._image_is_active}"):
                return task.hook.wait_for_notebook(
                    task.notebook_id, SAVE_END_STATUSES, poll_interval=task.poll_interval, deadline=deadline
                )

        self._end(wait)

    def _end(self, result: Callable[[], Notebook]) -> None:
        """
        Check the result of a wait.

        :param result: returns the notebook, or raises the error of the wait.
        """
        try:
            notebook = result()
        except WaitTimeoutError as timeout:
            self._check_at_deadline(timeout)
        except ModelArtsError as error:
            self._warn(str(error))
        else:
            self._check(notebook)

    def _check_at_deadline(self, timeout: WaitTimeoutError) -> None:
        """Read the notebook once more, as the error of a wait has no status to decide by."""
        try:
            notebook = self._read()
        except ModelArtsError:
            self._warn(str(timeout))
            return
        if notebook.status == "SNAPSHOTTING":
            raise WaitTimeoutError(
                f"{timeout}. {self._image_is_active} and in XCom; a retry reuses it, and waits for the "
                "notebook again"
            ) from timeout
        self._check(notebook)

    def _check(self, notebook: Notebook) -> None:
        if not notebook.is_running:
            self._warn(notebook.describe())

    def _warn(self, reason: str) -> None:
        log.warning(
            "%s, but its notebook %s may not be RUNNING: %s",
            *(self._image_is_active, self._task.notebook_id, reason),
        )

    def _read(self) -> Notebook:
        return self._task.hook.try_get_notebook(self._task.notebook_id)

    @property
    def _image_is_active(self) -> str:
        return f"Image {self._image_id} is ACTIVE"
