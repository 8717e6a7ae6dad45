"""The sensor that waits until an image is ACTIVE."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)

from airflow_provider_modelarts.arguments import (
    check_conn_id,
    check_execution_timeout,
    image_id_of,
    seconds,
)
from airflow_provider_modelarts.client.poll_errors import MIN_TIME_TO_APPEAR, PollErrors
from airflow_provider_modelarts.exceptions import (
    PERMANENT,
    ImageFailedError,
    ModelArtsError,
    NotFoundError,
    WaitTimeoutError,
)
from airflow_provider_modelarts.links.console import ImageLink, ImageListLink, push_image_links
from airflow_provider_modelarts.templates import TextTemplates

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from typing_extensions import Unpack

    from airflow_provider_modelarts.airflow_arguments import SensorArguments, Templated
    from airflow_provider_modelarts.client.models import Image
    from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook

log = logging.getLogger(__name__)

_NON_RETRYABLE: tuple[type[ModelArtsError], ...] = (ImageFailedError, *PERMANENT)
"""Errors after which no retry of the sensor can succeed."""
_POKE_INTERVAL = 10.0
"""Seconds between two polls by default."""
_RESCHEDULED_POKE_INTERVAL = 60.0
"""The same with ``mode="reschedule"``, where each poll starts a process."""
_MAX_DOUBLINGS = 500
"""Limit on ``exponential_backoff``: Airflow doubles the interval at each poke until a float overflows."""
_MIN_INTERVAL = 1.0
"""Minimum seconds between two polls, whatever ``poke_interval`` is, to protect the service."""


class NotebookImageSensor(TextTemplates, BaseSensorOperator):
    """
    Wait until a ModelArts image is ACTIVE.

    Example, for one save and for a mapped one::

        NotebookImageSensor(task_id="wait", image_id=save.output["image_id"], deferrable=True)
        NotebookImageSensor.partial(task_id="wait").expand(image_id=mapped_save.output)

    With ``deferrable=True`` the task polls once before deferring and does not defer if the image is already
    finished. A poll that fails in a way that may pass (timeout, connection reset, 429, 5xx) is retried until
    ``timeout`` is over. With ``soft_fail`` a timeout skips the task. A failed image always fails the task at
    once, even with ``soft_fail``, ``never_fail`` or ``silent_fail``.

    **XCom.** ``image_id``, ``swr_path`` and, as ``return_value``, a dict with ``image_id``, ``swr_path``,
    ``status`` and, as far as ModelArts returns them, ``name``, ``namespace``, ``tag``, ``workspace_id``,
    ``arch``, ``size`` (KB), ``created_at`` and ``updated_at`` (ISO 8601, UTC).

    **Assets.** The events of ``outlets`` that are the image's repository (``swr://registry/namespace/name``)
    or an AssetAlias get the image as ``extra``.

    :param image_id: the image to wait for: its id, or the result of the task that saves it. Templates always
        render to text; one that renders to nothing or to the word ``None`` is refused, because the save
        failed or was skipped. (templated)
    :param poke_interval: seconds between polls, or a timedelta; longer if ModelArts sends ``Retry-After``.
        Default: 10 seconds; 60 with ``mode="reschedule"``, where each poll starts a process.
    :param timeout: seconds to wait, or a timedelta.
    :param deferrable: wait in the triggerer instead of a worker slot; ``mode`` then has no effect.
    :param modelarts_conn_id: id of the Airflow connection. (templated)
    :raises ValueError: in the constructor: ``poke_interval``, ``timeout`` or ``execution_timeout`` is out of
        range.
    :raises AirflowFailException: no retry can help, so Airflow does not retry: the image failed or was not
        found, ``image_id`` or the connection is invalid, or the credentials or a permission is refused
        (:data:`~airflow_provider_modelarts.exceptions.PERMANENT`).
    :raises AirflowSensorTimeout: ``timeout`` is over. Airflow does not retry.
    :raises AirflowSkipException: the same, with ``soft_fail``.
    :raises AirflowTaskTimeout: ``execution_timeout`` is over. Airflow retries.
    :raises ConnectionLookupError: Airflow could not read the connection. Airflow retries.
    """

    template_fields: Sequence[str] = ("image_id", "modelarts_conn_id")
    text_fields = template_fields
    operator_extra_links = (ImageLink(), ImageListLink())
    ui_color = "#d9efe4"
    ended_with: dict[str, Any] | None = None

    def __init__(
        self,
        *,
        image_id: Templated | dict[str, Any],
        poke_interval: float | timedelta | None = None,
        timeout: float | timedelta = 3600,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        modelarts_conn_id: Templated = "modelarts_default",
        **kwargs: Unpack[SensorArguments],
    ) -> None:
        super().__init__(
            poke_interval=seconds(
                "poke_interval",
                _POKE_INTERVAL if poke_interval is None else poke_interval,
                may_be_zero=True,
            ),
            timeout=seconds("timeout", timeout, may_be_zero=True),
            **kwargs,
        )
        check_execution_timeout(self.execution_timeout)
        self.image_id = image_id
        self.deferrable = deferrable
        # Only now: the mode may come from the DAG's default_args.
        if poke_interval is None and self._is_rescheduled:
            self.poke_interval = _RESCHEDULED_POKE_INTERVAL
        self.modelarts_conn_id: Any = modelarts_conn_id  # a string once it is rendered
        self._poll_errors = PollErrors()
        self._status: str | None = None
        self._workspace_id: str | None = None
        self._last_error: ModelArtsError | None = None
        self._began: float | None = None
        self._is_linked = False

    def execute(self, context: Context) -> Any:
        """Wait in this process or, if deferrable, in the triggerer."""
        from airflow_provider_modelarts.metrics import measure_wait

        with measure_wait(context) as wait:
            if self._is_rescheduled:
                wait.since = None  # an earlier process began it
            return self._wait(context)

    def _wait(self, context: Context) -> Any:
        # dag.test() runs the task again in this process, as a copy that shares this object.
        self._poll_errors = PollErrors()
        try:
            check_conn_id(self.modelarts_conn_id)
            image_id = image_id_of(self.image_id)
            settings = self.hook.settings
            push_image_links(context["ti"], settings)
        except PERMANENT as error:
            raise AirflowFailException(str(error)) from error
        self._began = time.time()
        log.info("Waiting for image %s in %s (%s)", image_id, settings.cloud.display_name, settings.endpoint)
        if not self.deferrable:
            return self._wait_here(context)
        # Poll once before deferring: an image that is already ACTIVE needs no triggerer.
        if (seen := self.poke(context)).is_done:
            return seen.xcom_value
        from airflow_provider_modelarts.triggers.deferral import defer_until_active

        return defer_until_active(
            self,
            image_id=image_id,
            poll_interval=self.poke_interval,
            retry_after=self._retry_after,
            workspace_id=self._workspace_id,
        )

    def _wait_here(self, context: Context) -> Any:
        """Let Airflow poke, and add the image id to its timeouts, which name no image."""
        began = time.monotonic()
        try:
            return super().execute(context)
        except AirflowSkipException as skip:
            # With soft_fail Airflow skips on any error of a poke; only its own timeout, which has no cause,
            # may skip.
            if isinstance(skip.__cause__, AirflowFailException):
                raise skip.__cause__ from skip.__cause__.__cause__
            if isinstance(skip.__cause__, AirflowTaskTimeout):
                raise self._execution_timed_out(began, skip.__cause__) from skip
            if skip.__cause__ or "timed out" not in str(skip):  # raised by a subclass
                raise
            raise AirflowSkipException(self._timed_out(self.timeout)) from skip
        except AirflowSensorTimeout as error:
            raise AirflowSensorTimeout(self._timed_out(self.timeout)) from error
        except AirflowTaskTimeout as error:
            raise self._execution_timed_out(began, error) from error

    def _execution_timed_out(self, began: float, error: BaseException) -> AirflowTaskTimeout:
        text = self._timed_out(time.monotonic() - began)
        return AirflowTaskTimeout(f"execution_timeout: {text} ({error})")

    def _timed_out(self, waited: float) -> str:
        seen = f"last status {self._status}" if self._status else "no poll succeeded"
        error = f". Last error: {self._last_error}" if self._last_error else ""
        return f"Timed out after {waited:.0f} s waiting for image {image_id_of(self.image_id)}: {seen}{error}"

    def poke(self, context: Context) -> PokeReturnValue:
        """
        Poll once.

        :raises AirflowFailException: the image failed, or no retry can fix the error of the poll.
        """
        from airflow_provider_modelarts.results import describe_wait, end_with_image, source_notebook

        try:
            image = self._poll()
        except _NON_RETRYABLE as error:
            raise AirflowFailException(str(error)) from error
        if image is not None and not self._is_linked:
            push_image_links(context["ti"], self.hook.settings, image.swr_path)
            self._is_linked = True
        if image is None or image.is_pending:
            return PokeReturnValue(is_done=False)
        # Of a sensor that Airflow rescheduled, this process does not know when the wait began.
        waited = None if self._is_rescheduled or self._began is None else time.time() - self._began
        log.info("%s", describe_wait(image.id, image.swr_path, waited))
        result = end_with_image(self, context, image.to_xcom(), notebook_id=source_notebook(image))
        return PokeReturnValue(is_done=True, xcom_value=result)

    def _poll(self) -> Image | None:
        """Return the image, pending or ACTIVE; None if the poll failed in a way that may pass."""
        image = self._poll_once()
        while self._is_rescheduled and self._last_error and self._last_error.is_denied_without_code:
            time.sleep(_MIN_INTERVAL)
            image = self._poll_once()
        return image

    def _poll_once(self) -> Image | None:
        try:
            image = self.hook.try_get_image(image_id_of(self.image_id))
        except ModelArtsError as error:
            level = logging.DEBUG if self._last_error else logging.WARNING
            self.log.log(level, "Poll failed, will retry: %s", error)
            self._last_error = error
            self._accept(error)
            return None
        self._poll_errors.succeeded()
        self._last_error = None
        self._workspace_id = image.workspace_id
        if image.status != self._status:
            if image.is_pending:  # the line about an ACTIVE one ends the wait
                self.log.info("%s", image.describe())
            self._status = image.status
        return image

    def _accept(self, error: ModelArtsError) -> None:
        """
        Return if waiting continues after a failed poll, else raise the error.

        *Not found* and a 403 without a code end a wait only when several polls in a row confirm them. A
        rescheduled process polls only once: it repeats a 403 at once, and accepts *not found* by the age of
        the wait. A deferrable task leaves both to the trigger.
        """
        if isinstance(error, NotFoundError) and (self.deferrable or self._is_rescheduled):
            return
        self._poll_errors.accept(error, time.monotonic())

    @property
    def _is_rescheduled(self) -> bool:
        return bool(self.reschedule) and not self.deferrable

    @property
    def _retry_after(self) -> float:
        """Seconds of the last response's ``Retry-After``; 0 without one."""
        return (self._last_error.retry_after or 0.0) if self._last_error else 0.0

    def _get_next_poke_interval(
        self, started_at: datetime | float, run_duration: Callable[[], float], poke_count: int
    ) -> float:
        """
        Return the seconds until the next poke, at least ``Retry-After`` as far as the timeout allows.

        :raises AirflowFailException: a rescheduled sensor has not found the image for too long.
        """
        waited = run_duration()
        error = self._last_error
        final_after = max(MIN_TIME_TO_APPEAR, 2 * self.poke_interval)
        if self._is_rescheduled and isinstance(error, NotFoundError) and waited >= final_after:
            raise AirflowFailException(str(error)) from error
        doublings = min(poke_count, _MAX_DOUBLINGS)
        interval: float = super()._get_next_poke_interval(started_at, run_duration, doublings)
        return max(_MIN_INTERVAL, interval, min(self._retry_after, self.timeout - waited))

    def execute_complete(self, context: Context, event: Any = None) -> dict[str, Any]:
        """Return the result of the wait in the triggerer, or raise its error."""
        from airflow_provider_modelarts.triggers.deferral import complete

        try:
            return complete(self, context, event)
        except WaitTimeoutError as error:
            raise AirflowSensorTimeout(str(error)) from error

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """
        Resume after the wait, and let ``soft_fail`` skip timeouts only.

        Airflow's own version would skip a failed image too. If Airflow itself ended the wait, the error
        gets the image id.
        """
        from airflow_provider_modelarts.metrics import count_lost_wait
        from airflow_provider_modelarts.triggers.deferral import ENDED_BY_AIRFLOW

        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except _NON_RETRYABLE as error:
            raise AirflowFailException(str(error)) from error
        except AirflowException as error:
            # With soft_fail or never_fail Airflow skips on any error; its cause decides.
            cause = error.__cause__ if self.soft_fail or self.never_fail else None
            cause = cause if isinstance(cause, AirflowException) else error
            if next_method == ENDED_BY_AIRFLOW:
                count_lost_wait(context)
                # Airflow 2 raises one class for a trigger that timed out and for one that crashed.
                is_timeout = isinstance(cause, AirflowSensorTimeout) or "timeout" in str(cause).lower()
                raise type(error if is_timeout else cause)(self._ended_by_airflow(str(cause))) from error
            if isinstance(cause, AirflowSensorTimeout):
                raise type(error)(str(cause)) from error
            raise cause from cause.__cause__

    def _ended_by_airflow(self, text: str) -> str:
        wait = f"Waiting in the triggerer for image {image_id_of(self.image_id)} ended without a result"
        return f"{wait} (timeout {self.timeout:.0f} s). Airflow reported: {text}"

    def get_openlineage_facets_on_complete(self, ti: Any) -> Any:
        """Return notebook and image as lineage; the OpenLineage provider calls this after the task."""
        from airflow_provider_modelarts.assets.lineage import image_lineage

        return image_lineage(self, ti)

    @cached_property
    def hook(self) -> ModelArtsHook:
        """The hook of ``modelarts_conn_id``."""
        from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook

        return ModelArtsHook(self.modelarts_conn_id)
