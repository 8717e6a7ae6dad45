"""Image and notebook records, and their JSON form in the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .lease import LeaseRecord

NOTEBOOK_STATUSES = (
    "INIT",
    "CREATING",
    "STARTING",
    "STOPPING",
    "DELETING",
    "RUNNING",
    "STOPPED",
    "SNAPSHOTTING",
    "CREATE_FAILED",
    "START_FAILED",
    "DELETE_FAILED",
    "ERROR",
    "DELETED",
    "FROZEN",
)
"""The notebook statuses of both clouds' documentation."""

IMAGE_SIZE = 3_984_588
"""The size of an image, 3.8 GB; the pages give it in KB."""

OWNER = "2c94c2b7e1f04d5b8a6c3d9e0f1a2b3c"
"""The id of the user of the connection, who owns all notebooks by default."""


@dataclass(frozen=True)
class ImageRecord:
    """An image record; the names are the API's, and a field that is None is left out of responses."""

    id: str
    name: str
    tag: str
    swr_path: str
    create_at: int
    update_at: int
    namespace: str | None = None
    description: str = ""
    status: str = "ACTIVE"
    status_message: str | None = None
    type: str = "DEDICATED"
    origin: str | None = "IMAGE_SAVE"
    visibility: str | None = "PRIVATE"
    service_type: str = "TRAIN"
    arch: str = "x86_64"
    dev_services: tuple[str, ...] = ("SSH", "NOTEBOOK")
    resource_categories: tuple[str, ...] = ("CPU", "GPU")
    support_res_categories: tuple[str, ...] | None = None
    flavor_type: str | None = None
    size: int | None = None
    workspace_id: str = "0"
    swr_instance_id: str | None = None
    show_name: str | None = None
    show_tag: str | None = None

    @property
    def deleted(self) -> bool:
        """Whether the image was deleted; the record is kept."""
        return self.status == "DELETED"

    def document(self) -> dict[str, Any]:
        """Return the image as in a ShowImage response."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in sorted(vars(self).items())
            if value is not None
        }

    def item(self) -> dict[str, Any]:
        """Return the image as an item of ListImages, which has no ``support_res_categories``."""
        document = self.document()
        document.pop("support_res_categories", None)
        return document


@dataclass(frozen=True)
class NotebookRecord:
    """A notebook instance and the id of the image that it runs."""

    id: str
    name: str
    status: str
    workspace_id: str
    image_id: str
    create_at: int
    update_at: int
    lease: LeaseRecord
    owner: str = OWNER
    feature: str = "NOTEBOOK"
    flavor: str = "modelarts.vm.cpu.2u"
    description: str = ""
    fail_reason: str | None = None

    @property
    def token(self) -> str:
        """The secret with which a browser opens the notebook."""
        return f"simulated-secret-token-of-{self.id}"

    def document(self, image: ImageRecord, host: str) -> dict[str, Any]:
        """Return the notebook as in a ShowNotebook response, including the secret ``token``."""
        document = {
            "billing_items": ["COMPUTE"],
            "create_at": self.create_at,
            "description": self.description,
            "endpoints": [{"service": "NOTEBOOK", "uri": f"https://{host}/{self.id}/lab"}],
            "feature": self.feature,
            "flavor": self.flavor,
            "id": self.id,
            "image": {
                "id": image.id,
                "name": image.name,
                "swr_path": image.swr_path,
                "type": image.type,
            },
            "lease": self.lease.document(),
            "name": self.name,
            "status": self.status,
            "token": self.token,
            "update_at": self.update_at,
            "url": f"https://{host}/{self.id}/lab",
            "user": {
                "domain": {"id": OWNER[::-1], "name": "simulator"},
                "id": self.owner,
                "name": "simulator" if self.owner == OWNER else f"user-{self.owner[:8]}",
            },
            "user_id": self.owner,
            "volume": {"capacity": 5, "category": "EVS", "ownership": "MANAGED", "status": "ACTIVE"},
            "workspace_id": self.workspace_id,
        }
        return document | ({"fail_reason": self.fail_reason} if self.fail_reason else {})


def image_defaults(image_id: str, given: Mapping[str, Any], registry: str, now: int) -> dict[str, Any]:
    """
    Return the values of fields that a request omits.

    No page documents which name, namespace or tag the service chooses if one is omitted. These values are
    invented, so a client must read them from the response.
    """
    name = given.get("name", f"notebook-image-{image_id[:8]}")
    namespace = given.get("namespace", "modelarts-default")
    tag = given.get("tag", image_id[:8])
    return {
        "id": image_id,
        "name": name,
        "namespace": namespace,
        "tag": tag,
        "swr_path": f"{registry}/{namespace}/{name}:{tag}",
        "create_at": now,
        "update_at": given.get("create_at", now),
        "size": IMAGE_SIZE if given.get("status", "ACTIVE") == "ACTIVE" else None,
    }


def built_in_images(registry: str, ascend: bool, at: int) -> list[ImageRecord]:
    """
    Return the built-in images, which every project has.

    As in the OTC documents' examples, they have no namespace, origin or visibility.
    """

    def built_in(number: int, name: str, tag: str, **fields: Any) -> ImageRecord:
        return ImageRecord(
            id=f"00000000-0000-4000-8000-{number:012d}",
            name=name,
            tag=tag,
            swr_path=f"{registry}/atelier/{name}:{tag}",
            create_at=at,
            update_at=at,
            type="BUILD_IN",
            origin=None,
            visibility=None,
            service_type="COMMON",
            **fields,
        )

    images = [
        built_in(1, "pytorch1.8-cuda10.2-cudnn7-ubuntu18.04", "1.0.0"),
        built_in(2, "tensorflow2.1-cuda10.1-cudnn7-ubuntu18.04", "1.0.0"),
    ]
    if ascend:
        fields: Mapping[str, Any] = {
            "arch": "aarch64",
            "resource_categories": ("ASCEND",),
            "flavor_type": "ASCEND_SNT9B",
        }
        images.append(built_in(3, "pytorch2.1-cann8.0-euler2.10", "1.0.0", **fields))
    return images
