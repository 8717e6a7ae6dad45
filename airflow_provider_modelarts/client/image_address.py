"""The address of an image in SWR: ``registry/namespace/name:tag``."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

SCHEME = "swr"
"""The scheme of an image repository's URI: ``swr://registry/namespace/name``."""


@dataclass(frozen=True, slots=True)
class ImageAddress:
    """
    The parts of an image's address.

    :param registry: the host in lower case, with the port if the address has one; empty if the address names
        no registry.
    :param path: namespace and name, of two or more segments.
    :param tag: None if the address has none.
    :param digest: such as ``sha256:…``; None if the address has none.
    """

    registry: str
    path: str
    tag: str | None = None
    digest: str | None = None

    @property
    def namespace(self) -> str:
        """The organization of SWR that the repository is in."""
        return self.path.partition("/")[0]

    @property
    def repository(self) -> str:
        """The name of the repository in its organization, which may contain slashes."""
        return self.path.partition("/")[2]

    @property
    def uri(self) -> str:
        """The URI of the repository, which all tags share."""
        return f"{SCHEME}://{self.registry}/{self.path}"

    @property
    def host(self) -> str:
        """The registry if it can be a host; empty if it may be the organization of a name with slashes."""
        return self.registry if any(character in self.registry for character in ".:") else ""

    @property
    def domain(self) -> str:
        """The domain of the registry; empty if it has none, as at an address inside of the cloud."""
        domain = self.host.partition(":")[0]
        return "" if re.fullmatch(r"[0-9.]*", domain) else domain

    def is_elsewhere(self, domains: Collection[str]) -> bool:
        """
        Whether the image is in none of some registries; not if its own or they are unknown.

        :param domains: of the registries, which may be several names of one.
        """
        return bool(self.domain and domains) and self.domain not in domains

    def is_in(self, repository: ImageAddress) -> bool:
        """Whether the image is in a repository; without a registry, the path decides."""
        return self.path == repository.path and self.registry in ("", repository.registry)


def parse_address(address: str | None) -> ImageAddress | None:
    """
    Return the parts of an address as ModelArts or a URI has it, or None if it names no repository.

    The first of three or more segments is the registry. Of two, none is: an organization may have periods.
    """
    text = re.sub(r"^\w+://", "", (address or "").strip())
    text, _, digest = text.partition("@")
    *segments, last = text.split("/")
    name, _, tag = last.partition(":")
    segments.append(name)
    registry = segments.pop(0).lower() if len(segments) > 2 else ""
    if len(segments) < 2 or not all(segments):
        return None
    return ImageAddress(registry, "/".join(segments), tag or None, digest or None)
