"""
Metrics of tasks, sent through Airflow's own ``Stats``; ``docs/metrics.md`` lists them.

Nothing is imported before the first metric, and no metric ever fails a task.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from airflow_provider_modelarts.exceptions import PERMANENT

PREFIX = "modelarts"
"""The first part of each metric's name; Airflow puts its own prefix before it."""

# By name, because Airflow moved these classes from version to version.
_TIMEOUTS = {"AirflowSensorTimeout", "AirflowSkipException", "AirflowTaskTimeout", "WaitTimeoutError"}
_PAUSES = {"AirflowRescheduleException", "TaskDeferred"}

log = logging.getLogger(__name__)


@dataclass
class Save:
    """The outcome of a save that succeeds: ``created``, or ``adopted`` for an existing image."""

    outcome: str = "created"


@dataclass
class Wait:
    """The begin of a wait, in epoch seconds; None if it is unknown, and then no duration is sent."""

    since: float | None = field(default_factory=time.time)


@contextmanager
def measure_save(context: Any) -> Iterator[Save]:
    """
    Count a save by its outcome, and measure it if it succeeds.

    The outcome is ``refused`` after an error that no retry can fix, ``skipped`` if the task is skipped, and
    ``failed`` after any other.
    """
    began = time.monotonic()
    save = Save()
    with _count_failure("save", context, PERMANENT):
        yield save
    _count(f"save.{save.outcome}", context)
    _time("save.duration", time.monotonic() - began, context)


@contextmanager
def measure_wait(context: Any) -> Iterator[Wait]:
    """Count a wait as ``active``, ``timed_out`` or ``failed``, and measure it if the image is ACTIVE."""
    wait = Wait()
    try:
        yield wait
    except BaseException as error:  # Airflow's timeout and its deferral are none of Exception
        names = _class_names(error)
        if names & _TIMEOUTS:
            _count("wait.timed_out", context)
        elif not names & _PAUSES and isinstance(error, Exception):
            _count("wait.failed", context, error=type(error).__name__)
        raise
    _count("wait.active", context)
    if wait.since is not None:
        _time("wait.duration", max(0.0, time.time() - wait.since), context)


@contextmanager
def measure_task(name: str, context: Any, refusals: tuple[type[Exception], ...]) -> Iterator[None]:
    """
    Count a task as ``succeeded``, ``refused`` or ``failed`` when it ends; a deferral is no end.

    :param name: what the task does, such as ``stop``; nothing is counted if it is empty.
    :param refusals: errors that no retry can fix.
    """
    with _count_failure(name, context, refusals):
        yield
    if name:
        _count(f"{name}.succeeded", context)


@contextmanager
def _count_failure(name: str, context: Any, refusals: tuple[type[Exception], ...]) -> Iterator[None]:
    """Count what ends a task other than its success, unless it only pauses or the process is ended."""
    try:
        yield
    except BaseException as error:  # Airflow's timeout and its deferral are none of Exception
        names = _class_names(error)
        is_end = isinstance(error, Exception) or "AirflowTaskTimeout" in names
        if name and is_end and not names & _PAUSES:
            if "AirflowSkipException" in names:
                _count(f"{name}.skipped", context)
            else:
                is_refused = isinstance(error, refusals) or "AirflowFailException" in names
                outcome = "refused" if is_refused else "failed"
                _count(f"{name}.{outcome}", context, error=type(error).__name__)
        raise


def count_lost_wait(context: Any, name: str = "wait") -> None:
    """
    Count a wait that Airflow itself ended, because its trigger died or was too late.

    :param name: what failed by that, as in :func:`measure_task`.
    """
    if name:
        _count(f"{name}.failed", context, error="lost")


def _class_names(error: BaseException) -> set[str]:
    """Return the names of an error's class and of its bases."""
    return {kind.__name__ for kind in type(error).__mro__}


def _count(name: str, context: Any, **tags: str) -> None:
    try:
        _stats().incr(f"{PREFIX}.{name}", tags={**_tags(context), **tags})
    except Exception as error:  # noqa: BLE001 - whatever the metrics backend raises
        log.debug("Metric %s was not sent, the task is not affected: %s", name, error)


def _time(name: str, seconds: float, context: Any) -> None:
    try:
        _stats().timing(f"{PREFIX}.{name}", timedelta(seconds=seconds), tags=_tags(context))
    except Exception as error:  # noqa: BLE001 - whatever the metrics backend raises
        log.debug("Metric %s was not sent, the task is not affected: %s", name, error)


def _tags(context: Any) -> dict[str, str]:
    """Return the tags that Airflow's own task metrics have."""
    ti = context["ti"]
    return {"dag_id": ti.dag_id, "task_id": ti.task_id}


def _stats() -> Any:
    """Return Airflow's ``Stats``, which each line of versions has somewhere else."""
    try:
        from airflow.sdk.observability import stats  # Airflow 3.2 and later
    except ImportError:
        from airflow.stats import Stats as stats  # type: ignore[no-redef]  # noqa: N813
    return stats if hasattr(stats, "incr") else stats.Stats
