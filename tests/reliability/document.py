"""The sections of the documentation that commands write, so that no figure there is typed by hand."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"


def recorded(section: str, file: Path = PAGE) -> str:
    """Return what stands between a section's two comments, without the line ends around it."""
    return _place(section, file)[2].strip("\n")


def record(section: str, text: str, file: Path = PAGE) -> None:
    """Put a text, in Markdown, between a section's two comments."""
    begin, end, _ = _place(section, file)
    page = file.read_text(encoding="utf-8")
    body = text.strip("\n")
    file.write_text(f"{page[:begin]}\n{body}\n{page[end:]}", encoding="utf-8")


def _place(section: str, file: Path) -> tuple[int, int, str]:
    """Return where a section's text begins and ends, and the text."""
    pattern = rf"<!-- begin {re.escape(section)} -->(.*?)<!-- end {re.escape(section)} -->"
    found = re.search(pattern, file.read_text(encoding="utf-8"), flags=re.DOTALL)
    if found is None:
        raise LookupError(f"{file.name} has no section {section!r}: it needs a begin and an end comment")
    return found.start(1), found.end(1), found.group(1)
