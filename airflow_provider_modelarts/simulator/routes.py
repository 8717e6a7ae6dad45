"""The API operations the simulator knows, and which request means which."""

from __future__ import annotations

from dataclasses import dataclass

from .messages import Request

UNKNOWN = "Unknown"
"""What a request for no known operation is called in the journal."""

_ROUTES = {
    "CreateImage": ("POST", "v1/{project_id}/notebooks/{id}/create-image"),
    "ShowImage": ("GET", "v1/{project_id}/images/{id}"),
    "ListImages": ("GET", "v1/{project_id}/images"),
    "DeleteImage": ("DELETE", "v1/{project_id}/images/{id}"),
    "ShowNotebook": ("GET", "v1/{project_id}/notebooks/{id}"),
    "ListNotebooks": ("GET", "v1/{project_id}/notebooks"),
}
OPERATIONS = tuple(_ROUTES)


@dataclass(frozen=True)
class Route:
    """The operation a request is for, with what its path says."""

    operation: str
    project_id: str
    id: str


def find(request: Request) -> Route | None:
    """Tell which operation a request is for."""
    segments = request.segments
    if not all(segments):
        return None
    for operation, (method, template) in _ROUTES.items():
        names = template.split("/")
        if request.method == method and len(names) == len(segments):
            values = dict(zip(names, segments, strict=True))
            if all(name == value for name, value in values.items() if not name.startswith("{")):
                return Route(operation, values["{project_id}"], values.get("{id}", ""))
    return None
