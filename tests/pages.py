"""The pages of the documentation and their blocks of code, for the tests that execute them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[1]
PATTERNS = ("README.md", "CONTRIBUTING.md", "docs/**/*.md")

HEADING = re.compile(r"^#{1,4} (.+)$")
FENCE = re.compile(r"^( *)```(.*)$")
INCLUDED = "{.python .included}"
"""The language of a block that is no code, but the name of code; ruff formats blocks of ``python``."""
# All or a section of a file that the site includes: --8<-- "path" or --8<-- "path:section".
INCLUDE = re.compile(r'^--8<-- "([\w./]+?\.\w+)(?::(\w+))?"$')


@dataclass(frozen=True)
class Block:
    """A block of code and the heading that it is under."""

    page: str
    number: int
    heading: str
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.page}:{self.number}:{self.heading}"


@cache
def pages() -> dict[str, str]:
    """Return the text of each page, by its path from the root of the repository."""
    found = sorted({path for pattern in PATTERNS for path in ROOT.glob(pattern)})
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in found}


@cache
def blocks(page: str | None = None) -> tuple[Block, ...]:
    """Return the blocks of all pages or of one, in their order."""
    return tuple(block for name in ([page] if page else pages()) for block in blocks_of(name, pages()[name]))


def blocks_of(page: str, text: str) -> list[Block]:
    """Return the blocks of a text; what an unclosed one contains is a block too."""
    found: list[Block] = []
    heading, language, indent = "", None, ""
    code: list[str] = []
    for line in [*text.splitlines(), "```"]:
        fence = FENCE.match(line)
        if language is None:
            if fence:
                indent, language = fence[1], fence[2].strip()
            elif title := HEADING.match(line):
                heading = title[1]
        elif fence and fence[1] == indent and not fence[2].strip():
            body = dedent("\n".join(code)) + "\n"
            found.append(Block(page, len(found) + 1, heading, language, body))
            language, code = None, []
        else:
            code.append(line)
    return found


def prose(text: str) -> str:
    """Return a page without its blocks."""
    lines, inside = [], False
    for line in text.splitlines():
        is_fence = FENCE.match(line) is not None
        if not (inside or is_fence):
            lines.append(line)
        inside ^= is_fence
    return "\n".join(lines)


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and MkDocs make them."""
    titles = (match[1] for line in prose(text).splitlines() if (match := HEADING.match(line)))
    return {re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", title.lower()).strip()) for title in titles}
