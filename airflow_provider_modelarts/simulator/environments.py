"""What is installed in notebooks and images."""

from __future__ import annotations


class Environments:
    """
    The sets of packages in notebooks and images, which are names that a test chooses.

    An image is known by its address in SWR, where it stays when its record is deleted.
    """

    def __init__(self) -> None:
        """Start with nothing installed."""
        self._notebooks: dict[str, frozenset[str]] = {}
        self._images: dict[str, frozenset[str]] = {}

    def of_notebook(self, notebook_id: str) -> frozenset[str]:
        """Return what is installed in a notebook."""
        return self._notebooks.get(notebook_id, frozenset())

    def of_image(self, swr_path: str) -> frozenset[str]:
        """Return what an image contains."""
        return self._images.get(swr_path, frozenset())

    def install(self, notebook_id: str, packages: frozenset[str]) -> None:
        """Add packages to a notebook."""
        self._notebooks[notebook_id] = self.of_notebook(notebook_id) | packages

    def reset(self, notebook_id: str, swr_path: str) -> None:
        """Discard what is installed in a notebook: it has what its image contains."""
        self._notebooks[notebook_id] = self.of_image(swr_path)

    def put(self, swr_path: str, packages: frozenset[str]) -> None:
        """Set what an image contains."""
        self._images[swr_path] = packages
