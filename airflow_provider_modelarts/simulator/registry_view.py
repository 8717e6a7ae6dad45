"""SWR, as tests use it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, final

from .registry import Registry


@final
class RegistryView:
    """The registry of the simulator's account, which all projects share; see :attr:`Simulator.registry`."""

    def __init__(self, registry: Registry, lock: AbstractContextManager[Any]) -> None:
        """Give access to the registry under the simulator's lock."""
        self._registry = registry
        self._lock = lock

    @property
    def host(self) -> str:
        """The host in the addresses of images."""
        return self._registry.host

    def tags(self, namespace: str, repository: str) -> dict[str, dict[str, Any]]:
        """Return the tags of a repository in API form, by name, whether lists have them or not."""
        with self._lock:
            found = self._registry.find(namespace, repository)
            names = found.tags if found else ()
            return {name: self._registry.document(namespace, repository, name) for name in names}

    def digest(self, swr_path: str) -> str:
        """Return the digest of what an address names; raises ValueError if it cannot be pulled."""
        with self._lock:
            return self._registry.tag(swr_path).digest

    def push(self, swr_path: str, *layers: str) -> None:
        """
        Push an image as a container client does, without a record in ModelArts.

        :param layers: names, of which equal ones are one layer; by default shared layers and one of its own
        """
        with self._lock:
            self._registry.push(swr_path, *layers)

    def copy(self, source: str, target: str) -> None:
        """Let an address name the content of another one; raises ValueError if that cannot be pulled."""
        with self._lock:
            self._registry.copy(source, target)

    def delete(self, swr_path: str) -> None:
        """Delete a tag, as SWR's own retention or a person does; records of ModelArts stay."""
        with self._lock:
            self._registry.delete(swr_path)

    def hide(self, swr_path: str) -> None:
        """Let lists miss a tag, which exists nevertheless; raises ValueError if it does not."""
        with self._lock:
            self._registry.hidden.add(self._registry.tag(swr_path).number)

    def add_rule(
        self,
        namespace: str,
        repository: str,
        *,
        days: int | None = None,
        num: int | None = None,
        exceptions: tuple[str, ...] = (),
    ) -> None:
        """
        Add a retention rule to a repository, which is listed but deletes nothing here.

        :param days: of a ``date_rule``; else ``num`` is that of a ``tag_rule``
        :param exceptions: tags that it keeps
        """
        # The API has numbers as text.
        template, params = (
            ("tag_rule", {"num": str(num)}) if days is None else ("date_rule", {"days": str(days)})
        )
        selectors = [{"kind": "label", "pattern": pattern} for pattern in exceptions]
        rule = {"template": template, "params": params, "tag_selectors": selectors}
        with self._lock:
            self._registry.add_rule(namespace, repository, rule)
