"""One project, as tests use it."""

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
        """Give access to a project under the simulator's lock."""
        self.id = project.id
        self.name = project.name
        self._projects = projects
        self._lock = lock
        self._connection = connection

    @property
    def connection(self) -> dict[str, Any]:
        """An Airflow connection to this project with the user's own keys, in JSON form."""
        return dict(self._connection(self.id))

    @property
    def images(self) -> list[dict[str, Any]]:
        """The project's images in API form, oldest first, with deleted and without built-in ones."""
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
        feature: str = "NOTEBOOK",
        flavor: str = "modelarts.vm.cpu.2u",
    ) -> str:
        """
        Add a notebook and return its id.

        :param notebook_id: its id; by default a new UUID
        :param name: its name; by default derived from the id
        :param status: its status
        :param workspace_id: its workspace
        :param image_id: the image that it runs; by default a built-in one
        :param owner: user id of the owner, by default the user of the connection; another user's notebook is
            only in the list of all users
        :param feature: ``DEFAULT`` for a free CodeLab notebook
        :param flavor: its flavor
        """
        with self._lock:
            store = self._projects.store(self.id)
            return store.add_notebook(
                *(notebook_id, name, status, workspace_id, image_id),
                owner=owner,
                feature=feature,
                flavor=flavor,
            )

    def hide(self, *ids: str) -> None:
        """Let the lists of this project miss these images and notebooks, which exist nevertheless."""
        with self._lock:
            self._projects.store(self.id).hidden.update(ids)

    def add_image(self, **fields: Any) -> str:
        """Add an image record and return its id; the fields are the API's, and all have defaults."""
        with self._lock:
            return self._projects.store(self.id).add_image(fields)
