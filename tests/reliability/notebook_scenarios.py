"""Scenarios of what starts, stops, renews, updates and lists notebooks, and of what registers images."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.notebook_changes import move_notebook, renew_lease, update_image
from airflow_provider_modelarts.client.notebooks import START, STOP, Move, Notebook
from airflow_provider_modelarts.simulator import Simulator
from tests.reliability.fault_scenarios import (
    ANY,
    BRIEF,
    FAILED_AFTER,
    LIST_ONCE,
    LOST,
    READ_ONCE,
    STRANGE,
    TURNED_AWAY,
    WAIT_SECONDS,
    AwaitImage,
    Scenario,
    TaskRun,
    class_of_each,
    each,
)

OTHER_IMAGE = "00000000-0000-4000-8000-000000000002"
LEASE = timedelta(hours=2)
Attempt = Callable[[ModelArtsClient, Simulator], Awaitable[None]]


def done(at_try: int = 1) -> TaskRun:
    return TaskRun("done", at_try, 1)


def as_done(outcomes: dict[str, TaskRun], effects: int = 1) -> dict[str, TaskRun]:
    """Return the outcomes of a read for a scenario that saves nothing."""
    return {fault: TaskRun("done", outcome.tries, effects) for fault, outcome in outcomes.items()}


@dataclass(frozen=True, eq=False)
class NotebookScenario(Scenario):
    """
    A task run that changes or reads something other than an image.

    :param act: does what one try of an operator does.
    :param is_change: whether the operation has an effect, which is counted.
    """

    success: str = "done"
    act: Attempt | None = None
    is_change: bool = True

    async def attempt(
        self,
        modelarts: ModelArtsClient,
        simulator: Simulator,
        wait: AwaitImage,  # noqa: ARG002 - there is no image
        *,
        check_existing: bool,  # noqa: ARG002 - each try reads first
    ) -> None:
        assert self.act is not None
        await self.act(modelarts, simulator)

    def effects(self, simulator: Simulator) -> int:
        if not self.is_change:
            return 1
        return sum(entry.effect for entry in simulator.journal if entry.operation == self.operation)


def _move(move: Move, operation: Callable[[str], Any]) -> Attempt:
    async def act(modelarts: ModelArtsClient, simulator: Simulator) -> None:
        notebook_id = simulator.notebook_id
        await move_notebook(modelarts, notebook_id, move, operation(notebook_id))
        show = operations.show_notebook(notebook_id)

        def is_done(notebook: Notebook) -> bool:
            return notebook.status == move.to

        deadline = simulator.now() + WAIT_SECONDS
        await modelarts.watch(show, is_done=is_done, poll_interval=60, deadline=deadline)

    return act


async def _renew(modelarts: ModelArtsClient, simulator: Simulator) -> None:
    notebook = await modelarts.call(operations.show_notebook(simulator.notebook_id))
    assert notebook.lease is not None
    left = notebook.lease.left(notebook.service_time or 0)
    assert left is not None
    if left < LEASE - timedelta(minutes=20):
        await renew_lease(modelarts, simulator.notebook_id, LEASE)


async def _update(modelarts: ModelArtsClient, simulator: Simulator) -> None:
    notebook = await modelarts.call(operations.show_notebook(simulator.notebook_id))
    if notebook.image_id != OTHER_IMAGE:
        await update_image(modelarts, simulator.notebook_id, OTHER_IMAGE)


async def _register(modelarts: ModelArtsClient, simulator: Simulator) -> None:
    (swr_path,) = simulator.swr_paths & {image["swr_path"] for image in simulator.images}
    images = await modelarts.list_all(operations.list_images())
    if swr_path not in {image.swr_path for image in images}:
        await modelarts.call(operations.register_image(swr_path))


async def _show_lease(modelarts: ModelArtsClient, simulator: Simulator) -> None:
    lease = await modelarts.call(operations.show_lease(simulator.notebook_id))
    assert lease.is_timed


async def _list_all_users(modelarts: ModelArtsClient, _: Simulator) -> None:
    (notebook,) = await modelarts.list_all(operations.list_notebooks(all_users=True))
    assert notebook.is_running


def _stopped(simulator: Simulator, _: Scenario) -> None:
    simulator.notebook().stop()


def _ends_soon(simulator: Simulator, _: Scenario) -> None:
    simulator.notebook().set_lease(seconds=3600)


def _unregistered(simulator: Simulator, _: Scenario) -> None:
    simulator.set_image_status(simulator.add_image(), "DELETED")


# What took effect is found when it is read again; what did not is sent again only by the next try.
TOOK_EFFECT = (*FAILED_AFTER, *LOST, *STRANGE)
CHANGE_ONCE = {**each((ANY, done(2))), **each(((*TURNED_AWAY, *BRIEF, *TOOK_EFFECT), done()))}
CHANGE_PERMANENTLY = {**class_of_each(), **each((TOOK_EFFECT, done()))}
# The next try finds the record in the list, where this one only had an error.
REGISTER_ONCE = {**each((ANY, done(2))), **each(((*TURNED_AWAY, *BRIEF), done()))}
REGISTER_PERMANENTLY = {**class_of_each(), **each((TOOK_EFFECT, done(2)))}


def _changes(
    operation: str, act: Attempt, before: Callable[[Simulator, Scenario], None] = lambda _, __: None
) -> NotebookScenario:
    return NotebookScenario(
        operation, act=act, before=before, once=CHANGE_ONCE, permanently=CHANGE_PERMANENTLY
    )


NOTEBOOK_SCENARIOS = [
    _changes("StartNotebook", _move(START, operations.start_notebook), _stopped),
    _changes("StopNotebook", _move(STOP, operations.stop_notebook)),
    _changes("RenewLease", _renew, _ends_soon),
    _changes("UpdateNotebook", _update, _stopped),
    NotebookScenario(
        "RegisterImage",
        act=_register,
        before=_unregistered,
        once=REGISTER_ONCE,
        permanently=REGISTER_PERMANENTLY,
    ),
    NotebookScenario(
        "ShowLease",
        act=_show_lease,
        is_change=False,
        once=as_done(READ_ONCE),
        permanently=class_of_each(effects=1),
    ),
    NotebookScenario(
        "ListAllNotebooks",
        act=_list_all_users,
        is_change=False,
        once=as_done(LIST_ONCE),
        permanently=class_of_each(effects=1),
    ),
]
