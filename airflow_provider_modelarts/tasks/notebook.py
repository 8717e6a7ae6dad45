"""How tasks change a notebook, step by step, and wait for what they changed."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_modelarts.arguments import (
    check_conn_id,
    check_execution_timeout,
    check_flags,
    duration_of,
    given,
    image_id_of,
    refuse_nothing,
    seconds,
)
from airflow_provider_modelarts.exceptions import ModelArtsError, WaitTimeoutError
from airflow_provider_modelarts.links.console import NotebookLink, NotebookListLink, push_notebook_links
from airflow_provider_modelarts.tasks.failures import name_execution_timeout
from airflow_provider_modelarts.tasks.operator import ModelArtsOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from typing_extensions import Unpack

    from airflow_provider_modelarts.airflow_arguments import OperatorArguments, Templated
    from airflow_provider_modelarts.client.models import Image
    from airflow_provider_modelarts.client.notebook_steps import Step, StopRule
    from airflow_provider_modelarts.client.notebooks import Notebook
    from airflow_provider_modelarts.triggers.events import NotebookEvent

DEFAULT_SNAPSHOT_AGE = "2h"
"""How long ago the snapshot of a notebook that is stopped may have begun, by default."""


@dataclass
class Progress:
    """
    What one leg of a task passes to the next one, through the event of its wait.

    :param deadline: epoch seconds until which all waits of the task must end.
    :param is_last: whether the task ends with the present wait.
    :param changed: whether this try started or stopped the notebook.
    :param image_id: the image that a restore sets.
    :param snapshot: facts of the notebook's newest snapshot for the XCom, if the images were read.
    :param notebook_id: the notebook.
    :param statuses: those that end the present wait.
    """

    deadline: float
    is_last: bool = False
    changed: bool = False
    image_id: str | None = None
    snapshot: dict[str, Any] = field(default_factory=dict)
    notebook_id: str | None = None
    statuses: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, passthrough: dict[str, Any], default_deadline: float) -> Progress:
        """Return the progress that an event holds, even if another version of this provider wrote it."""
        types: dict[str, Any] = {
            "deadline": (int, float),
            "is_last": bool,
            "changed": bool,
            "image_id": str,
            "snapshot": dict,
            "notebook_id": str,
            "statuses": list,
        }
        known = {n: passthrough[n] for n, kind in types.items() if isinstance(passthrough.get(n), kind)}
        return cls(**{"deadline": default_deadline, **known})

    def add(self, step: Step) -> None:
        """Add what a step has done."""
        self.is_last = step.is_last
        self.changed = self.changed or step.changed
        if step.restored is not None:
            self.image_id = step.restored.id


class NotebookTask(ModelArtsOperator):
    """A task about one notebook."""

    operator_extra_links = (NotebookLink(), NotebookListLink())
    ui_color = "#f6e7c8"

    def __init__(
        self, *, notebook_id: Templated, modelarts_conn_id: Templated, **kwargs: Unpack[OperatorArguments]
    ) -> None:
        super().__init__(**kwargs)
        check_execution_timeout(self.execution_timeout)
        self.notebook_id: Any = notebook_id  # a string once it is rendered
        self.modelarts_conn_id: Any = modelarts_conn_id

    def _begin(self, context: Context) -> None:
        """Validate the common arguments and push the link to the list."""
        check_conn_id(self.modelarts_conn_id)
        refuse_nothing(notebook_id=self.notebook_id)
        push_notebook_links(context["ti"], self.hook.settings)

    def _end(self, context: Context, notebook: Notebook, **facts: Any) -> dict[str, Any]:
        """Push the XComs and return the result."""
        from airflow_provider_modelarts.results import push_notebook_xcoms

        lease = f"; {notebook.lease.describe()}" if notebook.lease and notebook.is_running else ""
        self.log.info("%s%s", notebook.describe(), lease)
        return push_notebook_xcoms(context, {**notebook.to_xcom(self.hook.settings.cloud), **facts})


class NotebookChangeTask(NotebookTask):
    """A task that changes the status of a notebook, in steps between which it waits."""

    what_continues = "what the task has begun"
    """What goes on if the task is killed, for the log."""
    returns_changed = False
    """Whether the result has ``changed``."""
    duration: Any = None
    """The lease that a start requests, of tasks that start."""

    def __init__(
        self,
        *,
        notebook_id: Templated,
        wait_for_completion: bool,
        deferrable: bool,
        poll_interval: float | timedelta,
        timeout: float | timedelta,
        modelarts_conn_id: Templated,
        **kwargs: Unpack[OperatorArguments],
    ) -> None:
        super().__init__(notebook_id=notebook_id, modelarts_conn_id=modelarts_conn_id, **kwargs)
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.poll_interval = seconds("poll_interval", poll_interval)
        self.timeout = seconds("timeout", timeout)

    def _check_arguments(self) -> None:
        """
        Validate the arguments of the operator.

        :raises RequestValidationError: one is invalid.
        """
        raise NotImplementedError

    def _take_step(self, progress: Progress) -> Step:
        """Send what the notebook's present status allows, and return what to wait for."""
        raise NotImplementedError

    def _result(self, progress: Progress) -> dict[str, Any]:
        """Return what the result has besides the notebook."""
        return {**progress.snapshot, **({"changed": progress.changed} if self.returns_changed else {})}

    def _checked(self, notebook: Notebook, progress: Progress) -> Notebook:
        """
        Return the notebook as the task ends with it.

        :raises ModelArtsError: it runs another image than the one that was restored, which somebody set
            meanwhile.
        """
        image_id = progress.image_id
        if image_id is None or notebook.image_id is None or notebook.runs(image_id):
            return notebook
        # A wait in the triggerer reads a list, which may lag behind.
        current = self.hook.get_notebook(self.notebook_id)
        if current.image_id is None or current.runs(image_id):
            return current
        raise ModelArtsError(
            f"{current.describe()} with the image {current.image_id}, not {image_id}, which was restored: "
            "somebody has set the other one meanwhile. A retry goes on from there"
        )

    def _run_task(self, context: Context) -> dict[str, Any]:
        self._begin(context)
        check_flags(wait_for_completion=self.wait_for_completion, deferrable=self.deferrable)
        self._check_arguments()
        return self._continue(context, Progress(self._new_deadline))

    def _continue_task(self, context: Context, event: Any) -> dict[str, Any]:
        from airflow_provider_modelarts.triggers.deferral import raise_execution_timeout
        from airflow_provider_modelarts.triggers.events import NotebookEvent

        with raise_execution_timeout(self):
            ended = NotebookEvent.read(event)
            progress = Progress.read(ended.passthrough, self._new_deadline)
            notebook = self._read_last(ended, progress) or ended.result()
        # The template is rendered again after a wait, by now perhaps to another notebook.
        self.notebook_id = notebook.id
        if progress.is_last:
            return self._end(context, self._checked(notebook, progress), **self._result(progress))
        return self._continue(context, progress)

    def _read_last(self, event: NotebookEvent, progress: Progress) -> Notebook | None:
        """Return the notebook if the task is done, although its wait in the triggerer timed out."""
        notebook_id, statuses = progress.notebook_id, progress.statuses
        if notebook_id is None or not progress.is_last:
            return None

        def read() -> Notebook | None:
            notebook = self.hook.try_get_notebook(notebook_id).raise_unless_in(statuses)
            return notebook if notebook.is_in(statuses) else None

        return event.read_after_timeout(f"notebook {notebook_id}", read)

    def _continue(self, context: Context, progress: Progress) -> dict[str, Any]:
        """Take steps until the last one; between two of them the task may defer."""
        from airflow_provider_modelarts.triggers.deferral import raise_execution_timeout

        with raise_execution_timeout(self):
            while True:
                step = self._take_step(progress)
                progress.add(step)
                if step.snapshot is not None:
                    progress.snapshot = self._snapshot_facts(step.snapshot)
                notebook = step.notebook
                push_notebook_links(context["ti"], self.hook.settings, notebook.url)
                self._log_step(step)
                if step.wait_for and (self.wait_for_completion or not step.is_last):
                    notebook = self._wait(step, progress)
                if step.is_last:
                    return self._end(context, self._checked(notebook, progress), **self._result(progress))
                if time.time() > progress.deadline:
                    raise WaitTimeoutError(
                        f"Timed out after {self.timeout:.0f} s, before the task was done: "
                        f"{notebook.describe()}. A retry continues from there"
                    )

    def _log_step(self, step: Step) -> None:
        if step.wait_for:
            self.log.info("%s", step.notebook.describe())
        elif step.is_last and not step.changed:
            self.log.info("%s already, so nothing was sent", step.notebook.describe())
            if step.notebook.is_running and given(self.duration) is not None:
                self.log.info(
                    "The duration is not used for notebook %s, which runs: prolong its lease with a "
                    "RenewNotebookLeaseOperator",
                    self.notebook_id,
                )

    def _wait(self, step: Step, progress: Progress) -> Notebook:
        """Return the notebook when it has one of the statuses that the step waits for, or defer."""
        if self.deferrable:
            progress.notebook_id, progress.statuses = self.notebook_id, list(step.wait_for)
            from airflow_provider_modelarts.triggers.deferral import defer_until_done
            from airflow_provider_modelarts.triggers.notebook import NotebookStatusTrigger

            defer_until_done(
                self,
                NotebookStatusTrigger,
                notebook_id=self.notebook_id,
                statuses=step.wait_for,
                poll_interval=self.poll_interval,
                deadline=progress.deadline,
                passthrough=asdict(progress),
                workspace_id=step.notebook.workspace_id,
            )
        last = step.notebook

        def on_poll(polled: Notebook) -> None:
            nonlocal last
            last = polled

        with name_execution_timeout(lambda: f"notebook {self.notebook_id}: last status {last.status}"):
            return self.hook.wait_for_notebook(
                self.notebook_id,
                step.wait_for,
                poll_interval=self.poll_interval,
                deadline=progress.deadline,
                on_poll=on_poll,
            )

    @property
    def _new_deadline(self) -> float:
        """The deadline of a try that begins now."""
        from airflow_provider_modelarts.triggers.deferral import wait_limit

        return time.time() + (wait_limit(self) if self.deferrable else self.timeout)

    @staticmethod
    def _snapshot_facts(snapshot: Image) -> dict[str, Any]:
        from airflow_provider_modelarts.client.models import iso_utc

        return {"last_snapshot_at": iso_utc(snapshot.create_at), "last_snapshot_id": snapshot.id}

    @property
    def _lost_wait(self) -> str:
        return (
            f"Waiting in the triggerer for notebook {self.notebook_id} ended without a result "
            f"(timeout {self.timeout:.0f} s; a retry continues from its status)"
        )

    def on_kill(self) -> None:
        """Log what continues: ModelArts cannot cancel it."""
        self.log.warning(
            "ModelArts cannot cancel %s of notebook %s; if it was accepted, it continues. A retry goes on "
            "from the status that it finds",
            *(self.what_continues, self.notebook_id),
        )


def lease_duration(value: object) -> timedelta | None:
    """
    Return the lease that a start requests; None to keep the one that the notebook had.

    :raises RequestValidationError: it is no duration, nor the constant ``NO_AUTO_STOP``.
    """
    from airflow_provider_modelarts.client.notebooks import NO_AUTO_STOP

    if given(value) is None:
        return None
    return NO_AUTO_STOP if value == NO_AUTO_STOP else duration_of("duration", value)


def stop_rule(image_id: object, require_snapshot_within: object, *, discard_environment: bool) -> StopRule:
    """
    Return when a notebook may be stopped.

    :raises RequestValidationError: an argument is invalid.
    """
    from airflow_provider_modelarts.client.notebook_steps import StopRule

    check_flags(discard_environment=discard_environment)
    within = given(require_snapshot_within)
    return StopRule(
        None if given(image_id) is None else image_id_of(image_id),
        # A zero is not the default, but refused.
        duration_of("require_snapshot_within", DEFAULT_SNAPSHOT_AGE if within is None else within),
        discard_environment,
    )
