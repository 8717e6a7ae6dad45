"""Keeps Airflow's logs when a test fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.stack import AirflowStack


@contextmanager
def keep_logs_after_failure(stack: AirflowStack, session: pytest.Session) -> Iterator[None]:
    """
    Keep ``AIRFLOW_HOME`` if a test fails while the context is open.

    :param stack: the Airflow that the tests share; it is stopped after this context has ended.
    :param session: counts the failed tests.
    """
    failed_before = session.testsfailed
    yield
    stack.keep_logs |= session.testsfailed > failed_before
