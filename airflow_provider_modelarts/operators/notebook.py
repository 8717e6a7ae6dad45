"""The operators that list, start, stop and restore notebooks, and renew their leases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import conf

from airflow_provider_modelarts.arguments import check_flags, duration_of, given, image_id_of
from airflow_provider_modelarts.exceptions import PERMANENT, ImageFailedError
from airflow_provider_modelarts.links.console import push_notebook_links
from airflow_provider_modelarts.operators.notebook_list import ListNotebooksOperator
from airflow_provider_modelarts.tasks.notebook import (
    DEFAULT_SNAPSHOT_AGE,
    NotebookChangeTask,
    NotebookTask,
    Progress,
    lease_duration,
    stop_rule,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from typing_extensions import Unpack

    from airflow_provider_modelarts.airflow_arguments import OperatorArguments, Templated
    from airflow_provider_modelarts.client.notebook_steps import Step, StopRule

__all__ = [
    "ListNotebooksOperator",
    "RenewNotebookLeaseOperator",
    "RestoreNotebookOperator",
    "StartNotebookOperator",
    "StopNotebookOperator",
]


class StartNotebookOperator(NotebookChangeTask):
    """
    Start a stopped ModelArts notebook, with the lease that it had.

    ::

        StartNotebookOperator(task_id="start", notebook_id="6fa459ea-ee8a-3ca4-894e-db77e160355e")

    A notebook that is RUNNING or STARTING is a success, and nothing is sent. One that is STOPPING or
    otherwise busy is waited for first. A response that is lost does not start it twice.

    **Lease.** Without ``duration`` the notebook keeps its lease: one that is disabled or unlimited, one
    that ends after some time without use, or one of the length that was last requested. If ModelArts
    refuses a start without auto stop, the notebook gets the longest lease, with a warning. The log has the
    end of the lease.

    **XCom.** ``notebook_id``, ``status`` and, as ``return_value``, a dict with ``notebook_id``, ``name``,
    ``image_name`` (the name made valid for an image), ``status``, ``owner``, ``flavor``, ``workspace_id``,
    ``image_id``, ``lease_ends_at``, ``last_snapshot_at``, ``last_snapshot_id`` (times in ISO 8601, UTC) and
    ``changed`` (whether this task started it).

    :param notebook_id: id of the notebook. (templated)
    :param duration: time until the notebook stops by itself: a timedelta, or text such as ``1d``, ``2h``,
        ``45min`` or ``1d12h``; ``NO_AUTO_STOP`` of :mod:`airflow_provider_modelarts.client.notebooks` for
        no end. Default: the lease that it had. It has no effect on a notebook that is running. (templated)
    :param wait_for_completion: wait until the notebook is RUNNING and its storage is ready.
    :param deferrable: wait in the triggerer instead of a worker slot.
    :param poll_interval: seconds between polls, or a timedelta.
    :param timeout: seconds to wait, or a timedelta, for all waits of a try together.
    :param modelarts_conn_id: id of the Airflow connection. (templated)
    :raises ValueError: in the constructor: ``poll_interval``, ``timeout`` or ``execution_timeout`` is out
        of range.
    :raises AirflowFailException: no retry can help, so Airflow does not retry: an argument or the
        connection is invalid, the credentials or a permission is refused, the notebook does not exist, or
        the account is suspended (:data:`~airflow_provider_modelarts.exceptions.PERMANENT`).
    :raises NotebookFailedError: the notebook failed, was deleted or is frozen. Airflow retries, like all
        below.
    :raises WaitTimeoutError: ``timeout`` is over. A retry continues from the status that it finds.
    :raises AirflowTaskTimeout: ``execution_timeout`` is over.
    :raises ModelArtsError: any other error of ModelArts, of the network or of the connection lookup.
    """

    template_fields: Sequence[str] = ("notebook_id", "duration", "modelarts_conn_id")
    text_fields = template_fields
    metric = "start"
    what_continues = "the start"
    returns_changed = True

    def __init__(
        self,
        *,
        notebook_id: Templated,
        duration: timedelta | Templated | None = None,
        wait_for_completion: bool = True,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float | timedelta = 10,
        timeout: float | timedelta = 3600,
        modelarts_conn_id: Templated = "modelarts_default",
        **kwargs: Unpack[OperatorArguments],
    ) -> None:
        super().__init__(
            notebook_id=notebook_id,
            wait_for_completion=wait_for_completion,
            deferrable=deferrable,
            poll_interval=poll_interval,
            timeout=timeout,
            modelarts_conn_id=modelarts_conn_id,
            **kwargs,
        )
        self.duration = duration

    def _check_arguments(self) -> None:
        lease_duration(self.duration)

    def _take_step(self, progress: Progress) -> Step:
        duration = lease_duration(self.duration)
        return self.hook.step_to_start(self.notebook_id, duration=duration, deadline=progress.deadline)


class StopNotebookOperator(NotebookChangeTask):
    """
    Stop a running ModelArts notebook whose environment is saved.

    ::

        save = CreateNotebookImageOperator(task_id="save", notebook_id=..., wait_for_completion=True)
        stop = StopNotebookOperator(task_id="stop", notebook_id=..., image_id=save.output)

    A stop discards all that was installed outside of the notebook's storage. So it is **refused** unless an
    ACTIVE snapshot of this notebook began after its last start and at most ``require_snapshot_within`` ago.
    Snapshots are the given ``image_id``, images whose marker names this notebook, and the saved image that
    it runs. Before a refusal the images are read three times in 30 seconds. The refusal names the newest
    snapshot and why it does not suffice, and Airflow does not retry it. What was installed since the
    snapshot began is lost: stop a notebook soon after its save.

    A notebook that is STOPPED or STOPPING is a success without a check, and nothing is sent. One that is
    being saved or otherwise busy is waited for first, even without ``wait_for_completion``; then it is
    checked and stopped. A response that is lost does not stop it twice.

    **XCom.** ``notebook_id``, ``status`` and, as ``return_value``, a dict with ``notebook_id``, ``name``,
    ``image_name`` (the name made valid for an image), ``status``, ``owner``, ``flavor``, ``workspace_id``,
    ``image_id``, ``lease_ends_at``, ``last_snapshot_at``, ``last_snapshot_id`` (times in ISO 8601, UTC) and
    ``changed`` (whether this task stopped it).

    :param notebook_id: id of the notebook. (templated)
    :param image_id: the snapshot: an image's id, or the result of the task that saved it. It must be
        ACTIVE, and its marker must name this notebook; without a marker it counts as your word. (templated)
    :param require_snapshot_within: how long ago the snapshot may have begun: a timedelta, or text such as
        ``2h`` or ``45min``. (templated)
    :param discard_environment: stop without a check. What is not saved is lost.
    :param wait_for_completion: wait until the notebook is STOPPED.
    :param deferrable: wait in the triggerer instead of a worker slot.
    :param poll_interval: seconds between polls, or a timedelta.
    :param timeout: seconds to wait, or a timedelta, for all waits of a try together.
    :param modelarts_conn_id: id of the Airflow connection. (templated)
    :raises ValueError: in the constructor: ``poll_interval``, ``timeout`` or ``execution_timeout`` is out
        of range.
    :raises AirflowFailException: no retry can help, so Airflow does not retry: the environment is not
        saved, an argument or the connection is invalid, the credentials or a permission is refused, the
        notebook does not exist, or the account is suspended
        (:data:`~airflow_provider_modelarts.exceptions.PERMANENT`).
    :raises NotebookFailedError: the notebook failed, was deleted or is frozen. Airflow retries, like all
        below.
    :raises WaitTimeoutError: ``timeout`` is over. A retry continues from the status that it finds.
    :raises AirflowTaskTimeout: ``execution_timeout`` is over.
    :raises ModelArtsError: any other error of ModelArts, of the network or of the connection lookup.
    """

    template_fields: Sequence[str] = (
        "notebook_id",
        "image_id",
        "require_snapshot_within",
        "modelarts_conn_id",
    )
    text_fields = template_fields
    metric = "stop"
    what_continues = "the stop"
    returns_changed = True

    def __init__(
        self,
        *,
        notebook_id: Templated,
        image_id: Templated | dict[str, Any] | None = None,
        require_snapshot_within: timedelta | Templated = DEFAULT_SNAPSHOT_AGE,
        discard_environment: bool = False,
        wait_for_completion: bool = True,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float | timedelta = 10,
        timeout: float | timedelta = 3600,
        modelarts_conn_id: Templated = "modelarts_default",
        **kwargs: Unpack[OperatorArguments],
    ) -> None:
        super().__init__(
            notebook_id=notebook_id,
            wait_for_completion=wait_for_completion,
            deferrable=deferrable,
            poll_interval=poll_interval,
            timeout=timeout,
            modelarts_conn_id=modelarts_conn_id,
            **kwargs,
        )
        self.image_id = image_id
        self.require_snapshot_within = require_snapshot_within
        self.discard_environment = discard_environment

    def _check_arguments(self) -> None:
        self._rule()

    def _rule(self) -> StopRule:
        return stop_rule(
            self.image_id, self.require_snapshot_within, discard_environment=self.discard_environment
        )

    def _take_step(self, progress: Progress) -> Step:
        return self.hook.step_to_stop(self.notebook_id, self._rule(), deadline=progress.deadline)


class RenewNotebookLeaseOperator(NotebookTask):
    """
    Let a running ModelArts notebook stop by itself no sooner than some time from now.

    ::

        RenewNotebookLeaseOperator(task_id="renew", notebook_id="{{ params.notebook_id }}", duration="2h")

    The lease is never shortened: one that ends later stays as it is, as does one that is disabled,
    unlimited or counts only the time without use. A lease lasts at least an hour. It is read again after
    the renewal.

    **XCom.** ``notebook_id``, ``status`` and, as ``return_value``, a dict with ``notebook_id``, ``name``,
    ``image_name`` (the name made valid for an image), ``status``, ``owner``, ``flavor``, ``workspace_id``,
    ``image_id``, ``lease_ends_at``, ``last_snapshot_at``, ``last_snapshot_id`` (times in ISO 8601, UTC).

    :param notebook_id: id of the notebook. (templated)
    :param duration: time from now until the notebook may stop by itself: a timedelta, or text such as
        ``1d``, ``2h``, ``45min`` or ``1d12h``. (templated)
    :param modelarts_conn_id: id of the Airflow connection. (templated)
    :raises ValueError: in the constructor: ``execution_timeout`` is out of range.
    :raises AirflowFailException: no retry can help, so Airflow does not retry: an argument or the
        connection is invalid, the credentials or a permission is refused, the notebook does not exist, or
        the account is suspended (:data:`~airflow_provider_modelarts.exceptions.PERMANENT`).
    :raises NotebookNotReadyError: the notebook is stopped or busy. Airflow retries, like all below.
    :raises NotebookFailedError: the notebook failed, was deleted or is frozen.
    :raises ModelArtsError: any other error of ModelArts, of the network or of the connection lookup.
    """

    template_fields: Sequence[str] = ("notebook_id", "duration", "modelarts_conn_id")
    text_fields = template_fields
    metric = "renew"

    def __init__(
        self,
        *,
        notebook_id: Templated,
        duration: timedelta | Templated,
        modelarts_conn_id: Templated = "modelarts_default",
        **kwargs: Unpack[OperatorArguments],
    ) -> None:
        super().__init__(notebook_id=notebook_id, modelarts_conn_id=modelarts_conn_id, **kwargs)
        self.duration = duration

    def _run_task(self, context: Context) -> dict[str, Any]:
        duration = duration_of("duration", self.duration)
        self._begin(context)
        notebook = self.hook.prolong_lease(self.notebook_id, duration)
        push_notebook_links(context["ti"], self.hook.settings, notebook.url)
        return self._end(context, notebook)


class RestoreNotebookOperator(NotebookChangeTask):
    """
    Let a ModelArts notebook run one of its snapshots, or another image, and start it.

    ::

        RestoreNotebookOperator(
            task_id="restore", notebook_id="{{ params.notebook_id }}", image_id="{{ params.image_id }}"
        )

    The image is read first: if it is missing or not ACTIVE, nothing is sent. Then the notebook is stopped
    if it runs another image, gets the image, and is started with the lease that it had. A try that was
    killed between two of these steps is continued by the next one. A notebook that is busy is waited for
    first. One that runs the image already is a success, and nothing is sent.

    A notebook that runs another image is **refused**, unless ``stop_running`` allows to stop it; then it is
    stopped by the same rule as with :class:`StopNotebookOperator`: only if its environment is saved. Files
    in the notebook's storage are never changed.

    **XCom.** ``notebook_id``, ``status`` and, as ``return_value``, a dict with ``notebook_id``, ``name``,
    ``image_name`` (the name made valid for an image), ``status``, ``owner``, ``flavor``, ``workspace_id``,
    ``image_id``, ``lease_ends_at``, ``last_snapshot_at``, ``last_snapshot_id`` (times in ISO 8601, UTC).

    :param notebook_id: id of the notebook. (templated)
    :param image_id: the image to restore: its id, or the result of the task that saved it. Default, also if
        its template renders to nothing: the newest ACTIVE snapshot of this notebook. (templated)
    :param start: start the notebook afterwards. Without it, a stopped notebook stays stopped.
    :param duration: time until the notebook stops by itself, as for :class:`StartNotebookOperator`.
        Default: the lease that it had. (templated)
    :param stop_running: stop the notebook if it runs another image.
    :param require_snapshot_within: how long ago the snapshot of a notebook that is stopped may have begun.
        (templated)
    :param discard_environment: stop it without a check. What is not saved is lost.
    :param wait_for_completion: wait until the notebook is RUNNING and its storage is ready.
    :param deferrable: wait in the triggerer instead of a worker slot.
    :param poll_interval: seconds between polls, or a timedelta.
    :param timeout: seconds to wait, or a timedelta, for all waits of a try together.
    :param modelarts_conn_id: id of the Airflow connection. (templated)
    :raises ValueError: in the constructor: ``poll_interval``, ``timeout`` or ``execution_timeout`` is out
        of range.
    :raises AirflowFailException: no retry can help, so Airflow does not retry: the image is missing or has
        failed, the notebook runs another image and may not be stopped, an argument or the connection is
        invalid, the credentials or a permission is refused, the notebook does not exist, or the account is
        suspended (:data:`~airflow_provider_modelarts.exceptions.PERMANENT`).
    :raises NotebookFailedError: the notebook failed, was deleted or is frozen. Airflow retries, like all
        below.
    :raises WaitTimeoutError: ``timeout`` is over. A retry continues from the status that it finds.
    :raises AirflowTaskTimeout: ``execution_timeout`` is over.
    :raises ModelArtsError: any other error of ModelArts, of the network or of the connection lookup.
    """

    template_fields: Sequence[str] = (
        "notebook_id",
        "image_id",
        "duration",
        "require_snapshot_within",
        "modelarts_conn_id",
    )
    text_fields = template_fields
    metric = "restore"
    non_retryable = (ImageFailedError, *PERMANENT)
    what_continues = "the stop, change or start"

    def __init__(
        self,
        *,
        notebook_id: Templated,
        image_id: Templated | dict[str, Any] | None = None,
        start: bool = True,
        duration: timedelta | Templated | None = None,
        stop_running: bool = False,
        require_snapshot_within: timedelta | Templated = DEFAULT_SNAPSHOT_AGE,
        discard_environment: bool = False,
        wait_for_completion: bool = True,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float | timedelta = 10,
        timeout: float | timedelta = 3600,
        modelarts_conn_id: Templated = "modelarts_default",
        **kwargs: Unpack[OperatorArguments],
    ) -> None:
        super().__init__(
            notebook_id=notebook_id,
            wait_for_completion=wait_for_completion,
            deferrable=deferrable,
            poll_interval=poll_interval,
            timeout=timeout,
            modelarts_conn_id=modelarts_conn_id,
            **kwargs,
        )
        self.image_id = image_id
        self.start = start
        self.duration = duration
        self.stop_running = stop_running
        self.require_snapshot_within = require_snapshot_within
        self.discard_environment = discard_environment

    def _check_arguments(self) -> None:
        check_flags(start=self.start, stop_running=self.stop_running)
        self._rule()
        lease_duration(self.duration)
        if given(self.image_id) is not None:
            image_id_of(self.image_id)

    def _rule(self) -> StopRule:
        return stop_rule(None, self.require_snapshot_within, discard_environment=self.discard_environment)

    def _take_step(self, progress: Progress) -> Step:
        image_id = progress.image_id
        if image_id is None and given(self.image_id) is not None:
            image_id = image_id_of(self.image_id)
        return self.hook.step_to_restore(
            self.notebook_id,
            image_id,
            is_started=self.start,
            duration=lease_duration(self.duration),
            rule=self._rule() if self.stop_running else None,
            deadline=progress.deadline,
        )
