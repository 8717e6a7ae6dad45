"""
Operators save, start, stop and restore a notebook while people use it: no stop loses what was saved before.

The operators' steps run against the simulator, request by request. Between any two requests people act, a
response is lost, or the process is killed and the next try continues.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule, run_state_machine_as_test

from airflow_provider_modelarts.client import notebook_steps, operations
from airflow_provider_modelarts.client.clouds import HUAWEI_CLOUD
from airflow_provider_modelarts.client.http_types import Request
from airflow_provider_modelarts.client.idempotent_create import IdempotentCreate
from airflow_provider_modelarts.client.marker import IdempotencyKey
from airflow_provider_modelarts.client.notebook_steps import NotebookSteps, Step, StopRule
from airflow_provider_modelarts.client.notebooks import Notebook
from airflow_provider_modelarts.client.snapshot_check import SAVE_GRACE
from airflow_provider_modelarts.exceptions import ModelArtsError, StopRefusedError
from airflow_provider_modelarts.simulator import Fault
from airflow_provider_modelarts.transport import block_on
from tests.in_process import in_process_client
from tests.integration.test_no_environment_is_lost import (
    QUICK,
    WITHIN,
    Notebooks,
    any_marker,
    before_last_start,
    failed_as_active,
    of_any_age,
    without_check,
)

TRIES = 3
RETRY_DELAY = 300.0
TIMEOUT = 3600.0
GRACE = SAVE_GRACE / timedelta(milliseconds=1)
EXAMPLES = 30
NOTHING: tuple[str, int] = ("nothing", 0)
ACTS = ("person_installs", "person_restarts", "reset", "reset_after", "kill")


class Killed(BaseException):
    """The process of the task ends, without a chance to catch it."""


class Operators(Notebooks):
    """A notebook of which operators stop only what is saved, and people do what they want."""

    @initialize()
    def begin_with_client(self) -> None:
        self.act = NOTHING
        self.requests = count()
        self.runs = count()
        self.is_disturbed = False

    # What happens besides the requests of an operator

    def before(self, request: Request) -> None:
        """Judge each stop that the operator sends, and let somebody act before one of its requests."""
        operation = request.url.partition("?")[0].rpartition("/")[2]
        if operation == "start":
            self.started_at = self.now
        # Judged before somebody acts: what happens after the last read is the window that the API leaves.
        if operation == "stop" and self.notebook.status == "RUNNING":
            self.judge_stop()
        act, at = self.act
        if next(self.requests) == at and act != "nothing":
            self.act = NOTHING
            if act == "kill":
                raise Killed
            if act.startswith("person"):
                self.is_disturbed = True
                self.person(act)
            else:
                self.simulator.inject(Fault(act))

    def person(self, act: str) -> None:
        if act == "person_installs":
            self.person_installs()
        else:
            self.person_restarts(hours=24, restored=None)

    def judge_stop(self) -> None:
        """Assert that an ACTIVE snapshot has all that was installed before its save was accepted."""
        images = [image for image in self.store.images() if image.status == "ACTIVE"]
        kept = frozenset().union(*(self.store.environments.of_image(image.swr_path) for image in images))
        lost = [self.installed_at[package] for package in self.notebook.environment - kept]
        is_timed = self.notebook.lease_ends_at is not None
        proofs = [
            image
            for image in images
            if self.saved_of.get(image.id) == self.notebook.id
            and timedelta(milliseconds=self.now - image.create_at) <= WITHIN
            and all(at >= image.create_at for at in lost)
            and not (is_timed and self.started_at - max(image.update_at, image.create_at) > GRACE)
        ]
        assert proofs, "a stop loses what is in no snapshot"

    # Operators

    def run(self, make_step: Callable[[NotebookSteps, str | None], Any], act: tuple[str, int]) -> None:
        """Run the steps of an operator, with its retries."""
        self.act, self.requests, self.is_disturbed = act, count(), False
        lease = self.notebook.lease
        for _ in range(TRIES):
            try:
                block_on(self.try_once(make_step))
            except (ModelArtsError, Killed) as error:  # noqa: PERF203 - the next try continues
                if isinstance(error, StopRefusedError):
                    raise
                self.simulator.advance(RETRY_DELAY)
            else:
                self.judge_lease(lease)
                return

    async def try_once(self, make_step: Callable[[NotebookSteps, str | None], Any]) -> Step | Notebook:
        modelarts = in_process_client(self.simulator, self.before)
        deadline = self.simulator.now() + TIMEOUT
        steps = NotebookSteps(modelarts, self.notebook.id, deadline=deadline)
        show = operations.show_notebook(self.notebook.id)
        restored: str | None = None
        while True:
            step: Step | Notebook = await make_step(steps, restored)
            if isinstance(step, Notebook):
                return step
            restored = step.restored.id if step.restored else restored
            if statuses := step.wait_for:
                waited = await modelarts.watch(
                    show,
                    is_done=lambda found, statuses=statuses: found.ends_wait_for(statuses),  # type: ignore[misc]
                    poll_interval=60,
                    deadline=deadline,
                )
                waited.raise_unless_in(statuses)
            if step.is_last:
                return step

    def judge_lease(self, before: dict[str, Any]) -> None:
        """Assert that a lease without an end is the same afterwards, unless a person set another one."""
        is_timed = before["enable"] and before["type"] == "TIMING" and before["duration"] > 0
        if not is_timed and not self.is_disturbed:
            assert {**self.notebook.lease, "update_at": 0} == {**before, "update_at": 0}

    acts = st.one_of(
        st.just(NOTHING), st.tuples(st.sampled_from(ACTS), st.integers(min_value=0, max_value=5))
    )

    @precondition(lambda self: self.notebook.status == "RUNNING")
    @rule(act=acts)
    def task_stops(self, act: tuple[str, int] = NOTHING) -> None:
        stops = self.notebook.stops
        with suppress(StopRefusedError):
            self.run(lambda steps, _: steps.stop(StopRule(require_snapshot_within=WITHIN)), act)
        assert self.notebook.stops - stops <= (2 if self.is_disturbed else 1)

    @rule(act=acts)
    def task_starts(self, act: tuple[str, int]) -> None:
        starts = self.notebook.starts
        self.run(lambda steps, _: steps.start(), act)
        assert self.notebook.starts - starts <= 1 or self.is_disturbed

    @rule(hours=st.sampled_from([1, 3]), act=acts)
    def task_renews(self, hours: int, act: tuple[str, int]) -> None:
        ends_at = self.notebook.lease_ends_at
        self.run(lambda steps, _: steps.renew(timedelta(hours=hours)), act)
        if ends_at is not None and not self.is_disturbed and self.notebook.status == "RUNNING":
            assert (self.notebook.lease_ends_at or 0) >= ends_at, "a renewal shortened the lease"

    @rule(act=acts, stops_running=st.booleans())
    def task_restores(self, act: tuple[str, int], stops_running: bool) -> None:
        rule = StopRule(require_snapshot_within=WITHIN) if stops_running else None
        with suppress(StopRefusedError):
            self.run(lambda steps, restored: steps.restore(restored, rule=rule), act)

    @precondition(lambda self: self.notebook.status == "RUNNING")
    @rule(fails=st.booleans())
    def task_saves_and_stops(self, fails: bool) -> None:
        """Nobody acts meanwhile, so that the stop must not be refused after a good save."""
        self.run(lambda steps, _: steps.renew(timedelta(hours=2)), NOTHING)
        image_id = self.save(fails)
        if any(image.id == image_id and image.status == "ACTIVE" for image in self.store.images()):
            rule = StopRule(image_id, require_snapshot_within=WITHIN)
            self.run(lambda steps, _: steps.stop(rule), NOTHING)
            assert self.notebook.status == "STOPPED"

    def save(self, fails: bool) -> str | None:
        modelarts = in_process_client(self.simulator)
        key = IdempotencyKey("save_and_stop", "save", f"run {next(self.runs)}", -1)
        if fails:
            self.simulator.inject(Fault("save_fails", "CreateImage"))
        saving = IdempotentCreate(modelarts, HUAWEI_CLOUD, self.notebook.id, key, name="a", namespace="b")
        try:
            image, _ = block_on(saving.save(check_existing=False))
        except ModelArtsError:
            return None
        self.saved_of[image.id] = self.notebook.id
        self.simulator.advance(1200)
        return image.id


def test_operators_lose_nothing_that_was_installed_before_a_save() -> None:
    run_state_machine_as_test(Operators, settings=settings(QUICK, max_examples=EXAMPLES))


def check_any(mutant: Callable[..., Any]) -> Any:
    """Return a mutant of the check as the steps call it."""
    return lambda notebook, images, *, now, **_: mutant(notebook, list(images), now)


SEEDS: dict[Callable[..., Any], int] = {
    without_check: 2,
    any_marker: 1,
    failed_as_active: 3,
    before_last_start: 1,
    of_any_age: 5,
}
"""For each mutant, the first to be tried; another version of hypothesis may need a later one."""
MAX_SEEDS = 40


@pytest.mark.parametrize("mutant", SEEDS, ids=lambda mutant: mutant.__name__)
def test_wrong_check_of_operators_is_found(
    mutant: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the test above would prove nothing."""
    monkeypatch.setattr(notebook_steps, "check_snapshot", check_any(mutant))
    for number in range(SEEDS[mutant], SEEDS[mutant] + MAX_SEEDS):
        machine = seed(number)(type("WrongOperators", (Operators,), {}))
        try:
            run_state_machine_as_test(machine, settings=settings(QUICK, max_examples=EXAMPLES))
        except AssertionError:
            return
    pytest.fail("no example shows that the check is wrong")
