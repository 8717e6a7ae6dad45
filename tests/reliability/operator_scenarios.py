"""Scenarios of the operators that change notebooks or their leases, with all of their steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.notebook_steps import NotebookSteps, Step, StopRule
from airflow_provider_modelarts.client.notebooks import Notebook
from airflow_provider_modelarts.client.polled_resources import NOTEBOOKS
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
    Await,
    Scenario,
    TaskRun,
    class_of_each,
    each,
)

CHANGES = ("StartNotebook", "StopNotebook", "UpdateNotebook", "RenewLease")
LEASE = timedelta(hours=2)
IMAGE_ID = "5e2b7c1d-0000-4000-8000-00000000000a"
MakeStep = Callable[[NotebookSteps, "str | None"], Awaitable["Step | Notebook"]]


def done(at_try: int = 1) -> TaskRun:
    return TaskRun("done", at_try, 1)


def as_done(outcomes: dict[str, TaskRun], effects: int = 1) -> dict[str, TaskRun]:
    """Return the outcomes of a read for a scenario that saves nothing."""
    return {fault: TaskRun("done", outcome.tries, effects) for fault, outcome in outcomes.items()}


@dataclass(frozen=True, eq=False)
class OperatorScenario(Scenario):
    """
    A task run of an operator.

    :param step: makes the next step; gets the image that an earlier one of this try has begun to restore.
    :param changes: the operations that take effect once each in a run that succeeds.
    :param renews_again: whether a try renews again after one that could not read the renewed lease, because
        less than what the user asked for is left of it.
    """

    success: str = "done"
    step: MakeStep | None = None
    changes: tuple[str, ...] = ()
    renews_again: bool = False

    async def attempt(
        self,
        modelarts: ModelArtsClient,
        simulator: Simulator,
        wait: Await,
        *,
        check_existing: bool,  # noqa: ARG002 - each step reads first
    ) -> None:
        assert self.step is not None
        deadline = simulator.now() + WAIT_SECONDS
        steps = NotebookSteps(modelarts, simulator.notebook_id, deadline=deadline)
        restored: str | None = None
        while True:
            step = await self.step(steps, restored)
            if isinstance(step, Notebook):
                break
            restored = step.restored.id if step.restored else restored
            if statuses := step.wait_for:
                notebook = await wait(
                    *(modelarts, NOTEBOOKS, simulator.notebook_id),
                    is_done=lambda notebook, statuses=statuses: notebook.ends_wait_for(statuses),  # type: ignore[misc]
                    deadline=deadline,
                )
                notebook.raise_unless_in(statuses)
            if step.is_last:
                break
        assert self._counts(simulator) == dict.fromkeys(self.changes, 1)

    def effects(self, simulator: Simulator) -> int:
        return max(self._counts(simulator).values(), default=0)

    def _counts(self, simulator: Simulator) -> dict[str, int]:
        """Return how often each change took effect, of those that did."""
        counts = Counter(entry.operation for entry in simulator.journal if entry.effect)
        if self.renews_again:
            counts["RenewLease"] = min(counts["RenewLease"], 1)
        return {name: counts[name] for name in CHANGES if counts[name]}


def _stopped(simulator: Simulator, _: Scenario) -> None:
    simulator.notebook().stop()


def _ends_soon(simulator: Simulator, _: Scenario) -> None:
    simulator.notebook().set_lease(seconds=3600)


def _saved(simulator: Simulator, _: Scenario) -> None:
    """The notebook is saved, and its lease outlasts all tries."""
    simulator.notebook().set_lease(seconds=200_000)
    marker = f"[airflow:0123456789abcdef notebook:{simulator.notebook_id}]"
    simulator.add_image(id=IMAGE_ID, status="ACTIVE", description=marker)


# What took effect is found when it is read again; what did not is sent again only by the next try.
TOOK_EFFECT = (*FAILED_AFTER, *LOST, *STRANGE)
CHANGE_ONCE = {**each((ANY, done(2))), **each(((*TURNED_AWAY, *BRIEF, *TOOK_EFFECT), done()))}


def _change_permanently(before: int = 0) -> dict[str, TaskRun]:
    """Return the outcomes of a change that fails permanently, after others that took effect or none."""
    return {**class_of_each(effects=before), **each((TOOK_EFFECT, done()))}


def _reads(*operations: str) -> dict[str, tuple[dict[str, TaskRun], dict[str, TaskRun]]]:
    """Return the outcomes of reads before the first change."""
    return {
        name: (as_done(LIST_ONCE if name.startswith("List") else READ_ONCE), class_of_each())
        for name in operations
    }


def _scenarios(
    title: str,
    step: MakeStep,
    before: Callable[[Simulator, Scenario], None],
    outcomes: dict[str, tuple[dict[str, TaskRun], dict[str, TaskRun]]],
    *changes: str,
) -> list[OperatorScenario]:
    return [
        OperatorScenario(
            name, title=title, step=step, before=before, changes=changes, once=once, permanently=permanently
        )
        for name, (once, permanently) in outcomes.items()
    ]


OPERATOR_SCENARIOS = [
    *_scenarios(
        "StartNotebookOperator",
        lambda steps, _: steps.start(),
        _stopped,
        {**_reads("ShowNotebook"), "StartNotebook": (CHANGE_ONCE, _change_permanently())},
        "StartNotebook",
    ),
    *_scenarios(
        "StopNotebookOperator",
        lambda steps, _: steps.stop(StopRule()),
        _saved,
        {**_reads("ShowNotebook", "ListImages"), "StopNotebook": (CHANGE_ONCE, _change_permanently())},
        "StopNotebook",
    ),
    *_scenarios(
        "StopNotebookOperator with an image_id",
        lambda steps, _: steps.stop(StopRule(IMAGE_ID)),
        _saved,
        _reads("ShowImage"),
        "StopNotebook",
    ),
    *_scenarios(
        "RenewNotebookLeaseOperator",
        lambda steps, _: steps.renew(LEASE),
        _ends_soon,
        {**_reads("ShowNotebook"), "RenewLease": (CHANGE_ONCE, _change_permanently())},
        "RenewLease",
    ),
    OperatorScenario(
        "ShowLease",
        title="RenewNotebookLeaseOperator",
        step=lambda steps, _: steps.renew(LEASE),
        before=_ends_soon,
        changes=("RenewLease",),
        renews_again=True,
        once=as_done(READ_ONCE),
        # A refusal by the service: the lease is read with the notebook.
        permanently={**class_of_each(effects=1), **each((BRIEF, done()))},
    ),
    *_scenarios(
        "RestoreNotebookOperator",
        lambda steps, restored: steps.restore(restored, rule=StopRule()),
        _saved,
        {
            **_reads("ShowNotebook", "ListImages"),
            "StopNotebook": (CHANGE_ONCE, _change_permanently()),
            "UpdateNotebook": (CHANGE_ONCE, _change_permanently(before=1)),
            "StartNotebook": (CHANGE_ONCE, _change_permanently(before=1)),
        },
        *("StopNotebook", "UpdateNotebook", "StartNotebook"),
    ),
    *_scenarios(
        "RestoreNotebookOperator with an image_id",
        lambda steps, _: steps.restore(IMAGE_ID, rule=StopRule()),
        _saved,
        _reads("ShowImage"),
        *("StopNotebook", "UpdateNotebook", "StartNotebook"),
    ),
]
