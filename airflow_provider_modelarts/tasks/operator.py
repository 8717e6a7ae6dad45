"""The operators' side of calling ModelArts."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_modelarts.exceptions import PERMANENT, ModelArtsError
from airflow_provider_modelarts.tasks.failures import fail_without_retry, name_lost_wait
from airflow_provider_modelarts.templates import TextTemplates

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from typing_extensions import Unpack

    from airflow_provider_modelarts.airflow_arguments import OperatorArguments
    from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook


class ModelArtsOperator(TextTemplates, BaseOperator):
    """
    Run a task, and fail it without a retry where no retry can help.

    A subclass sets the attribute ``modelarts_conn_id``.
    """

    modelarts_conn_id: Any
    non_retryable: tuple[type[ModelArtsError], ...] = PERMANENT
    """Errors that no retry can fix."""
    metric = ""
    """What the task is called in the names of its metrics."""

    # Airflow takes the defaults of a mapped task from the constructors of its classes. Without one here it
    # would read BaseOperator's, of which some (inlets=None) fail the task.
    def __init__(self, **kwargs: Unpack[OperatorArguments]) -> None:
        super().__init__(**kwargs)

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the task, up to its end or its first wait in the triggerer."""
        with fail_without_retry(self.non_retryable), self._measured(context):
            return self._run_task(context)

    def execute_complete(self, context: Context, event: Any = None) -> dict[str, Any]:
        """Continue after a wait in the triggerer, or raise its error."""
        with fail_without_retry(self.non_retryable), self._measured(context):
            return self._continue_task(context, event)

    def _measured(self, context: Context) -> AbstractContextManager[None]:
        from airflow_provider_modelarts.metrics import measure_task

        return measure_task(self.metric, context, self.non_retryable)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after a wait; if Airflow itself ended it, add what was waited for to the error."""
        with name_lost_wait(next_method, self._lost_wait, lambda: self._count_lost_wait(context)):
            return super().resume_execution(next_method, next_kwargs, context)

    def _run_task(self, context: Context) -> dict[str, Any]:
        """Do what the operator is for."""
        raise NotImplementedError

    def _continue_task(self, context: Context, event: Any) -> dict[str, Any]:
        """Continue after a wait in the triggerer with its event; only operators that defer are resumed."""
        raise NotImplementedError

    @property
    def _lost_wait(self) -> str:
        """The message of a wait in the triggerer that ended without a result, and what a retry does."""
        return "Waiting in the triggerer ended without a result"

    def _count_lost_wait(self, context: Context) -> None:
        """Count such a wait."""
        from airflow_provider_modelarts.metrics import count_lost_wait

        count_lost_wait(context, self.metric)

    @cached_property
    def hook(self) -> ModelArtsHook:
        """The hook of ``modelarts_conn_id``."""
        from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook

        return ModelArtsHook(self.modelarts_conn_id)
