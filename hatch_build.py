"""
The package's description on an index: README.md without the links that lead only in the repository.

A link such as ``docs/connection.md`` works in the repository and in a checkout. An index has no such file, so
only the text of the link is kept. Once ``[project.urls]`` has a ``Source``, these links become absolute.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

RELATIVE_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?://|mailto:)([^)]+)\)")


def for_index(readme: str, source: str | None) -> str:
    """
    Return a README whose links also work where there is no repository.

    :param source: the address of the repository, if it is known.
    """

    def link(found: re.Match[str]) -> str:
        image, text, target = found.groups()
        if not source:
            return text
        file = f"README.md{target}" if target.startswith("#") else target
        return f"{image}[{text}]({source.rstrip('/')}/{'raw' if image else 'blob'}/HEAD/{file})"

    return RELATIVE_LINK.sub(link, readme)


class ReadmeHook(MetadataHookInterface):
    """Sets the field ``readme`` when a distribution is built."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the description to the metadata."""
        readme = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        text = for_index(readme, metadata.get("urls", {}).get("Source"))
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
