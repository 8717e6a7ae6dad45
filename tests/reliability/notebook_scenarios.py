"""Scenarios of what lists notebooks, shows leases and registers images, outside of operators."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.simulator import Simulator
from tests.reliability.fault_scenarios import (
    ANY,
    BRIEF,
    LIST_ONCE,
    READ_ONCE,
    TURNED_AWAY,
    Await,
    Scenario,
    class_of_each,
    each,
)
from tests.reliability.operator_scenarios import TOOK_EFFECT, as_done, done

Attempt = Callable[[ModelArtsClient, Simulator], Awaitable[None]]


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
        wait: Await,  # noqa: ARG002 - there is no image
        *,
        check_existing: bool,  # noqa: ARG002 - each try reads first
    ) -> None:
        assert self.act is not None
        await self.act(modelarts, simulator)

    def effects(self, simulator: Simulator) -> int:
        if not self.is_change:
            return 1
        return sum(entry.effect for entry in simulator.journal if entry.operation == self.operation)


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


def _unregistered(simulator: Simulator, _: Scenario) -> None:
    simulator.set_image_status(simulator.add_image(), "DELETED")


# The next try finds the record in the list, where this one only had an error.
REGISTER_ONCE = {**each((ANY, done(2))), **each(((*TURNED_AWAY, *BRIEF), done()))}
REGISTER_PERMANENTLY = {**class_of_each(), **each((TOOK_EFFECT, done(2)))}


NOTEBOOK_SCENARIOS = [
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
