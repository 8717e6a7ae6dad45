"""The sections of pages that commands write, so that no figure there is typed by hand."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"


def recorded(section: str, page: Path = PAGE) -> str:
    """Return what stands between a section's two comments, without the line ends around it."""
    return _place(section, page)[2].strip("\n")


def record(section: str, text: str, page: Path = PAGE) -> None:
    """Put a text, in Markdown, between a section's two comments."""
    begin, end, _ = _place(section, page)
    before = page.read_text(encoding="utf-8")
    body = text.strip("\n")
    page.write_text(f"{before[:begin]}\n{body}\n{before[end:]}", encoding="utf-8")


def _place(section: str, page: Path) -> tuple[int, int, str]:
    """Return where a section's text begins and ends, and the text."""
    pattern = rf"<!-- begin {re.escape(section)} -->(.*?)<!-- end {re.escape(section)} -->"
    found = re.search(pattern, page.read_text(encoding="utf-8"), flags=re.DOTALL)
    if found is None:
        raise LookupError(f"{page.name} has no section {section!r}: it needs a begin and an end comment")
    return found.start(1), found.end(1), found.group(1)
