"""One project as tests hold it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, final

from .account import ProjectRecord
from .documents import OWNER
from .projects import Projects


@final
class ProjectView:
    """A project of the simulator's account; see :meth:`Simulator.project`."""

    def __init__(
        self,
        project: ProjectRecord,
        projects: Projects,
        lock: AbstractContextManager[Any],
        connection: Callable[[str], Mapping[str, Any]],
    ) -> None:
        """Look at a project through the simulator's lock."""
        self.id = project.id
        self.name = project.name
        self._projects = projects
        self._lock = lock
        self._connection = connection

    @property
    def connection(self) -> dict[str, Any]:
        """An Airflow connection to this project with the user's own keys, in the form of its JSON."""
        return dict(self._connection(self.id))

    @property
    def images(self) -> list[dict[str, Any]]:
        """The project's image records but the built-in ones, deleted ones too, in API form, oldest first."""
        with self._lock:
            return self._projects.store(self.id).saved_images()

    @property
    def saves(self) -> int:
        """How many create-image requests took effect in this project."""
        with self._lock:
            return self._projects.store(self.id).saves

    def add_notebook(
        self,
        notebook_id: str | None = None,
        name: str | None = None,
        status: str = "RUNNING",
        workspace_id: str = "0",
        image_id: str | None = None,
        *,
        owner: str = OWNER,
    ) -> str:
        """
        Add a notebook and give its id.

        :param image_id: what it runs; a built-in image by default
        :param owner: id of the user whose notebook it is, by default the one who asks; a notebook of another
            one shows in the list of all users only
        """
        with self._lock:
            store = self._projects.store(self.id)
            return store.add_notebook(notebook_id, name, status, workspace_id, image_id, owner=owner)

    def add_image(self, **fields: Any) -> str:
        """Add an image record and give its id; the fields are the API's, and all have defaults."""
        with self._lock:
            return self._projects.store(self.id).add_image(fields)
