"""Runs one task to its end, with all of its waits in the triggerer, without a scheduler."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from airflow.providers.common.compat.sdk import TaskDeferred

from tests.airflow_versions import deserialized, serialized
from tests.recorder import TaskInstance, context

MAX_DEFERRALS = 10


def run(task: Any, ti: TaskInstance | None = None) -> Any:
    """
    Execute a task, run the trigger of each deferral as another process would, and return the result.

    :param ti: receives the XComs.
    """
    given = context(ti or TaskInstance())
    try:
        return task.execute(given)
    except TaskDeferred as error:
        deferred = error
    for _ in range(MAX_DEFERRALS):
        assert deferred.method_name == "execute_complete"
        event = run_trigger(deferred.trigger)
        try:
            return task.resume_execution(deferred.method_name, {"event": event}, given)
        except TaskDeferred as error:
            deferred = error
    raise AssertionError("the task defers again and again")


def run_trigger(trigger: Any) -> Any:
    """Return the one event of a trigger that was stored before it runs."""
    _, arguments = trigger.serialize()
    stored: Any = deserialized(json.loads(json.dumps(serialized(arguments))))
    restarted = type(trigger)(**stored)

    async def events() -> list[Any]:
        return [event.payload async for event in restarted.run()]

    (event,) = asyncio.run(events())
    return json.loads(json.dumps(event))
