"""The API operations of the simulator, and the request line of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from .exchange import HttpRequest, Outcome

UNKNOWN = "Unknown"
"""Name in the journal of a request that matches no operation."""


class Gate(Enum):
    """The authentication that an operation requires."""

    PROJECT = auto()
    """A token for the project in the path, or a signature with a key of its account."""
    KEYSTONE = auto()
    """Any token or signature, checked as in Keystone, the part of IAM under ``/v3``."""
    IAM = auto()
    """Any token or signature, checked as in the rest of IAM."""
    SWR = auto()
    """A token for a project, or a signature, checked as in SWR, whose content is the account's."""
    OPEN = auto()
    """None."""


_REPOSITORY = "v2/manage/namespaces/{namespace}/repos/{repository}"
_ROUTES: Mapping[str, tuple[str, str, Gate]] = {
    "CreateImage": ("POST", "v1/{project_id}/notebooks/{id}/create-image", Gate.PROJECT),
    "ShowImage": ("GET", "v1/{project_id}/images/{id}", Gate.PROJECT),
    "ListImages": ("GET", "v1/{project_id}/images", Gate.PROJECT),
    "DeleteImage": ("DELETE", "v1/{project_id}/images/{id}", Gate.PROJECT),
    "RegisterImage": ("POST", "v1/{project_id}/images", Gate.PROJECT),
    # Before ShowNotebook, which would match with the id "all".
    "ListAllNotebooks": ("GET", "v1/{project_id}/notebooks/all", Gate.PROJECT),
    "ShowNotebook": ("GET", "v1/{project_id}/notebooks/{id}", Gate.PROJECT),
    "UpdateNotebook": ("PUT", "v1/{project_id}/notebooks/{id}", Gate.PROJECT),
    "StartNotebook": ("POST", "v1/{project_id}/notebooks/{id}/start", Gate.PROJECT),
    "StopNotebook": ("POST", "v1/{project_id}/notebooks/{id}/stop", Gate.PROJECT),
    "ShowLease": ("GET", "v1/{project_id}/notebooks/{id}/lease", Gate.PROJECT),
    "RenewLease": ("PATCH", "v1/{project_id}/notebooks/{id}/lease", Gate.PROJECT),
    "ListNotebooks": ("GET", "v1/{project_id}/notebooks", Gate.PROJECT),
    "ListRepositoryTags": ("GET", f"{_REPOSITORY}/tags", Gate.SWR),
    "CreateRepoTag": ("POST", f"{_REPOSITORY}/tags", Gate.SWR),
    "DeleteRepoTag": ("DELETE", f"{_REPOSITORY}/tags/{{tag}}", Gate.SWR),
    "ListRetentions": ("GET", f"{_REPOSITORY}/retentions", Gate.SWR),
    "CreateToken": ("POST", "v3/auth/tokens", Gate.OPEN),
    "ListProjects": ("GET", "v3/projects", Gate.KEYSTONE),
    "CreateTemporaryAccessKey": ("POST", "v3.0/OS-CREDENTIAL/securitytokens", Gate.IAM),
    "ShowSecurityKey": ("GET", "openstack/latest/securitykey", Gate.OPEN),
    "CreateMetadataToken": ("PUT", "meta-data/latest/api/token", Gate.OPEN),
}
OPERATIONS = tuple(_ROUTES)


@dataclass(frozen=True)
class MatchedRoute:
    """The operation of a request, with the ids in its path, and all its names as the route has them."""

    operation: str
    gate: Gate
    project_id: str
    id: str
    names: Mapping[str, str]


OperationHandler = Callable[[HttpRequest, MatchedRoute], Outcome]
"""Runs the operation of a request; raises Refusal."""


def find(request: HttpRequest) -> MatchedRoute | None:
    """Return the route that a request matches, or None."""
    segments = request.segments
    if not all(segments):
        return None
    for operation, (method, template, gate) in _ROUTES.items():
        names = template.split("/")
        if request.method == method and len(names) == len(segments):
            values = dict(zip(names, segments, strict=True))
            if all(name == value for name, value in values.items() if not name.startswith("{")):
                project_id, id_ = values.get("{project_id}", ""), values.get("{id}", "")
                return MatchedRoute(operation, gate, project_id, id_, values)
    return None
