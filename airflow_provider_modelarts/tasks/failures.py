"""How a task fails: what Airflow does not retry, and what the message names."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, AirflowTaskTimeout

from airflow_provider_modelarts.exceptions import PERMANENT, ModelArtsError

ENDED_BY_AIRFLOW = "__fail__"
"""The method name with which Airflow resumes a task whose trigger crashed or was too late."""


@contextmanager
def fail_without_retry(errors: tuple[type[ModelArtsError], ...] = PERMANENT) -> Iterator[None]:
    """Raise AirflowFailException for errors that no retry can fix."""
    try:
        yield
    except errors as error:
        raise AirflowFailException(str(error)) from error


@contextmanager
def name_execution_timeout(describe: Callable[[], str]) -> Iterator[None]:
    """
    Add what a task waited for to the error with which Airflow ends it at its ``execution_timeout``.

    :param describe: returns what the task waited for and what it saw last.
    """
    began = time.monotonic()
    try:
        yield
    except AirflowTaskTimeout as error:
        raise AirflowTaskTimeout(
            f"execution_timeout: Timed out after {time.monotonic() - began:.0f} s waiting for {describe()}. "
            f"{error}"
        ) from error


@contextmanager
def name_lost_wait(next_method: str, text: str, on_lost: Callable[[], None]) -> Iterator[None]:
    """
    Add what a task waited for to the error with which Airflow resumes it when its trigger died.

    :param text: the wait, and what a retry does.
    :param on_lost: called before the error is raised.
    """
    try:
        yield
    except AirflowException as error:
        if next_method != ENDED_BY_AIRFLOW:
            raise
        on_lost()
        raise type(error)(f"{text}. Airflow reported: {error}") from error
