"""Which images notebooks use: by the image's id, by its address in SWR, or by its digest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from airflow_provider_modelarts.client.image_address import ImageAddress, parse_address
from airflow_provider_modelarts.client.notebooks import Notebook

NEVER_STARTS = frozenset({"CREATE_FAILED", "DELETED", "DELETING"})
"""Statuses of notebooks that no start follows, so that they may lack an image."""


@dataclass(frozen=True)
class ImageUses:
    """
    The images that some notebooks use.

    :param notebooks: how many notebooks there are.
    :param read_at: when the notebooks began to be read, in epoch seconds.
    :param unclear: ids of notebooks of which it is not known what they use.
    """

    notebooks: int
    read_at: float = 0.0
    unclear: tuple[str, ...] = ()
    _by_id: dict[str, list[str]] = field(default_factory=dict)
    _by_tag: dict[tuple[str, str | None], list[str]] = field(default_factory=dict)
    _by_digest: dict[str, list[str]] = field(default_factory=dict)
    _with_digest: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, notebooks: Iterable[Notebook], *, read_at: float = 0.0) -> ImageUses:
        """
        Return what notebooks of any status use.

        :param read_at: epoch seconds at which the reading of the notebooks began.
        """
        found = {notebook.id.lower(): notebook for notebook in notebooks}
        unclear = [n.id for n in found.values() if not _has_image(n) and n.status not in NEVER_STARTS]
        uses = cls(len(found), read_at, tuple(sorted(unclear)))
        for notebook in found.values():
            if notebook.image is None:
                continue
            if notebook.image.id:
                uses._by_id.setdefault(notebook.image.id.lower(), []).append(notebook.id)
            address = parse_address(notebook.image.swr_path)
            if address is None:
                continue
            if address.digest:
                uses._by_digest.setdefault(address.digest.lower(), []).append(notebook.id)
            for path in _paths(address):
                if address.digest:
                    uses._with_digest.setdefault(path, []).append(notebook.id)
                if address.tag or not address.digest:
                    uses._by_tag.setdefault((path, address.tag), []).append(notebook.id)
        return uses

    def name_digests_of(self, address: ImageAddress) -> bool:
        """Return whether a notebook names its image in a repository by a digest."""
        return address.path.lower() in self._with_digest

    def of_image(
        self, image_id: str | None, address: ImageAddress | None = None, digest: str | None = None
    ) -> tuple[str, ...]:
        """
        Return the ids of the notebooks that use an image.

        The registry's host is not compared, because it may be written in more than one way, and the case of
        a path is not, because a registry has only lower case. An address without a tag and digest may be any
        tag of its repository, and one with a digest any image whose own is unknown.

        :param address: of the image, with its tag.
        :param digest: of its content.
        """
        found = list(self._by_id.get((image_id or "").lower(), ()))
        if address is not None:
            found += self._by_tag.get((address.path.lower(), address.tag), ())
            found += self._by_tag.get((address.path.lower(), None), ())
        digests = {(digest or "").lower(), ((address and address.digest) or "").lower()} - {""}
        for known in digests:
            found += self._by_digest.get(known, ())
        if address is not None and not digests:
            found += self._with_digest.get(address.path.lower(), ())
        return tuple(sorted(set(found)))


def _has_image(notebook: Notebook) -> bool:
    """Whether a record shows what its notebook uses."""
    return notebook.image is not None and bool(notebook.image.id or parse_address(notebook.image.swr_path))


def _paths(address: ImageAddress) -> tuple[str, ...]:
    """Return what the path of a notebook's image can be: of a name with slashes, what is no host is in it."""
    path = address.path.lower()
    return (path,) if address.host == address.registry else (path, f"{address.registry}/{path}")
