"""The notebooks and images of one project, and what a save changes in them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from .clock import SimulatedClock
from .documents import IMAGE_SIZE, OWNER, ImageRecord, NotebookRecord, built_in_images, image_defaults
from .environments import Environments
from .exchange import Refusal
from .issued_secrets import IssuedSecrets
from .lease import LeaseRecord
from .notebook_behaviour import NotebookBehaviour
from .notebooks import Notebooks
from .registry import Registry
from .rules import CloudRules
from .save_timing import SaveTiming, Stage, end_of

_LEASE = 259_200_000
"""Milliseconds of the lease of an added notebook, the longest one."""
_IMAGE_FIELDS = frozenset(field.name for field in fields(ImageRecord))


@dataclass(frozen=True)
class Behaviour:
    """Configurable behaviour of the service; see :class:`Simulator`."""

    save_timing: SaveTiming
    failed_image_holds_tag: bool
    refuse_delete_in_use: bool | None
    list_lag: float
    read_lag: float
    notebooks: NotebookBehaviour


@dataclass
class _Save:
    """A save that has not ended; ``environment`` is what was installed when it began."""

    notebook_id: str
    started: float
    environment: frozenset[str]
    reads: int = 0
    failure: str | None = None
    pinned: bool = False


class ProjectStore:
    """The notebooks and images of one project; a save advances when its image or notebook is read."""

    def __init__(
        self,
        cloud: CloudRules,
        region: str,
        behaviour: Behaviour,
        *,
        clock: SimulatedClock,
        issued_secrets: IssuedSecrets,
        registry: Registry,
        notebook_id: str | None,
    ) -> None:
        """
        Start with the built-in images and, optionally, one running notebook.

        :param registry: the registry, which the projects of an account share
        :param notebook_id: id of the running notebook, or None
        """
        self.cloud = cloud
        self.notebook_host = f"authoring-modelarts-{region}.{cloud.domain}"
        self._registry = registry
        self._clock = clock
        self._issued_secrets = issued_secrets
        self._behaviour = behaviour
        built_in = built_in_images(registry.host, self.cloud.ascend, self._milliseconds())
        self._images = {image.id: image for image in built_in}
        self.notebook_behaviour = behaviour.notebooks
        self.environments = Environments()
        self._notebooks = Notebooks(
            behaviour.notebooks, clock, self.environments, self.image_of, has_content=registry.__contains__
        )
        self.hidden: set[str] = set()
        self._saves: dict[str, _Save] = {}
        self.saves = 0
        for image in built_in:
            registry.ensure(image.swr_path)
        if notebook_id is not None:
            self.add_notebook(notebook_id)

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
        Add a notebook and return its id; by default it runs the first built-in image, for three days.

        Raises ValueError if the notebook exists or its image does not.
        """
        notebook_id = notebook_id or str(uuid.uuid4())
        image_id = image_id or next(iter(self._images))
        if notebook_id in self._notebooks:
            raise ValueError(f"notebook {notebook_id} already exists")
        if image_id not in self._images:
            raise ValueError(f"no image {image_id}: add it first")
        now = self._milliseconds()
        notebook = NotebookRecord(
            id=notebook_id,
            name=name or f"notebook-{notebook_id[:8]}",
            status=status,
            workspace_id=workspace_id,
            image_id=image_id,
            create_at=now,
            update_at=now,
            lease=LeaseRecord(create_at=now, update_at=now, duration=_LEASE, length=_LEASE),
            owner=owner,
            feature=feature,
            flavor=flavor,
        )
        self._notebooks.add(notebook)
        self._issued_secrets.add(notebook.token)
        return notebook_id

    def add_image(self, given: Mapping[str, Any]) -> str:
        """
        Add an image record that no save changes and return its id; every field has a default.

        Raises ValueError for an unknown field, and for the id of another image.
        """
        unknown = given.keys() - _IMAGE_FIELDS
        if unknown:
            known = ", ".join(sorted(_IMAGE_FIELDS))
            raise ValueError(f"an image has no field {', '.join(sorted(unknown))}; it may have {known}")
        image_id = given.get("id") or str(uuid.uuid4())
        if image_id in self._images:
            raise ValueError(f"image {image_id} already exists")
        values = image_defaults(image_id, given, self._registry.host, self._milliseconds()) | {
            name: tuple(value) if isinstance(value, list) else value for name, value in given.items()
        }
        self._put(ImageRecord(**values))
        return str(image_id)

    def has_notebook(self, notebook_id: str) -> bool:
        """Return whether a notebook is in this project."""
        return notebook_id in self._notebooks

    def has_image(self, image_id: str) -> bool:
        """Return whether an image is in this project."""
        return image_id in self._images

    def notebook(self, notebook_id: str) -> NotebookRecord:
        """Return a notebook in its current state."""
        self.lifecycle_of(notebook_id)
        return self._notebooks.current(notebook_id)

    def lifecycle_of(self, notebook_id: str) -> Notebooks:
        """Return what starts, stops and renews this notebook, after its saves that have ended."""
        if notebook_id not in self._notebooks:
            raise Refusal(400, "ModelArts.6404", f"The notebook {notebook_id} is not found.")
        self._settle_notebook(notebook_id)
        return self._notebooks

    def notebooks(self) -> list[NotebookRecord]:
        """Return all notebooks in their current state."""
        self._settle_all()
        return [self._notebooks.current(notebook_id) for notebook_id in self._notebooks.ids()]

    def listed_notebooks(self) -> list[NotebookRecord]:
        """Return the notebooks that lists have."""
        return [notebook for notebook in self.notebooks() if notebook.id not in self.hidden]

    def read_notebooks(self, notebook_ids: Iterable[str]) -> list[NotebookRecord]:
        """Count a read of each notebook, which may end a change of its status, and return the notebooks."""
        ids = list(notebook_ids)
        for notebook_id in ids:
            self.lifecycle_of(notebook_id)
        return self._notebooks.read(ids)

    def update_notebook(self, notebook_id: str, given: Mapping[str, str]) -> NotebookRecord:
        """Change fields of a notebook; an image must be ACTIVE."""
        lifecycle = self.lifecycle_of(notebook_id)
        image = self._images.get(given.get("image_id", ""))
        if "image_id" in given and (image is None or image.status != "ACTIVE"):
            raise Refusal(400, "ModelArts.6797", f"The image {given['image_id']} cannot be found.")
        return lifecycle.update(notebook_id, given)

    def image(self, image_id: str) -> ImageRecord:
        """Return an image that is not deleted, in its current state."""
        self._settle(image_id)
        image = self._images.get(image_id)
        if image is None or image.deleted:
            raise Refusal(400, "ModelArts.6404", f"The image {image_id} is not found.")
        return image

    def images(self) -> list[ImageRecord]:
        """Return every image record, including deleted ones, oldest first."""
        self._settle_all()
        return sorted(self._images.values(), key=lambda image: image.create_at)

    def listed_images(self) -> list[ImageRecord]:
        """Return the image records that are already in lists."""
        lag = self._behaviour.list_lag
        return [i for i in self.images() if self._is_shown(i, lag) and i.id not in self.hidden]

    def saved_images(self) -> list[dict[str, Any]]:
        """Return the project's images in API form, oldest first, without built-in ones."""
        return [image.document() for image in self.images() if image.type != "BUILD_IN"]

    def image_of(self, notebook: NotebookRecord) -> ImageRecord:
        """Return the image that a notebook runs."""
        return self._images[notebook.image_id]

    def show(self, image_id: str) -> ImageRecord:
        """Return an image for ShowImage, which counts as a read and may end its save."""
        if not self._is_shown(self.image(image_id), self._behaviour.read_lag):
            raise Refusal(400, "ModelArts.6404", f"The image {image_id} is not found.")
        (image,) = self.read([image_id])
        return image

    def read(self, image_ids: Iterable[str]) -> list[ImageRecord]:
        """Count a read of each image, which may end its save, and return the images."""
        for image_id in image_ids:
            if image_id in self._saves:
                self._saves[image_id].reads += 1
        return [self.image(image_id) for image_id in image_ids]

    def start_save(self, notebook_id: str, given: Mapping[str, str]) -> ImageRecord:
        """Start to save a running notebook and return the image for the response."""
        notebook = self.lifecycle_of(notebook_id).running(notebook_id)
        source = self.image_of(notebook)
        kept = {name: value for name, value in given.items() if name in _IMAGE_FIELDS} | {"status": "INIT"}
        # Inferred: an image in the Enterprise edition of SWR has the address of that registry.
        registry = given.get("swr_instance_domain", self._registry.host)
        values = image_defaults(str(uuid.uuid4()), kept, registry, self._milliseconds()) | kept
        image = ImageRecord(**values, arch=source.arch, resource_categories=source.resource_categories)
        self._refuse_taken_tag(image)
        self._put(image)
        environment = self._notebooks.begin_save(notebook_id)
        self._saves[image.id] = _Save(notebook_id, self._clock.now(), environment)
        self.saves += 1
        return image

    def fail_save(self, image_id: str, message: str) -> None:
        """Let a running save end with CREATE_FAILED and this message."""
        self._saves[image_id].failure = message

    def delete_image(self, image_id: str, force: bool) -> ImageRecord:
        """Delete an image and, with ``force``, its tag in SWR."""
        image = self.image(image_id)
        if image_id in self._saves:
            raise Refusal(400, "ModelArts.6357", f"The image {image_id} is being saved.")
        if image.type == "BUILD_IN":
            raise Refusal(400, "ModelArts.6347", f"The image {image_id} is a built-in one.")
        is_used = any(notebook.image_id == image_id for notebook in self.notebooks())
        refuses = self._behaviour.refuse_delete_in_use
        if is_used and (self.cloud.keeps_used_images if refuses is None else refuses):
            raise Refusal(400, "ModelArts.6347", f"The image {image_id} is used by a notebook.")
        self._images[image_id] = replace(image, status="DELETED", update_at=self._milliseconds())
        if force:
            self._registry.delete(image.swr_path)
        return self._images[image_id]

    def register_image(self, given: Mapping[str, str]) -> ImageRecord:
        """Add a record of an image that is in SWR and has none."""
        swr_path = given["swr_path"]
        self._settle_all()
        if swr_path not in self._registry:
            raise Refusal(400, "ModelArts.6797", f"The image {swr_path} cannot be found.")
        if any(image.swr_path == swr_path and not image.deleted for image in self._images.values()):
            raise Refusal(400, "ModelArts.6301", f"The image {swr_path} is already registered.")
        path, _, tag = swr_path.partition("/")[2].rpartition(":")
        namespace, _, name = path.partition("/")
        fields = {"origin": "CUSTOMIZE", "service_type": "UNKNOWN", **given}
        arch = {"arch": fields.get("arch", "X86_64").lower()}
        image_id = self.add_image(fields | arch | {"namespace": namespace, "name": name, "tag": tag})
        return self._images[image_id]

    def set_notebook_status(self, notebook_id: str, status: str, fail_reason: str | None = None) -> None:
        """Set the status of a notebook; a running save continues."""
        self.lifecycle_of(notebook_id).set_status(notebook_id, status, fail_reason)

    def set_image_status(self, image_id: str, status: str, message: str | None = None) -> None:
        """
        Set the status of an image; it keeps that status.

        ACTIVE, CREATE_FAILED, ERROR and DELETED end a save. In any other status, documented or not, the save
        makes no progress and its notebook stays SNAPSHOTTING.
        """
        self.image(image_id)
        if status in ("ACTIVE", "CREATE_FAILED", "ERROR", "DELETED"):
            self._finish(image_id, status, message)
        else:
            self._change(image_id, status, message)
            if image_id in self._saves:
                self._saves[image_id].pinned = True

    def _refuse_taken_tag(self, new: ImageRecord) -> None:
        self._settle_all()
        for image in self._images.values():
            same = (image.namespace, image.name, image.tag) == (new.namespace, new.name, new.tag)
            failed = image.status in ("CREATE_FAILED", "ERROR")
            if same and not image.deleted and (self._behaviour.failed_image_holds_tag or not failed):
                raise Refusal(
                    400,
                    "ModelArts.6737",
                    f"Conflict tag {new.tag} for image {new.name}: cannot be duplicated.",
                )

    def _settle_all(self) -> None:
        for image_id in tuple(self._saves):
            self._settle(image_id)

    def _settle_notebook(self, notebook_id: str) -> None:
        for image_id, save in tuple(self._saves.items()):
            if save.notebook_id == notebook_id:
                self._settle(image_id)

    def _settle(self, image_id: str) -> None:
        """Update the image and notebook of a save to its current stage."""
        save = self._saves.get(image_id)
        if save is None or save.pinned:
            return
        interrupted_at = self._notebooks.interrupted_at(save.notebook_id)
        until = self._clock.now() if interrupted_at is None else interrupted_at
        timing = self._behaviour.save_timing
        stage = timing.stage(save.reads, until - save.started)
        ended_at = end_of(timing, save.started, until)
        if stage is not Stage.DONE and interrupted_at is not None:
            self._finish(image_id, "CREATE_FAILED", "The notebook was stopped.", interrupted_at)
        elif stage is not Stage.DONE:
            self._change(image_id, stage.value, None)
        elif save.failure is None:
            self._finish(image_id, "ACTIVE", None, ended_at)
        else:
            self._finish(image_id, "CREATE_FAILED", save.failure, ended_at)

    def _change(self, image_id: str, status: str, message: str | None, at: float | None = None) -> None:
        image = self._images[image_id]
        if (image.status, image.status_message) != (status, message):
            update_at = self._milliseconds() if at is None else int(at * 1000)
            self._put(replace(image, status=status, status_message=message, update_at=update_at))

    def _finish(self, image_id: str, status: str, message: str | None, at: float | None = None) -> None:
        """Set the final status of an image and end its save: its notebook runs again, on the new image."""
        save = self._saves.pop(image_id, None)
        if save is not None and status == "ACTIVE":
            base = self.image_of(self._notebooks.stored(save.notebook_id)).swr_path
            installed = save.environment - self.environments.of_image(base)
            self._registry.commit(self._images[image_id].swr_path, base=base, installed=installed)
        self._change(image_id, status, message, at)
        if status == "ACTIVE":
            self._complete(image_id, save)
        if save is not None:
            self._notebooks.end_save(save.notebook_id, image_id if status == "ACTIVE" else None, at)

    def _complete(self, image_id: str, save: _Save | None) -> None:
        """Set the fields that only a finished image has."""
        image = self._images[image_id]
        source = image if save is None else self.image_of(self._notebooks.stored(save.notebook_id))
        if save is not None:
            self.environments.put(image.swr_path, save.environment)
        self._put(
            replace(
                image,
                size=image.size or IMAGE_SIZE,
                support_res_categories=image.resource_categories,
                flavor_type=source.flavor_type,
            )
        )

    def _put(self, image: ImageRecord) -> None:
        """Store an image; an ACTIVE one is also in SWR."""
        self._images[image.id] = image
        if image.status == "ACTIVE":
            self._registry.ensure(image.swr_path)

    def _is_shown(self, image: ImageRecord, lag: float) -> bool:
        """Return whether an image is built-in or older than the lag."""
        return not lag or image.type == "BUILD_IN" or image.create_at <= self._milliseconds() - 1000 * lag

    def _milliseconds(self) -> int:
        return int(self._clock.now() * 1000)
