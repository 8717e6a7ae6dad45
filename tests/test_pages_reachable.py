"""A reader who follows links from the first page finds every other one."""

from __future__ import annotations

import posixpath
import re

import pytest

from tests.pages import pages

FIRST = ("README.md", "docs/index.md")
LINK = re.compile(r"\]\(([^)#\s]+)")


def reachable(first: str) -> set[str]:
    """Return the pages to which links lead, directly or through others."""
    found: set[str] = set()
    ahead = [first]
    while ahead:
        page = ahead.pop()
        if page in found or page not in pages():
            continue
        found.add(page)
        folder = posixpath.dirname(page)
        ahead += [posixpath.normpath(posixpath.join(folder, link)) for link in LINK.findall(pages()[page])]
    return found


@pytest.mark.parametrize("first", FIRST)
def test_pages_are_reachable_from_first_page(first: str) -> None:
    assert {page for page in pages() if page.startswith("docs/")} - reachable(first) == set()
