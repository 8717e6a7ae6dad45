"""The operations on images and the lists: what an authenticated request changes, and its response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from . import listing
from .documents import OWNER, NotebookRecord
from .exchange import HttpRequest, Outcome, json_reply
from .faults import FaultQueue
from .listing import Pages
from .projects import Projects
from .routes import MatchedRoute, OperationHandler
from .rules import create_image_fields, invalid, json_object, register_image_fields
from .store import ProjectStore


class Operations:
    """The operations on images and the lists of notebooks, by name."""

    def __init__(self, projects: Projects, faults: FaultQueue, create_status: int, pages: Pages) -> None:
        """Serve the account's projects; the documents allow 200 and 201 as ``create_status``."""
        self._projects = projects
        self._faults = faults
        self._create_status = create_status
        self._pages = pages
        self.by_name: Mapping[str, OperationHandler] = {
            "CreateImage": self._create_image,
            "ShowImage": self._show_image,
            "ListImages": self._list_images,
            "DeleteImage": self._delete_image,
            "RegisterImage": self._register_image,
            "ListNotebooks": self._list_notebooks,
            "ListAllNotebooks": self._list_all_notebooks,
        }

    def reset(self) -> None:
        """Restore the initial state."""
        self._projects.reset()
        self._pages.reset()

    def _store(self, route: MatchedRoute) -> ProjectStore:
        return self._projects.store(route.project_id)

    def _create_image(self, request: HttpRequest, route: MatchedRoute) -> Outcome:
        store = self._store(route)
        given = create_image_fields(store.cloud, request.body)
        image = store.start_save(route.id, given)
        failure = self._faults.take_save_failure(route.id)
        if failure is not None:
            store.fail_save(image.id, failure.message or "Failed to save the image.")
        reply = json_reply(self._create_status, image.document())
        return Outcome(reply, effect=True, fault=failure.kind if failure else None)

    def _show_image(self, _: HttpRequest, route: MatchedRoute) -> Outcome:
        return Outcome(json_reply(200, self._store(route).show(route.id).document()))

    def _list_images(self, request: HttpRequest, route: MatchedRoute) -> Outcome:
        store = self._store(route)
        envelope, page = listing.images(request, store.listed_images(), self._pages)
        seen = store.read([image.id for image in page])
        return Outcome(json_reply(200, envelope | {"data": [image.item() for image in seen]}))

    def _delete_image(self, request: HttpRequest, route: MatchedRoute) -> Outcome:
        """Delete an image; ``force`` is a query parameter on the pages, ``is_force`` in the SDK's body."""
        document = json_object(request.body)
        for name, value in document.items():
            if name != "is_force" or not isinstance(value, bool):
                raise invalid(name, "is not a parameter of this API, which has is_force, true or false")
        flags = {
            "query": listing.Query(request).boolean("force", False),
            "body": document.get("is_force", False),
        }
        force = flags.get(self._projects.registry.behaviour.delete_flag, any(flags.values()))
        image = self._store(route).delete_image(route.id, force)
        return Outcome(json_reply(200, image.document()), effect=True)

    def _register_image(self, request: HttpRequest, route: MatchedRoute) -> Outcome:
        image = self._store(route).register_image(register_image_fields(request.body))
        return Outcome(json_reply(200, image.document()), effect=True)

    def _list_notebooks(self, request: HttpRequest, route: MatchedRoute) -> Outcome:
        """List the user's own notebooks."""
        store = self._store(route)
        own = [notebook for notebook in store.listed_notebooks() if notebook.owner == OWNER]
        return self._notebook_page(request, store, own)

    def _list_all_notebooks(self, request: HttpRequest, route: MatchedRoute) -> Outcome:
        """List the notebooks of all users."""
        store = self._store(route)
        return self._notebook_page(request, store, store.listed_notebooks())

    def _notebook_page(
        self, request: HttpRequest, store: ProjectStore, notebooks: Sequence[NotebookRecord]
    ) -> Outcome:
        unset = store.notebook_behaviour.unset_feature
        envelope, page = listing.notebooks(request, notebooks, self._pages, unset_feature=unset)
        read = store.read_notebooks([notebook.id for notebook in page])
        data = [notebook.document(store.image_of(notebook), store.notebook_host) for notebook in read]
        return Outcome(json_reply(200, envelope | {"data": data}))
