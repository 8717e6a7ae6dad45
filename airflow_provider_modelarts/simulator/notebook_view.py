"""One notebook, as tests use it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, final

from .lease import LeaseTerms
from .notebooks import Notebooks
from .projects import Projects


@final
class NotebookView:
    """A notebook of the simulator, and what people and failures do to it; see :meth:`Simulator.notebook`."""

    def __init__(self, notebook_id: str, projects: Projects, lock: AbstractContextManager[Any]) -> None:
        """Give access to a notebook under the simulator's lock."""
        self.id = notebook_id
        self._projects = projects
        self._lock = lock

    @property
    def _lifecycle(self) -> Notebooks:
        return self._projects.of_notebook(self.id).lifecycle_of(self.id)

    @property
    def status(self) -> str:
        """The status; to read it here counts as no read of the API."""
        with self._lock:
            return self._lifecycle.current(self.id).status

    @property
    def image_id(self) -> str:
        """The id of the image that the notebook runs."""
        with self._lock:
            return self._lifecycle.current(self.id).image_id

    @property
    def lease(self) -> dict[str, Any]:
        """The lease in API form."""
        with self._lock:
            return self._lifecycle.current(self.id).lease.document()

    @property
    def lease_ends_at(self) -> float | None:
        """When the lease ends, in epoch seconds; None for a disabled, unlimited or idle one."""
        with self._lock:
            ends_at = self._lifecycle.current(self.id).lease.ends_at
            return None if ends_at is None else ends_at / 1000

    @property
    def environment(self) -> frozenset[str]:
        """The packages that are installed; those of its image, if the notebook does not run."""
        with self._lock:
            return self._lifecycle.environment(self.id)

    @property
    def starts(self) -> int:
        """How many start requests took effect."""
        with self._lock:
            return self._lifecycle.starts.get(self.id, 0)

    @property
    def stops(self) -> int:
        """How many stop requests took effect; the end of a lease is none."""
        with self._lock:
            return self._lifecycle.stops.get(self.id, 0)

    def install(self, *packages: str) -> None:
        """Install packages, which a save captures and a stop discards; raises ValueError unless RUNNING."""
        with self._lock:
            self._lifecycle.install(self.id, frozenset(packages))

    def start(self, seconds: float = 3600) -> None:
        """Let a person start the notebook, with a lease of some seconds; it is RUNNING at once."""
        with self._lock:
            self._lifecycle.start_at_once(self.id, LeaseTerms(int(seconds * 1000)))

    def stop(self) -> None:
        """Let a person stop the notebook; it is STOPPED at once."""
        with self._lock:
            self._lifecycle.stop_at_once(self.id)

    def set_status(self, status: str, fail_reason: str | None = None) -> None:
        """
        Set the status, which stays; a running save continues.

        The environment is lost in every status but RUNNING and SNAPSHOTTING.
        """
        with self._lock:
            self._lifecycle.set_status(self.id, status, fail_reason)

    def set_lease(
        self,
        *,
        seconds: float | None = None,
        type: str = "TIMING",  # noqa: A002 - the API's name
        enable: bool = True,
    ) -> None:
        """
        Set the lease, without a change of its ``update_at``.

        :param seconds: until its end from now, or the idle time; None makes it unlimited
        :param type: ``TIMING`` or ``IDLE``
        :param enable: false disables it
        """
        with self._lock:
            self._lifecycle.set_lease(self.id, seconds, type, enable=enable)
