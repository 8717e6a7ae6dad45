"""How sensors wait: in a worker, rescheduled or deferred, and how their waits end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Protocol, TypeVar

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    BaseSensorOperator,
    PokeReturnValue,
)

from airflow_provider_modelarts.arguments import check_conn_id, check_execution_timeout, check_flags, seconds
from airflow_provider_modelarts.client.poll_errors import MIN_TIME_TO_APPEAR, PollErrors
from airflow_provider_modelarts.exceptions import (
    PERMANENT,
    ModelArtsError,
    NotFoundError,
    WaitTimeoutError,
)
from airflow_provider_modelarts.tasks.failures import (
    ENDED_BY_AIRFLOW,
    fail_without_retry,
    name_execution_timeout,
)
from airflow_provider_modelarts.templates import TextTemplates

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from typing_extensions import Unpack

    from airflow_provider_modelarts.airflow_arguments import SensorArguments
    from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
    from airflow_provider_modelarts.triggers.events import WaitEvent

log = logging.getLogger(__name__)

POKE_INTERVAL = 10.0
"""Seconds between two polls by default."""
RESCHEDULED_POKE_INTERVAL = 60.0
"""The same with ``mode="reschedule"``, where each poll starts a process."""
MAX_DOUBLINGS = 500
"""Limit on ``exponential_backoff``: Airflow doubles the interval at each poke until a float overflows."""
MIN_INTERVAL = 1.0
"""Minimum seconds between two polls, whatever ``poke_interval`` is, to protect the service."""


class Polled(Protocol):
    """A resource that a sensor polls."""

    workspace_id: str | None
    status: str | None

    def describe(self) -> str:
        """Return a line for the log."""


PolledT = TypeVar("PolledT", bound=Polled)


class WaitingSensor(TextTemplates, BaseSensorOperator, Generic[PolledT]):
    """
    Wait for one resource of ModelArts.

    A poll that fails in a way that may pass is retried until ``timeout`` is over. Only a timeout skips the
    task, with ``soft_fail``; a resource that failed never does.
    """

    non_retryable: tuple[type[ModelArtsError], ...] = PERMANENT
    """Errors after which no retry of the sensor can succeed."""

    def __init__(
        self,
        *,
        poke_interval: float | timedelta | None,
        timeout: float | timedelta,
        deferrable: bool,
        modelarts_conn_id: Any,
        **kwargs: Unpack[SensorArguments],
    ) -> None:
        super().__init__(
            poke_interval=seconds(
                "poke_interval",
                POKE_INTERVAL if poke_interval is None else poke_interval,
                may_be_zero=True,
            ),
            timeout=seconds("timeout", timeout, may_be_zero=True),
            **kwargs,
        )
        check_execution_timeout(self.execution_timeout)
        self.deferrable = deferrable
        # Only now: the mode may come from the DAG's default_args.
        if poke_interval is None and self._is_rescheduled:
            self.poke_interval = RESCHEDULED_POKE_INTERVAL
        self.modelarts_conn_id = modelarts_conn_id
        self._poll_errors = PollErrors()
        self._status: str | None = None
        self._workspace_id: str | None = None
        self._last_error: ModelArtsError | None = None
        self._began: float | None = None
        self._is_linked = False

    # What a subclass defines

    @property
    def _subject(self) -> str:
        """What is waited for, for messages, such as ``image 4e0d…``."""
        raise NotImplementedError

    def _check_arguments(self, context: Context) -> None:
        """
        Validate the arguments and push the links.

        :raises RequestValidationError: an argument is invalid.
        """
        raise NotImplementedError

    def _push_links(self, context: Context, resource: PolledT) -> None:
        """Push the addresses of links that the resource itself has; called once in a process."""
        raise NotImplementedError

    def _read(self) -> PolledT:
        """
        Return the resource, with one request and no retry.

        :raises ModelArtsError: the request failed, or the resource did.
        """
        raise NotImplementedError

    def _is_done(self, resource: PolledT) -> bool:
        """Whether the wait is over."""
        raise NotImplementedError

    def _end(self, context: Context, resource: PolledT) -> dict[str, Any]:
        """End the task: push its XComs and return its result."""
        raise NotImplementedError

    def _defer_wait(self, *, poll_interval: float, retry_after: float, workspace_id: str | None) -> NoReturn:
        """Move the wait to the triggerer."""
        raise NotImplementedError

    def _complete(self, context: Context, event: Any) -> dict[str, Any]:
        """End the task with the trigger's event."""
        raise NotImplementedError

    def _measure(self, context: Context, *, is_continued: bool) -> AbstractContextManager[None]:  # noqa: ARG002
        """
        Measure a wait, for sensors that have metrics.

        :param is_continued: whether an earlier process began it.
        """
        return nullcontext()

    def _count_lost_wait(self, context: Context) -> None:
        """Count a wait that Airflow itself ended, for sensors that have metrics."""

    # How it waits

    def execute(self, context: Context) -> Any:
        """Wait in this process or, if deferrable, in the triggerer."""
        with self._measure(context, is_continued=self._is_rescheduled):
            return self._wait(context)

    def _wait(self, context: Context) -> Any:
        # dag.test() runs the task again in this process, as a copy that shares this object.
        self._poll_errors = PollErrors()
        with fail_without_retry():
            check_conn_id(self.modelarts_conn_id)
            check_flags(deferrable=self.deferrable)
            self._check_arguments(context)
            settings = self.hook.settings
        self._began = time.time()
        log.info("Waiting for %s in %s (%s)", self._subject, settings.cloud.display_name, settings.endpoint)
        if not self.deferrable:
            return self._wait_here(context)
        # Poll once before deferring: what is already done needs no triggerer.
        if (seen := self.poke(context)).is_done:
            return seen.xcom_value
        return self._defer_wait(
            poll_interval=self.poke_interval,
            retry_after=self._retry_after,
            workspace_id=self._workspace_id,
        )

    def _wait_here(self, context: Context) -> Any:
        """Let Airflow poke, and add what is waited for to its timeouts, which do not name it."""
        with name_execution_timeout(self._describe_wait):
            try:
                return super().execute(context)
            except AirflowSkipException as skip:
                # With soft_fail Airflow skips on any error of a poke; only its own timeout, which has no
                # cause, may skip.
                if isinstance(skip.__cause__, AirflowFailException):
                    raise skip.__cause__ from skip.__cause__.__cause__
                if isinstance(skip.__cause__, (AirflowTaskTimeout, ModelArtsError)):
                    raise skip.__cause__ from skip
                if skip.__cause__ or "timed out" not in str(skip):  # raised by a subclass
                    raise
                raise AirflowSkipException(self._timed_out) from skip
            except AirflowSensorTimeout as error:
                raise AirflowSensorTimeout(self._timed_out) from error

    @property
    def _timed_out(self) -> str:
        return f"Timed out after {self.timeout:.0f} s waiting for {self._describe_wait()}"

    def _describe_wait(self) -> str:
        seen = f"last status {self._status}" if self._status else "no poll succeeded"
        error = f". Last error: {self._last_error}" if self._last_error else ""
        return f"{self._subject}: {seen}{error}"

    def poke(self, context: Context) -> PokeReturnValue:
        """
        Poll once.

        :raises AirflowFailException: the resource failed, or no retry can fix the error of the poll.
        """
        with fail_without_retry(self.non_retryable):
            resource = self._poll()
        if resource is not None and not self._is_linked:
            self._push_links(context, resource)
            self._is_linked = True
        if resource is None or not self._is_done(resource):
            return PokeReturnValue(is_done=False)
        return PokeReturnValue(is_done=True, xcom_value=self._end(context, resource))

    def _poll(self) -> PolledT | None:
        """Return the resource; None if the poll failed in a way that may pass."""
        resource = self._poll_once()
        while self._is_rescheduled and self._last_error and self._last_error.is_denied_without_code:
            time.sleep(MIN_INTERVAL)
            resource = self._poll_once()
        return resource

    def _poll_once(self) -> PolledT | None:
        try:
            resource = self._read()
        except ModelArtsError as error:
            level = logging.DEBUG if self._last_error else logging.WARNING
            self.log.log(level, "Poll failed, will retry: %s", error)
            self._last_error = error
            self._accept(error)
            return None
        self._poll_errors.succeeded()
        self._last_error = None
        self._workspace_id = resource.workspace_id
        if resource.status != self._status:
            if not self._is_done(resource):  # the line about one that is done ends the wait
                self.log.info("%s", resource.describe())
            self._status = resource.status
        return resource

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

    def _read_last(self, event: WaitEvent) -> PolledT | None:
        """
        Return the resource if it is done, although the wait in the triggerer timed out; else None.

        :raises ModelArtsError: the resource has failed, which ``soft_fail`` must not skip.
        """

        def read() -> PolledT | None:
            resource = self._read()
            return resource if self._is_done(resource) else None

        return event.read_after_timeout(self._subject, read)

    @property
    def _waited(self) -> float | None:
        """Seconds since the wait began, which is unknown in a process that Airflow rescheduled."""
        return None if self._is_rescheduled or self._began is None else time.time() - self._began

    @property
    def _is_rescheduled(self) -> bool:
        return bool(self.reschedule) and not self.deferrable

    @property
    def _retry_after(self) -> float:
        """Seconds without polls because of the last response's ``Retry-After``; 0 without one."""
        return self._last_error.poll_pause if self._last_error else 0.0

    def _get_next_poke_interval(
        self, started_at: datetime | float, run_duration: Callable[[], float], poke_count: int
    ) -> float:
        """
        Return the seconds until the next poke, at least ``Retry-After`` as far as the timeout allows.

        :raises AirflowFailException: a rescheduled sensor has not found the resource for too long.
        """
        waited = run_duration()
        error = self._last_error
        final_after = max(MIN_TIME_TO_APPEAR, 2 * self.poke_interval)
        if self._is_rescheduled and isinstance(error, NotFoundError) and waited >= final_after:
            raise AirflowFailException(str(error)) from error
        doublings = min(poke_count, MAX_DOUBLINGS)
        interval: float = super()._get_next_poke_interval(started_at, run_duration, doublings)
        return max(MIN_INTERVAL, interval, min(self._retry_after, self.timeout - waited))

    def execute_complete(self, context: Context, event: Any = None) -> dict[str, Any]:
        """Return the result of the wait in the triggerer, or raise its error."""
        try:
            return self._complete(context, event)
        except WaitTimeoutError as error:
            raise AirflowSensorTimeout(str(error)) from error

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """
        Resume after the wait, and let ``soft_fail`` skip timeouts only.

        Airflow's own version would skip a resource that failed too. If Airflow itself ended the wait, the
        error gets what was waited for.
        """
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except self.non_retryable as error:
            raise AirflowFailException(str(error)) from error
        except AirflowException as error:
            # With soft_fail or never_fail Airflow skips on any error; its cause decides.
            cause = error.__cause__ if self.soft_fail or self.never_fail else None
            cause = cause if isinstance(cause, AirflowException) else error
            if next_method == ENDED_BY_AIRFLOW:
                self._count_lost_wait(context)
                # Airflow 2 raises one class for a trigger that timed out and for one that crashed.
                is_timeout = isinstance(cause, AirflowSensorTimeout) or "timeout" in str(cause).lower()
                raise type(error if is_timeout else cause)(self._ended_by_airflow(str(cause))) from error
            if isinstance(cause, AirflowSensorTimeout):
                raise type(error)(str(cause)) from error
            raise cause from cause.__cause__

    def _ended_by_airflow(self, text: str) -> str:
        wait = f"Waiting in the triggerer for {self._subject} ended without a result"
        return f"{wait} (timeout {self.timeout:.0f} s). Airflow reported: {text}"

    @cached_property
    def hook(self) -> ModelArtsHook:
        """The hook of ``modelarts_conn_id``."""
        from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook

        return ModelArtsHook(self.modelarts_conn_id)
