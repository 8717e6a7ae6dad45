"""Retry policies for tasks of this provider (Airflow 3.3 and later)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow import __version__ as airflow_version

try:
    from airflow.sdk.definitions.retry_policy import (
        ExceptionRetryPolicy,
        RetryAction,
        RetryDecision,
        RetryRule,
    )
except ImportError:
    raise ImportError(
        "airflow_provider_modelarts.retry_policies needs Airflow 3.3 or later, which has retry policies; "
        f"this is Airflow {airflow_version}. Remove the import and retry_policy, and set retry_delay instead"
    ) from None

from airflow_provider_modelarts.exceptions import NotebookNotReadyError, QuotaExceededError

if TYPE_CHECKING:
    from airflow.sdk import Context

QUOTA_DELAY = timedelta(minutes=30)
"""Delay before the retry after a used-up quota or cluster, which somebody else has to free."""
BUSY_DELAY = timedelta(minutes=10)
"""Delay before the retry while the notebook is busy or stopped; a save takes some minutes."""

MAX_RETRY_DELAY = 86_400.0
"""Seconds that Airflow itself waits at most with an exponential backoff."""


class LongerDelayRetryPolicy(ExceptionRetryPolicy):
    """
    Lengthen the delay before a retry after some errors, and change nothing else.

    The number of retries stays the task's. Where the task itself would wait longer than the rule, it does.
    """

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: Context | None = None,
    ) -> RetryDecision:
        """Return the decision of the first rule that matches, with the longer of the two delays."""
        decision = super().evaluate(exception, try_number, max_tries, context)
        if decision.retry_delay is None:
            return decision
        return replace(decision, retry_delay=max(decision.retry_delay, _own_delay(context, try_number)))


def _own_delay(context: Any, try_number: int) -> timedelta:
    """Return the longest delay that the task itself may have before its next try."""
    task = context.get("task") if context else None
    delay: timedelta = getattr(task, "retry_delay", timedelta())
    given = getattr(task, "retry_exponential_backoff", 0)
    # To the scheduler True, which earlier versions of Airflow documented, is a factor of two.
    factor = 2.0 if given is True else float(given or 1)
    if factor == 1 or factor < 0:
        return delay  # which Airflow does not limit either
    # Airflow adds up to as much again at random, and never waits longer than a day.
    try:
        seconds = min(2 * max(1.0, delay.total_seconds() * factor ** (try_number - 1)), MAX_RETRY_DELAY)
    except OverflowError:
        seconds = MAX_RETRY_DELAY
    delay = timedelta(seconds=seconds)
    longest: timedelta | None = getattr(task, "max_retry_delay", None)
    return min(delay, longest) if longest else delay


MODELARTS_RETRY_POLICY = LongerDelayRetryPolicy(
    rules=[
        RetryRule(
            exception=QuotaExceededError,
            action=RetryAction.RETRY,
            retry_delay=QUOTA_DELAY,
            reason="A quota or the cluster is used up",
        ),
        RetryRule(
            exception=NotebookNotReadyError,
            action=RetryAction.RETRY,
            retry_delay=BUSY_DELAY,
            reason="The notebook is busy or stopped",
        ),
    ]
)
"""
Waits longer before the retry after a used-up quota (30 minutes) and while the notebook is busy or stopped (10
minutes). Errors that no retry can fix fail the task before Airflow asks a policy.
"""
