"""ModelArts' operations: from a request that may pass to what it changes and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from . import listing
from .faults import FaultQueue
from .listing import Pages
from .messages import Outcome, Request, json_reply
from .projects import Projects
from .records import OWNER, Notebook
from .routes import Operation, Route
from .rules import create_image_fields, invalid, json_object
from .state import World


class Operations:
    """The seven operations, by their names."""

    def __init__(self, projects: Projects, faults: FaultQueue, create_status: int, pages: Pages) -> None:
        """Play on the account's projects; the pages allow 200 and 201 for create-image."""
        self._projects = projects
        self._faults = faults
        self._create_status = create_status
        self._pages = pages
        self.by_name: Mapping[str, Operation] = {
            "CreateImage": self._create_image,
            "ShowImage": self._show_image,
            "ListImages": self._list_images,
            "DeleteImage": self._delete_image,
            "ShowNotebook": self._show_notebook,
            "ListNotebooks": self._list_notebooks,
            "ListAllNotebooks": self._list_all_notebooks,
        }

    def reset(self) -> None:
        """Go back to the start."""
        self._projects.reset()
        self._pages.reset()

    def _world(self, route: Route) -> World:
        return self._projects.world(route.project_id)

    def _create_image(self, request: Request, route: Route) -> Outcome:
        world = self._world(route)
        given = create_image_fields(world.cloud, request.body)
        image = world.start_save(route.id, given)
        failure = self._faults.take_save_failure()
        if failure is not None:
            world.doom(image.id, failure.message or "Failed to save the image.")
        reply = json_reply(self._create_status, image.document())
        return Outcome(reply, effect=True, fault=failure.kind if failure else None)

    def _show_image(self, _: Request, route: Route) -> Outcome:
        return Outcome(json_reply(200, self._world(route).show(route.id).document()))

    def _list_images(self, request: Request, route: Route) -> Outcome:
        world = self._world(route)
        envelope, page = listing.images(request, world.listed_images(), self._pages)
        seen = world.read([image.id for image in page])
        return Outcome(json_reply(200, envelope | {"data": [image.item() for image in seen]}))

    def _delete_image(self, request: Request, route: Route) -> Outcome:
        """Delete; Huawei's and OTC's pages have a query ``force``, Huawei's SDK a body ``is_force``."""
        document = json_object(request.body)
        for name, value in document.items():
            if name != "is_force" or not isinstance(value, bool):
                raise invalid(name, "is not a parameter of this API, which has is_force, true or false")
        force = listing.Query(request).boolean("force", False) or document.get("is_force", False)
        image = self._world(route).delete_image(route.id, force)
        return Outcome(json_reply(200, image.document()), effect=True)

    def _show_notebook(self, _: Request, route: Route) -> Outcome:
        world = self._world(route)
        notebook = world.notebook(route.id)
        return Outcome(json_reply(200, notebook.document(world.image_of(notebook), world.notebook_host)))

    def _list_notebooks(self, request: Request, route: Route) -> Outcome:
        """List the user's own notebooks."""
        world = self._world(route)
        own = [notebook for notebook in world.notebooks() if notebook.owner == OWNER]
        return self._notebook_page(request, world, own)

    def _list_all_notebooks(self, request: Request, route: Route) -> Outcome:
        """List the notebooks of all users."""
        world = self._world(route)
        return self._notebook_page(request, world, world.notebooks())

    def _notebook_page(self, request: Request, world: World, notebooks: Sequence[Notebook]) -> Outcome:
        envelope, page = listing.notebooks(request, notebooks, self._pages)
        data = [notebook.document(world.image_of(notebook), world.notebook_host) for notebook in page]
        return Outcome(json_reply(200, envelope | {"data": data}))
