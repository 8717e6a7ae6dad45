"""The read with which a task ends a wait in the triggerer that timed out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_modelarts.exceptions import ImageFailedError, ModelArtsError, NotebookFailedError

if TYPE_CHECKING:
    from airflow_provider_modelarts.triggers.events import WaitEvent

T = TypeVar("T")

log = logging.getLogger(__name__)


def read_last(event: WaitEvent, subject: str, read: Callable[[], T | None]) -> T | None:
    """
    Return what a task waited for if it is done, although its wait in the triggerer timed out; else None.

    Several waits are polled by one list, which may lag behind the resource itself, and an event may be late.

    :param subject: what the task waited for, for the log.
    :param read: returns it with one request, or None if it is not done.
    :raises ImageFailedError: it has failed, which is no timeout; so for :class:`NotebookFailedError`.
    """
    if event.status != "timeout":
        return None
    try:
        return read()
    except (ImageFailedError, NotebookFailedError):
        raise
    except ModelArtsError as error:
        log.info("The last poll of %s failed, so the wait has timed out: %s", subject, error)
        return None
