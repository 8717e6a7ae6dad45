"""
People and tasks do things to a notebook in any order: a stop that was checked loses nothing that was saved.

Nothing is sent: the states are those of the simulator, parsed as its responses are.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.notebooks import Notebook
from airflow_provider_modelarts.client.snapshot_check import SAVE_GRACE, SnapshotCheck, check_snapshot
from airflow_provider_modelarts.simulator import AfterSeconds, AtOnce, NotebookBehaviour, Simulator
from airflow_provider_modelarts.simulator.exchange import Refusal

Check = Callable[[Notebook, list[Image], int], SnapshotCheck]
WITHIN = timedelta(hours=2)
LEASES: list[dict[str, Any]] = [
    {"seconds": 200_000},
    {"seconds": 20_000},
    {"seconds": 200_000, "enable": False},
    {"seconds": None},
    {"seconds": 7200, "type": "IDLE"},
]


def check(notebook: Notebook, images: list[Image], now: int) -> SnapshotCheck:
    return check_snapshot(notebook, images, now=now, require_snapshot_within=WITHIN)


class Notebooks(RuleBasedStateMachine):
    """A notebook of which tasks stop only what is saved, and people do what they want."""

    check: Check = staticmethod(check)

    @initialize(
        lease=st.sampled_from(LEASES),
        touched_by=st.sampled_from([(), ("save",), ("stop",), ("save", "stop")]),
        interrupts=st.booleans(),
    )
    def begin(self, lease: dict[str, Any], touched_by: tuple[str, ...], interrupts: bool) -> None:
        behaviour = NotebookBehaviour(
            starting=AtOnce(),
            stopping=AtOnce(),
            snapshotting=AfterSeconds(120),
            # A start without auto stop makes the lease that there was.
            no_auto_stop="unlimited" if lease["seconds"] is None else "disabled",
            touched_by=touched_by,
            lease_interrupts_save=interrupts,
        )
        self.simulator = Simulator(save=AfterSeconds(900), notebooks=behaviour)
        self.simulator.freeze()
        self.store = self.simulator._projects.home
        self.notebook = self.simulator.notebook()
        self.notebook.set_lease(**lease)
        self.other = self.simulator.add_notebook()
        self.simulator.notebook(self.other).set_lease(seconds=None)
        self.started_at = self.now
        self.installed_at: dict[str, int] = {}
        self.saved_of: dict[str, str] = {}
        self.tags = 0

    @property
    def now(self) -> int:
        return int(self.simulator.now() * 1000)

    def read(self) -> tuple[Notebook, list[Image]]:
        record = self.store.notebook(self.notebook.id)
        document = record.document(self.store.image_of(record), "host") | {"current_time": self.now}
        images = [image.document() for image in self.store.listed_images()]
        return Notebook.model_validate(document), [Image.model_validate(image) for image in images]

    @rule(seconds=st.sampled_from([60, 600, 1200, 3600, 10_000]))
    def time_passes(self, seconds: int) -> None:
        self.simulator.advance(seconds)

    @rule()
    def person_installs(self) -> None:
        package = f"package-{len(self.installed_at)}"
        with suppress(ValueError):
            self.notebook.install(package)
            self.installed_at[package] = self.now

    @rule(
        is_own=st.sampled_from([True, True, False]),
        is_marked=st.sampled_from([True, True, False]),
        fails=st.sampled_from([False, False, True]),
        waits=st.sampled_from([True, True, False]),
    )
    def task_saves(self, is_own: bool, is_marked: bool, fails: bool, waits: bool) -> None:
        notebook_id = self.notebook.id if is_own else self.other
        self.tags += 1
        marker = f"[airflow:{self.tags:016x} notebook:{notebook_id}]" if is_marked else ""
        fields = {"name": "a", "namespace": "b", "tag": f"v{self.tags}", "description": marker}
        with suppress(Refusal):
            image = self.store.start_save(notebook_id, fields)
            self.saved_of[image.id] = notebook_id
            if fails:
                self.store.fail_save(image.id, "disk full")
            if waits:
                self.simulator.advance(1200)

    @rule(hours=st.sampled_from([1, 24]), restored=st.sampled_from([None, None, 0, 1, 2]))
    def person_restarts(self, hours: int, restored: int | None) -> None:
        """Stop the notebook unless it is stopped, perhaps choose another image, and start it."""
        with suppress(Refusal):
            self.notebook.stop()
        active = [image.id for image in self.store.images() if image.status == "ACTIVE"]
        with suppress(Refusal):
            if restored is not None:
                self.store.update_notebook(self.notebook.id, {"image_id": active[restored % len(active)]})
            self.notebook.start(seconds=hours * 3600)
            self.started_at = self.now

    @precondition(lambda self: self.notebook.status == "RUNNING")
    @rule()
    def task_stops(self) -> None:
        notebook, images = self.read()
        found = type(self).check(notebook, images, self.now)
        if not found.is_safe:
            return
        environment = self.notebook.environment
        kept = frozenset().union(
            *(
                self.store.environments.of_image(image.swr_path)
                for image in self.store.images()
                if image.status == "ACTIVE"
            )
        )
        self.notebook.stop()

        proof = found.snapshot
        assert proof is not None
        assert self.store.image(proof.id).status == "ACTIVE"
        assert self.saved_of[proof.id] == self.notebook.id
        assert proof.create_at is not None
        lost = {package: self.installed_at[package] for package in environment - kept}
        # What was installed before the save began is saved; what came later is the window that remains.
        assert all(at >= proof.create_at for at in lost.values())
        assert timedelta(milliseconds=self.now - proof.create_at) <= WITHIN
        if notebook.lease and notebook.lease.is_timed:
            ended_at = max(proof.create_at, proof.update_at or 0)
            assert timedelta(milliseconds=self.started_at - ended_at) <= SAVE_GRACE


def without_check(notebook: Notebook, images: list[Image], now: int) -> SnapshotCheck:  # noqa: ARG001
    return SnapshotCheck(True, "")


def any_marker(notebook: Notebook, images: list[Image], now: int) -> SnapshotCheck:
    own = f"[airflow:0123456789abcdef notebook:{notebook.id}]"
    marked = [image.model_copy(update={"description": own}) for image in images if image.description]
    return check(notebook, marked, now)


def failed_as_active(notebook: Notebook, images: list[Image], now: int) -> SnapshotCheck:
    return check(notebook, [image.model_copy(update={"status": "ACTIVE"}) for image in images], now)


def before_last_start(notebook: Notebook, images: list[Image], now: int) -> SnapshotCheck:
    return check(notebook.model_copy(update={"lease": None}), images, now)


def of_any_age(notebook: Notebook, images: list[Image], now: int) -> SnapshotCheck:
    return check_snapshot(notebook, images, now=now, require_snapshot_within=timedelta.max)


QUICK = settings(
    stateful_step_count=20,
    deadline=None,
    database=None,
    derandomize=True,
    report_multiple_bugs=False,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def test_checked_stop_loses_nothing_that_was_installed_before_a_save() -> None:
    run_state_machine_as_test(Notebooks, settings=settings(QUICK, max_examples=50))


@pytest.mark.parametrize(
    "mutant",
    [without_check, any_marker, failed_as_active, before_last_start, of_any_age],
    ids=lambda m: m.__name__,
)
def test_wrong_check_is_found(mutant: Check) -> None:
    """Otherwise the test above would prove nothing."""
    wrong = type("WrongNotebooks", (Notebooks,), {"check": staticmethod(mutant)})
    with pytest.raises(AssertionError):
        run_state_machine_as_test(wrong, settings=settings(QUICK, max_examples=1000))
