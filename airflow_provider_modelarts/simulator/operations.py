"""ModelArts' operations: from a request that may pass to what it changes and what it answers."""

from __future__ import annotations

from collections.abc import Mapping

from . import listing
from .faults import FaultQueue
from .messages import Operation, Outcome, Request, json_reply
from .rules import create_image_fields, invalid, json_object
from .state import World


class Operations:
    """The six operations, by their names."""

    def __init__(self, world: World, faults: FaultQueue, create_status: int, offset_unit: str) -> None:
        """Play on a world; the pages allow 200 and 201 for create-image and call offsets records."""
        self._world = world
        self._faults = faults
        self._create_status = create_status
        self._offset_unit = offset_unit
        self.by_name: Mapping[str, Operation] = {
            "CreateImage": self._create_image,
            "ShowImage": self._show_image,
            "ListImages": self._list_images,
            "DeleteImage": self._delete_image,
            "ShowNotebook": self._show_notebook,
            "ListNotebooks": self._list_notebooks,
        }

    def reset(self) -> None:
        """Go back to the start."""
        self._world.reset()

    def _create_image(self, request: Request, notebook_id: str) -> Outcome:
        given = create_image_fields(self._world.cloud, request.body)
        image = self._world.start_save(notebook_id, given)
        failure = self._faults.take_save_failure()
        if failure is not None:
            self._world.doom(image.id, failure.message or "Failed to save the image.")
        reply = json_reply(self._create_status, image.document())
        return Outcome(reply, effect=True, fault=failure.kind if failure else None)

    def _show_image(self, _: Request, image_id: str) -> Outcome:
        (image,) = self._world.read([image_id])
        return Outcome(json_reply(200, image.document()))

    def _list_images(self, request: Request, _: str) -> Outcome:
        envelope, page = listing.images(request, self._world.listed_images(), self._offset_unit)
        seen = self._world.read([image.id for image in page])
        return Outcome(json_reply(200, envelope | {"data": [image.item() for image in seen]}))

    def _delete_image(self, request: Request, image_id: str) -> Outcome:
        """Delete; Huawei's and OTC's pages have a query ``force``, Huawei's SDK a body ``is_force``."""
        document = json_object(request.body)
        for name, value in document.items():
            if name != "is_force" or not isinstance(value, bool):
                raise invalid(name, "is not a parameter of this API, which has is_force, true or false")
        force = listing.Query(request).boolean("force", False) or document.get("is_force", False)
        image = self._world.delete_image(image_id, force)
        return Outcome(json_reply(200, image.document()), effect=True)

    def _show_notebook(self, _: Request, notebook_id: str) -> Outcome:
        notebook = self._world.notebook(notebook_id)
        document = notebook.document(self._world.image_of(notebook), self._world.notebook_host)
        return Outcome(json_reply(200, document))

    def _list_notebooks(self, request: Request, _: str) -> Outcome:
        envelope, page = listing.notebooks(request, self._world.notebooks(), self._offset_unit)
        host = self._world.notebook_host
        data = [notebook.document(self._world.image_of(notebook), host) for notebook in page]
        return Outcome(json_reply(200, envelope | {"data": data}))
