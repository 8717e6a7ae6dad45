"""The projects of the account, each with its own notebooks and images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .account import Account
from .registry import Registry
from .store import ProjectStore


class Projects:
    """
    The stores of all projects, by project id.

    SWR organizations belong to the account, so its projects share one registry.
    """

    def __init__(
        self, account: Account, registry: Registry, build: Callable[..., ProjectStore], notebook_id: str
    ) -> None:
        """
        Start with the first project, in which one notebook is running.

        :param build: returns a project's store for ``registry`` and ``notebook_id``, its running notebook
        """
        self._account = account
        self._build = build
        self._notebook_id = notebook_id
        self.registry = registry
        self.reset()

    def reset(self) -> None:
        """Restore the initial state; the account removes its added projects itself."""
        self.registry.clear()
        home = self._build(registry=self.registry, notebook_id=self._notebook_id)
        self._stores = {self._account.home.id: home}

    @property
    def home(self) -> ProjectStore:
        """The store of the first project."""
        return self._stores[self._account.home.id]

    @property
    def saves(self) -> int:
        """Number of accepted saves in all projects."""
        return sum(store.saves for store in self._stores.values())

    def add(self, name: str, project_id: str | None = None) -> str:
        """Add a project with only the built-in images and return its id."""
        added = self._account.add_project(name, project_id)
        self._stores[added] = self._build(registry=self.registry, notebook_id=None)
        return added

    def store(self, project_id: str) -> ProjectStore:
        """Return the store of a project; raises ValueError for an unknown one."""
        if project_id not in self._stores:
            raise ValueError(f"no project {project_id}: add it first; a reset removes added projects")
        return self._stores[project_id]

    def stores(self) -> Iterator[ProjectStore]:
        """Return the stores of all projects, the first project first."""
        return iter(self._stores.values())

    def of_notebook(self, notebook_id: str) -> ProjectStore:
        """Return the store that has a notebook; the first project's if none has."""
        return next((store for store in self.stores() if store.has_notebook(notebook_id)), self.home)

    def of_image(self, image_id: str) -> ProjectStore:
        """Return the store that has an image; the first project's if none has."""
        return next((store for store in self.stores() if store.has_image(image_id)), self.home)

    def saved_images(self) -> list[dict[str, Any]]:
        """Return the images of all projects in API form, oldest first, without built-in ones."""
        images = [image for store in self.stores() for image in store.saved_images()]
        return sorted(images, key=lambda image: int(image["create_at"]))
