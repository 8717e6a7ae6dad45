"""The projects of the account, each with notebooks and images of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .account import Account
from .store import ProjectStore


class Projects:
    """
    What exists in each project.

    Organizations of SWR belong to the account, so its projects share one registry.
    """

    def __init__(
        self, account: Account, build: Callable[[set[str], str | None], ProjectStore], notebook_id: str
    ) -> None:
        """
        Begin with the project of the start, in which one notebook runs.

        :param build: makes a world on a registry, with or without a running notebook
        """
        self._account = account
        self._build = build
        self._notebook_id = notebook_id
        self.swr_paths: set[str] = set()
        self.reset()

    def reset(self) -> None:
        """Go back to the start; the account forgets the added projects itself."""
        self.swr_paths.clear()
        self._stores = {self._account.home.id: self._build(self.swr_paths, self._notebook_id)}

    @property
    def home(self) -> ProjectStore:
        """The project of the start."""
        return self._stores[self._account.home.id]

    @property
    def saves(self) -> int:
        """How many saves were accepted in all of them."""
        return sum(store.saves for store in self._stores.values())

    def add(self, name: str, project_id: str | None = None) -> str:
        """Add a project without notebooks and with no images but the built-in ones; give its id."""
        added = self._account.add_project(name, project_id)
        self._stores[added] = self._build(self.swr_paths, None)
        return added

    def store(self, project_id: str) -> ProjectStore:
        """Give what exists in a project."""
        if project_id not in self._stores:
            raise ValueError(f"there is no project {project_id}; a reset takes added ones away")
        return self._stores[project_id]

    def stores(self) -> Iterator[ProjectStore]:
        """Give what exists in each, the project of the start first."""
        return iter(self._stores.values())

    def of_notebook(self, notebook_id: str) -> ProjectStore:
        """Give the project that has a notebook; that of the start when none has."""
        return next((store for store in self.stores() if store.has_notebook(notebook_id)), self.home)

    def of_image(self, image_id: str) -> ProjectStore:
        """Give the project that has an image; that of the start when none has."""
        return next((store for store in self.stores() if store.has_image(image_id)), self.home)

    def saved_images(self) -> list[dict[str, Any]]:
        """Give the own images of all projects in the form of the API, oldest first."""
        images = [image for store in self.stores() for image in store.saved_images()]
        return sorted(images, key=lambda image: int(image["create_at"]))
