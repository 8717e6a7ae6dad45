"""The content of SWR: repositories with their tags, and the layers that images share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from .clock import SimulatedClock, iso
from .registry_behaviour import RegistryBehaviour

_BASE_SIZE = 1_900_000_000
_LAYER_SIZE = 42_000_000
_BASE_LAYERS = 3
_DOCKER = "application/vnd.docker"


@dataclass(frozen=True)
class Layer:
    """A layer of an image; equal digests are one layer, however many images have it."""

    digest: str
    size: int

    def document(self) -> dict[str, Any]:
        """Return the layer as in a manifest."""
        return {
            "mediaType": f"{_DOCKER}.image.rootfs.diff.tar.gzip",
            "size": self.size,
            "digest": self.digest,
        }


@dataclass(frozen=True)
class TagRecord:
    """A tag and the content that it names; times in epoch seconds."""

    number: int
    layers: tuple[Layer, ...]
    created: float
    updated: float

    @property
    def digest(self) -> str:
        """The digest of the manifest."""
        return _digest(self.manifest)

    @property
    def size(self) -> int:
        """Bytes of all layers, shared or not."""
        return sum(layer.size for layer in self.layers)

    @property
    def manifest(self) -> str:
        """The manifest as text."""
        layers = [layer.document() for layer in self.layers]
        config = {
            "mediaType": f"{_DOCKER}.container.image.v1+json",
            "size": 1862,
            "digest": _digest(json.dumps(layers)),
        }
        media_type = f"{_DOCKER}.distribution.manifest.v2+json"
        return json.dumps(
            {"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers},
            separators=(",", ":"),
        )


@dataclass
class Repository:
    """A repository: its tags, by name, and its retention rules, as SWR returns them."""

    number: int
    tags: dict[str, TagRecord] = field(default_factory=dict)
    rules: list[dict[str, Any]] = field(default_factory=list)


class Registry:
    """The repositories of an account, by their address without a tag; all its projects share them."""

    def __init__(self, behaviour: RegistryBehaviour, clock: SimulatedClock, host: str) -> None:
        """Start empty; ``host`` is the registry whose API is simulated, beside those of Enterprise."""
        self.behaviour = behaviour
        self.host = host
        self._clock = clock
        self.clear()

    def clear(self) -> None:
        """Remove everything."""
        self._repositories: dict[str, Repository] = {}
        self._number = 0
        self.hidden: set[int] = set()

    def __contains__(self, swr_path: str) -> bool:
        """Return whether an address can be pulled."""
        path, tag = _split(swr_path)
        return path in self._repositories and tag in self._repositories[path].tags

    def __iter__(self) -> Iterator[str]:
        """Return the addresses that can be pulled."""
        for path, repository in self._repositories.items():
            for tag in repository.tags:
                yield f"{path}:{tag}"

    def find(self, namespace: str, name: str) -> Repository | None:
        """Return a repository of the simulated API; None if it never had a tag."""
        return self._repositories.get(f"{self.host}/{namespace}/{name}")

    def has_namespace(self, namespace: str) -> bool:
        """Return whether there is an organization."""
        return any(path.startswith(f"{self.host}/{namespace}/") for path in self._repositories)

    def tag(self, swr_path: str) -> TagRecord:
        """Return what an address names; raises ValueError if it cannot be pulled."""
        path, tag = _split(swr_path)
        if swr_path not in self:
            raise ValueError(f"there is no {swr_path} in the registry")
        return self._repositories[path].tags[tag]

    def ensure(self, swr_path: str) -> None:
        """Let an address be pulled; new content is the layers of the base image and one of its own."""
        if swr_path not in self:
            self.commit(swr_path, base="", installed=frozenset())

    def commit(self, swr_path: str, *, base: str, installed: frozenset[str]) -> None:
        """
        Store a save: the layers of the image that the notebook ran, and one with what was installed.

        :param base: address of that image
        :param installed: what was installed since
        """
        below = self.tag(base).layers if base in self else _BASE
        if not self.behaviour.same_content:
            self._put(swr_path, (*below, _layer(f"{swr_path} {self._number}")))
        elif installed:
            self._put(swr_path, (*below, _layer(" ".join(sorted(installed)))))
        else:
            self._put(swr_path, below)

    def copy(self, source: str, target: str) -> None:
        """Give the content of an address another tag, which is moved if it exists."""
        self._put(target, self.tag(source).layers)

    def push(self, swr_path: str, *layers: str) -> None:
        """Push an image as a container client does: layers of the same name are one layer."""
        self._put(swr_path, tuple(_layer(name) for name in layers) or (*_BASE, _layer(swr_path)))

    def delete(self, swr_path: str) -> None:
        """Delete a tag, if it exists; the repository stays."""
        path, tag = _split(swr_path)
        if path in self._repositories:
            self._repositories[path].tags.pop(tag, None)

    def listed(self, repository: Repository) -> dict[str, TagRecord]:
        """Return the tags that are already in lists."""
        until = self._clock.now() - self.behaviour.list_lag
        return {
            name: tag
            for name, tag in repository.tags.items()
            if tag.created <= until and tag.number not in self.hidden
        }

    def add_rule(self, namespace: str, name: str, rule: dict[str, Any]) -> None:
        """Add a retention rule, which is only listed: tags are deleted by :meth:`delete`."""
        self._repository(f"{self.host}/{namespace}/{name}").rules.append(rule)

    def document(self, namespace: str, name: str, tag: str) -> dict[str, Any]:
        """Return a tag as an item of a list."""
        address = f"{namespace}/{name}:{tag}"
        repository = self._repository(f"{self.host}/{namespace}/{name}")
        record = repository.tags[tag]
        return {
            "id": record.number,
            "repo_id": repository.number,
            "Tag": tag,
            "image_id": json.loads(record.manifest)["config"]["digest"].removeprefix("sha256:"),
            "manifest": record.manifest,
            "digest": record.digest,
            "schema": 2,
            "path": f"{self.host}/{address}",
            "internal_path": f"10.125.0.198:20202/{address}",
            "size": record.size,
            "is_trusted": False,
            "created": _date(record.created),
            "updated": _date(record.updated),
            "deleted": None,
            "domain_id": "",
            "scanned": False,
            "tag_type": 0,
        }

    def _repository(self, path: str) -> Repository:
        if path not in self._repositories:
            self._repositories[path] = Repository(self._next())
        return self._repositories[path]

    def _put(self, swr_path: str, layers: tuple[Layer, ...]) -> None:
        path, tag = _split(swr_path)
        tags = self._repository(path).tags
        now = self._clock.now()
        known = tags.get(tag) or TagRecord(self._next(), layers, created=now, updated=now)
        tags[tag] = replace(known, layers=layers, updated=now)

    def _next(self) -> int:
        self._number += 1
        return self._number


def _split(swr_path: str) -> tuple[str, str]:
    path, _, tag = swr_path.rpartition(":")
    return path, tag


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _layer(name: str, size: int = _LAYER_SIZE) -> Layer:
    return Layer(_digest(name), size)


def _date(at: float) -> str:
    """Return a time as SWR writes it, without fractions."""
    return f"{iso(at)[:19]}Z"


_BASE = tuple(_layer(f"base {number}", _BASE_SIZE // _BASE_LAYERS) for number in range(_BASE_LAYERS))
