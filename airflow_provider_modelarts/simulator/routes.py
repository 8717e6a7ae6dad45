"""The API operations the simulator knows, and which request means which."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from .exchange import HttpRequest, Outcome

UNKNOWN = "Unknown"
"""What a request for no known operation is called in the journal."""


class Gate(Enum):
    """What a request has to show before it passes."""

    PROJECT = auto()
    """A token of the project in the path, or the signature of somebody who may act in it."""
    KEYSTONE = auto()
    """Any token or signature, as the part of IAM wants it that is Keystone's."""
    IAM = auto()
    """Any token or signature, as the rest of IAM wants it."""
    OPEN = auto()
    """Nothing."""


_ROUTES: Mapping[str, tuple[str, str, Gate]] = {
    "CreateImage": ("POST", "v1/{project_id}/notebooks/{id}/create-image", Gate.PROJECT),
    "ShowImage": ("GET", "v1/{project_id}/images/{id}", Gate.PROJECT),
    "ListImages": ("GET", "v1/{project_id}/images", Gate.PROJECT),
    "DeleteImage": ("DELETE", "v1/{project_id}/images/{id}", Gate.PROJECT),
    # Before the one whose id could be "all".
    "ListAllNotebooks": ("GET", "v1/{project_id}/notebooks/all", Gate.PROJECT),
    "ShowNotebook": ("GET", "v1/{project_id}/notebooks/{id}", Gate.PROJECT),
    "ListNotebooks": ("GET", "v1/{project_id}/notebooks", Gate.PROJECT),
    "CreateToken": ("POST", "v3/auth/tokens", Gate.OPEN),
    "ListProjects": ("GET", "v3/projects", Gate.KEYSTONE),
    "CreateTemporaryAccessKey": ("POST", "v3.0/OS-CREDENTIAL/securitytokens", Gate.IAM),
    "ShowSecurityKey": ("GET", "openstack/latest/securitykey", Gate.OPEN),
    "CreateMetadataToken": ("PUT", "meta-data/latest/api/token", Gate.OPEN),
}
OPERATIONS = tuple(_ROUTES)


@dataclass(frozen=True)
class MatchedRoute:
    """The operation a request is for, with what its path says."""

    operation: str
    gate: Gate
    project_id: str
    id: str


OperationHandler = Callable[[HttpRequest, MatchedRoute], Outcome]
"""Carries out a request for what its route names, or raises the refusal."""


def find(request: HttpRequest) -> MatchedRoute | None:
    """Tell which operation a request is for."""
    segments = request.segments
    if not all(segments):
        return None
    for operation, (method, template, gate) in _ROUTES.items():
        names = template.split("/")
        if request.method == method and len(names) == len(segments):
            values = dict(zip(names, segments, strict=True))
            if all(name == value for name, value in values.items() if not name.startswith("{")):
                return MatchedRoute(operation, gate, values.get("{project_id}", ""), values.get("{id}", ""))
    return None
