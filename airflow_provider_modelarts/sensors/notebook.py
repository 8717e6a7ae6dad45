"""The sensor that waits for the status of a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import conf

from airflow_provider_modelarts.arguments import refuse_nothing
from airflow_provider_modelarts.exceptions import PERMANENT, NotebookFailedError
from airflow_provider_modelarts.links.console import NotebookLink, NotebookListLink, push_notebook_links
from airflow_provider_modelarts.tasks.sensor import WaitingSensor

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from typing_extensions import Unpack

    from airflow_provider_modelarts.airflow_arguments import SensorArguments, Templated
    from airflow_provider_modelarts.client.notebooks import Notebook


class NotebookStatusSensor(WaitingSensor["Notebook"]):
    """
    Wait until a ModelArts notebook has a status.

    ::

        NotebookStatusSensor(task_id="runs", notebook_id="{{ params.notebook_id }}", deferrable=True)
        NotebookStatusSensor(task_id="settled", notebook_id=..., status=["RUNNING", "STOPPED"])

    With ``deferrable=True`` the task polls once before deferring and does not defer if the notebook has the
    status already. A poll that fails in a way that may pass (timeout, connection reset, 429, 5xx) is
    retried until ``timeout`` is over. With ``soft_fail`` a timeout skips the task. A notebook that failed,
    was deleted or is frozen fails the task at once, even with ``soft_fail``, unless that is the status to
    wait for.

    **XCom.** ``notebook_id``, ``status`` and, as ``return_value``, a dict with ``notebook_id``, ``name``,
    ``image_name`` (the name made valid for an image), ``status``, ``owner``, ``flavor``, ``workspace_id``,
    ``image_id``, ``lease_ends_at``, ``last_snapshot_at``, ``last_snapshot_id`` (times in ISO 8601, UTC).

    :param notebook_id: id of the notebook. (templated)
    :param status: the status to wait for, or several, of which one suffices. A notebook counts as RUNNING
        when its storage is ready too. (templated)
    :param poke_interval: seconds between polls, or a timedelta; longer if ModelArts sends ``Retry-After``.
        Default: 10 seconds; 60 with ``mode="reschedule"``, where each poll starts a process.
    :param timeout: seconds to wait, or a timedelta.
    :param deferrable: wait in the triggerer instead of a worker slot; ``mode`` then has no effect.
    :param modelarts_conn_id: id of the Airflow connection. (templated)
    :raises ValueError: in the constructor: ``poke_interval``, ``timeout`` or ``execution_timeout`` is out
        of range.
    :raises AirflowFailException: no retry can help, so Airflow does not retry: the notebook failed or was
        not found, an argument or the connection is invalid, or the credentials or a permission is refused
        (:data:`~airflow_provider_modelarts.exceptions.PERMANENT`).
    :raises AirflowSensorTimeout: ``timeout`` is over. Airflow does not retry.
    :raises AirflowSkipException: the same, with ``soft_fail``.
    :raises AirflowTaskTimeout: ``execution_timeout`` is over. Airflow retries.
    :raises ConnectionLookupError: Airflow could not read the connection. Airflow retries.
    """

    template_fields: Sequence[str] = ("notebook_id", "status", "modelarts_conn_id")
    text_fields = template_fields
    operator_extra_links = (NotebookLink(), NotebookListLink())
    ui_color = "#e4e0f4"
    non_retryable = (NotebookFailedError, *PERMANENT)

    def __init__(
        self,
        *,
        notebook_id: Templated,
        status: Templated | Sequence[Templated] = "RUNNING",
        poke_interval: float | timedelta | None = None,
        timeout: float | timedelta = 3600,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        modelarts_conn_id: Templated = "modelarts_default",
        **kwargs: Unpack[SensorArguments],
    ) -> None:
        super().__init__(
            poke_interval=poke_interval,
            timeout=timeout,
            deferrable=deferrable,
            modelarts_conn_id=modelarts_conn_id,
            **kwargs,
        )
        self.notebook_id: Any = notebook_id  # a string once it is rendered
        self.status: Any = status

    @property
    def _subject(self) -> str:
        return f"notebook {self.notebook_id}"

    def _check_arguments(self, context: Context) -> None:
        refuse_nothing(notebook_id=self.notebook_id)
        _ = self._statuses
        push_notebook_links(context["ti"], self.hook.settings)

    def _push_links(self, context: Context, resource: Notebook) -> None:
        push_notebook_links(context["ti"], self.hook.settings, resource.url)

    @property
    def _statuses(self) -> list[str]:
        """
        The statuses to wait for.

        :raises RequestValidationError: one is unknown, so that the wait would not end.
        """
        from airflow_provider_modelarts.client.notebooks import parse_statuses

        return parse_statuses(self.status)

    def _read(self) -> Notebook:
        return self.hook.try_get_notebook(self.notebook_id).raise_unless_in(self._statuses)

    def _is_done(self, resource: Notebook) -> bool:
        return resource.is_in(self._statuses)

    def _end(self, context: Context, resource: Notebook) -> dict[str, Any]:
        from airflow_provider_modelarts.results import push_notebook_xcoms

        return push_notebook_xcoms(context, resource.to_xcom(self.hook.settings.cloud))

    def _defer_wait(self, *, poll_interval: float, retry_after: float, workspace_id: str | None) -> NoReturn:
        from airflow_provider_modelarts.triggers.deferral import defer_until_done
        from airflow_provider_modelarts.triggers.notebook import NotebookStatusTrigger

        defer_until_done(
            self,
            NotebookStatusTrigger,
            notebook_id=self.notebook_id,
            statuses=self._statuses,
            poll_interval=poll_interval,
            retry_after=retry_after,
            workspace_id=workspace_id,
        )

    def _complete(self, context: Context, event: Any) -> dict[str, Any]:
        from airflow_provider_modelarts.triggers.deferral import raise_execution_timeout
        from airflow_provider_modelarts.triggers.events import NotebookEvent

        with raise_execution_timeout(self):
            ended = NotebookEvent.read(event)
            notebook = self._read_last(ended)
            return self._end(context, ended.result() if notebook is None else notebook)
