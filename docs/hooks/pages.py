"""What MkDocs cannot do alone: a page from a file outside of docs/, links out of docs/, a check of pages."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
RELATIVE_LINK = re.compile(r"\[([^\]]+)\]\((\.\./[^)]+)\)")
FOREIGN = re.compile(r"""<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=["']?(?:https?:)?//[^>]*>""")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the changelog, whose links are relative to the root of the repository."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").replace("](docs/", "](")
    files.append(File.generated(config, "changelog.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Keep the names of files of the repository without their links."""
    return RELATIVE_LINK.sub(lambda link: _unless_outside(link, page.file.src_uri), markdown)


def _unless_outside(link: re.Match[str], page: str) -> str:
    """Return a link, or only its text if it leads out of docs/: the site does not know the repository."""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(page), link[2]))
    return link[1] if target.startswith("../") else link[0]


def on_post_page(output: str, page: Page, **_: Any) -> str:
    """Refuse a page for which a browser would load something from another host."""
    if found := FOREIGN.search(output):
        raise PluginError(f"{page.file.src_uri} loads from another host: {found[0]}")
    return output
