"""Saves of a simulated notebook by the operator, for the tests of its arguments."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.simulator import Simulator
from airflow_provider_modelarts.simulator.request_log import JournalEntry
from tests.recorder import TaskInstance
from tests.task_runs import run

in_both = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "triggerer"])


@contextmanager
def simulated(
    monkeypatch: pytest.MonkeyPatch,
    when: Callable[[Simulator, JournalEntry], bool] = lambda *_: False,
    do: Callable[[Simulator], object] = lambda _: None,
    **options: Any,
) -> Iterator[Simulator]:
    """
    Serve a simulator as the connection.

    :param when: after which request something happens, once.
    :param do: what happens.
    """
    left = [do]

    def observe(entry: JournalEntry) -> None:
        if left and when(simulator, entry):
            left.pop()(simulator)

    with Simulator(observer=observe, **options) as simulator:
        monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(simulator.connection))
        yield simulator


def is_seen_active(simulator: Simulator, entry: JournalEntry) -> bool:
    """Whether a request is the poll that finds the newest image ACTIVE."""
    return entry.operation in {"ShowImage", "ListImages"} and simulator.images[-1]["status"] == "ACTIVE"


def operator(simulator: Simulator, **arguments: Any) -> CreateNotebookImageOperator:
    given = {"task_id": "save", "notebook_id": simulator.notebook_id, "name": "research", "namespace": "team"}
    return CreateNotebookImageOperator(**{**given, "poll_interval": 0.02, **arguments})


def save(simulator: Simulator, ti: TaskInstance | None = None, **arguments: Any) -> Any:
    """Run the operator to its end, with its waits in the triggerer, and return the result."""
    return run(operator(simulator, **arguments), ti)


def sent(simulator: Simulator) -> list[str]:
    """Return the operations that reached the service, oldest first."""
    return [entry.operation for entry in simulator.journal]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the provider's warnings, without those of the poller, which finds these intervals too short."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno == logging.WARNING
        and record.name.startswith(("airflow_provider_modelarts.client", "airflow_provider_modelarts.tasks"))
    ]
