"""The notebooks of one project: their statuses, leases and environments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .choices import check_choice
from .clock import SimulatedClock
from .documents import ImageRecord, NotebookRecord
from .environments import Environments
from .exchange import Refusal
from .lease import NO_AUTO_STOP, TYPES, LeaseRecord, LeaseTerms
from .notebook_behaviour import NotebookBehaviour
from .save_timing import SaveTiming, Stage, end_of

_WITH_CONTAINER = ("RUNNING", "SNAPSHOTTING")
"""The statuses in which a notebook has a container, and so an environment of its own."""
_BUSY = "Another operation is being performed on the notebook {id}."
_REFUSALS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "start": {
        "RUNNING": ("ModelArts.6305", "The notebook {id} is already running."),
        "STARTING": ("ModelArts.6306", "The notebook {id} is being started."),
        "STOPPING": ("ModelArts.6308", "The notebook {id} is being stopped."),
    },
    "stop": {
        "STARTING": ("ModelArts.6306", "The notebook {id} is being started."),
        "STOPPING": ("ModelArts.6308", "The notebook {id} is being stopped."),
    },
    "update": {
        "SNAPSHOTTING": ("ModelArts.6357", _BUSY),
        "*": ("ModelArts.6347", "The notebook {id} cannot be modified in its status."),
    },
    "*": {
        "FROZEN": ("ModelArts.6326", "The notebook {id} is frozen."),
        "*": ("ModelArts.6357", _BUSY),
    },
}
"""Codes and messages of operations that the status does not allow, by operation and status."""


@dataclass
class _Transition:
    """A change of status that has not ended."""

    to: str
    timing: SaveTiming
    since: float
    reads: int = 0


class Notebooks:
    """The notebooks of one project; each changes when it is read, as time and reads demand."""

    def __init__(
        self,
        behaviour: NotebookBehaviour,
        clock: SimulatedClock,
        environments: Environments,
        image_of: Callable[[NotebookRecord], ImageRecord],
        *,
        has_content: Callable[[str], bool],
    ) -> None:
        """Start without any notebook."""
        self.behaviour = behaviour
        self._clock = clock
        self._environments = environments
        self._image_of = image_of
        self._has_content = has_content
        self._notebooks: dict[str, NotebookRecord] = {}
        self._transitions: dict[str, _Transition] = {}
        self.starts: dict[str, int] = {}
        self.stops: dict[str, int] = {}

    def __contains__(self, notebook_id: str) -> bool:
        """Return whether there is such a notebook."""
        return notebook_id in self._notebooks

    def add(self, notebook: NotebookRecord) -> None:
        """Add a notebook, with the environment of its image."""
        self._notebooks[notebook.id] = notebook
        self._reset_environment(notebook)

    def ids(self) -> tuple[str, ...]:
        """Return the ids of all notebooks, in the order in which they were added."""
        return tuple(self._notebooks)

    def stored(self, notebook_id: str) -> NotebookRecord:
        """Return a notebook in the state of its last read."""
        return self._notebooks[notebook_id]

    def read(self, notebook_ids: Iterable[str]) -> list[NotebookRecord]:
        """Count a read of each notebook, which may end a change of its status, and return the notebooks."""
        ids = list(notebook_ids)
        for notebook_id in ids:
            if notebook_id in self._transitions:
                self._transitions[notebook_id].reads += 1
        return [self.current(notebook_id) for notebook_id in ids]

    def current(self, notebook_id: str) -> NotebookRecord:
        """Return a notebook in its present state."""
        transition = self._transitions.get(notebook_id)
        if transition is not None:
            now = self._clock.now()
            if transition.timing.stage(transition.reads, now - transition.since) is Stage.DONE:
                del self._transitions[notebook_id]
                self._arrive(notebook_id, transition.to, end_of(transition.timing, transition.since, now))
        notebook = self._notebooks[notebook_id]
        if notebook.status == "RUNNING" and self._has_lease_ended(notebook):
            self._begin_stop(notebook, at=notebook.lease.ends_at)
            return self.current(notebook_id)
        return notebook

    def interrupted_at(self, notebook_id: str) -> float | None:
        """Return when the lease ended a save, in epoch seconds; None if it did not or will not."""
        notebook = self._notebooks[notebook_id]
        is_interrupted = self.behaviour.lease_interrupts_save and self._has_lease_ended(notebook)
        return (notebook.lease.ends_at or 0) / 1000 if is_interrupted else None

    def start(self, notebook_id: str, terms: LeaseTerms) -> NotebookRecord:
        """Start a stopped notebook on its image."""
        notebook = self.current(notebook_id)
        if notebook.status != "STOPPED":
            raise self._refusal("start", notebook)
        image = self._image_of(notebook)
        if image.deleted or not self._has_content(image.swr_path):
            raise Refusal(400, "ModelArts.6797", f"The image {notebook.image_id} cannot be found.")
        now = self._milliseconds()
        if terms.duration == NO_AUTO_STOP:
            lease = notebook.lease.without_end(now, self.behaviour.no_auto_stop)
        else:
            lease = notebook.lease.renewed(now, terms.duration, terms.type)
        self._change(notebook_id, status="STARTING", lease=lease, update_at=now, fail_reason=None)
        self._reset_environment(notebook)
        to = "RUNNING" if self.behaviour.start_failure is None else "START_FAILED"
        self._transitions[notebook_id] = _Transition(to, self.behaviour.starting, self._clock.now())
        self.starts[notebook_id] = self.starts.get(notebook_id, 0) + 1
        return self._notebooks[notebook_id]

    def stop(self, notebook_id: str) -> NotebookRecord:
        """Stop a running notebook, whose environment is lost."""
        notebook = self.current(notebook_id)
        if notebook.status == "STOPPED":
            raise Refusal(
                400, self.behaviour.stopped_code, f"The notebook {notebook_id} has already been stopped."
            )
        if notebook.status != "RUNNING":
            raise self._refusal("stop", notebook)
        self._begin_stop(notebook)
        self.stops[notebook_id] = self.stops.get(notebook_id, 0) + 1
        return self._notebooks[notebook_id]

    def running(self, notebook_id: str) -> NotebookRecord:
        """Return a running notebook, for what needs one; refuse any other."""
        notebook = self.current(notebook_id)
        if notebook.status in ("SNAPSHOTTING", "FROZEN"):
            raise self._refusal("lease", notebook)
        if notebook.status != "RUNNING":
            raise Refusal(
                400, self.behaviour.not_running_code, f"The notebook {notebook_id} is not in running."
            )
        return notebook

    def renew(self, notebook_id: str, terms: LeaseTerms) -> LeaseRecord:
        """Let the lease of a running notebook end later or earlier."""
        notebook = self.running(notebook_id)
        now = self._milliseconds()
        lease = notebook.lease.renewed(now, terms.duration, terms.type)
        self._change(notebook_id, lease=lease, update_at=now)
        return lease

    def update(self, notebook_id: str, given: Mapping[str, str]) -> NotebookRecord:
        """Change the fields of a notebook; image and flavor only of a stopped one."""
        notebook = self.current(notebook_id)
        if notebook.status != "STOPPED" and given.keys() & {"image_id", "flavor"}:
            raise self._refusal("update", notebook)
        self._change(notebook_id, **given)
        if "image_id" in given:
            self._reset_environment(self._notebooks[notebook_id])
        return self._notebooks[notebook_id]

    def begin_save(self, notebook_id: str) -> frozenset[str]:
        """Let a running notebook be SNAPSHOTTING, and return what is installed in it."""
        self._change(notebook_id, status="SNAPSHOTTING")
        self._touch(notebook_id, "save")
        return self._environments.of_notebook(notebook_id)

    def end_save(self, notebook_id: str, image_id: str | None, at: float | None) -> None:
        """Let a notebook run again, on the new image if there is one; by default from now on."""
        notebook = self._notebooks[notebook_id]
        if image_id is not None:
            self._change(notebook_id, image_id=image_id)
        if notebook.status == "SNAPSHOTTING":
            since = self._clock.now() if at is None else at
            self._transitions[notebook_id] = _Transition("RUNNING", self.behaviour.snapshotting, since)

    def set_status(self, notebook_id: str, status: str, fail_reason: str | None = None) -> None:
        """Set the status, as a person or a failure does; a lease begins and ends with its container."""
        notebook = self.current(notebook_id)
        self._transitions.pop(notebook_id, None)
        self._change(notebook_id, status=status, fail_reason=fail_reason)
        self._touch(notebook_id, "save" if "SNAPSHOTTING" in (notebook.status, status) else "stop")
        if (
            status == "RUNNING"
            and notebook.status not in _WITH_CONTAINER
            and notebook.lease.ends_at is not None
        ):
            now = self._milliseconds()
            self._change(notebook_id, lease=notebook.lease.renewed(now, notebook.lease.length, "TIMING"))
        if status not in _WITH_CONTAINER:
            self._reset_environment(notebook)

    def start_at_once(self, notebook_id: str, terms: LeaseTerms) -> None:
        """Start a notebook as a person does, without any time in between."""
        self.start(notebook_id, terms)
        self.starts[notebook_id] -= 1
        self._arrive(notebook_id, self._transitions.pop(notebook_id).to, self._clock.now())

    def stop_at_once(self, notebook_id: str) -> None:
        """Stop a notebook as a person does, without any time in between."""
        self.stop(notebook_id)
        self.stops[notebook_id] -= 1
        self._arrive(notebook_id, self._transitions.pop(notebook_id).to, self._clock.now())

    def set_lease(self, notebook_id: str, seconds: float | None, kind: str, *, enable: bool) -> None:
        """Set the lease, but not its ``update_at``; without seconds it is unlimited."""
        check_choice("type of a lease", kind, TYPES)
        lease = self.current(notebook_id).lease
        if seconds is None:
            changed = replace(lease, duration=NO_AUTO_STOP, length=NO_AUTO_STOP, type=kind)
        else:
            changed = lease.renewed(self._milliseconds(), int(seconds * 1000), kind)
        self._change(notebook_id, lease=replace(changed, enable=enable, update_at=lease.update_at))

    def install(self, notebook_id: str, packages: frozenset[str]) -> None:
        """Install packages in a running notebook; raises ValueError for any other."""
        if self.current(notebook_id).status != "RUNNING":
            raise ValueError(f"notebook {notebook_id} is not running: start it first")
        self._environments.install(notebook_id, packages)

    def environment(self, notebook_id: str) -> frozenset[str]:
        """Return what is installed in a notebook, or will be when it starts."""
        self.current(notebook_id)
        return self._environments.of_notebook(notebook_id)

    def _has_lease_ended(self, notebook: NotebookRecord) -> bool:
        return notebook.lease.ends_at is not None and notebook.lease.ends_at <= self._milliseconds()

    def _begin_stop(self, notebook: NotebookRecord, at: int | None = None) -> None:
        since = self._milliseconds() if at is None else max(at, notebook.update_at)
        self._change(notebook.id, status="STOPPING")
        self._touch(notebook.id, "stop", since)
        self._reset_environment(notebook)
        self._transitions[notebook.id] = _Transition("STOPPED", self.behaviour.stopping, since / 1000)

    def _arrive(self, notebook_id: str, status: str, at: float) -> None:
        was_saving = self._notebooks[notebook_id].status == "SNAPSHOTTING"
        reason = self.behaviour.start_failure if status == "START_FAILED" else None
        self._change(notebook_id, status=status, fail_reason=reason)
        if was_saving:
            self._touch(notebook_id, "save", int(at * 1000))

    def _touch(self, notebook_id: str, event: str, at: int | None = None) -> None:
        """Rewrite ``update_at`` of a notebook and its lease, if this event does so."""
        if event in self.behaviour.touched_by:
            now = self._milliseconds() if at is None else at
            lease = replace(self._notebooks[notebook_id].lease, update_at=now)
            self._change(notebook_id, update_at=now, lease=lease)

    def _reset_environment(self, notebook: NotebookRecord) -> None:
        self._environments.reset(notebook.id, self._image_of(notebook).swr_path)

    def _change(self, notebook_id: str, **changes: Any) -> None:
        self._notebooks[notebook_id] = replace(self._notebooks[notebook_id], **changes)

    @staticmethod
    def _refusal(operation: str, notebook: NotebookRecord) -> Refusal:
        """Return the refusal of an operation that a notebook's status does not allow."""
        any_operation = _REFUSALS["*"]
        rules = {**any_operation, **_REFUSALS.get(operation, {})}
        code, message = rules.get(notebook.status) or rules["*"]
        return Refusal(400, code, message.format(id=notebook.id))

    def _milliseconds(self) -> int:
        return int(self._clock.now() * 1000)
