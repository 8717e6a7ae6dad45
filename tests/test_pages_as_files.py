"""Pages can be read in a checkout too, where nothing makes a site of them."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import pytest

from tests.pages import INCLUDE, INCLUDED, blocks, pages, prose

# Tabs, and places that only the site would fill.
ONLY_ON_SITE = re.compile(r'^(?:=== "|<!-- table: )', re.MULTILINE)


@pytest.mark.parametrize("page", pages())
def test_page_has_no_tabs_and_no_empty_places(page: str) -> None:
    assert ONLY_ON_SITE.findall(prose(pages()[page])) == []


@pytest.mark.parametrize("page", sorted({block.page for block in blocks() if block.language == INCLUDED}))
def test_page_names_file_of_included_code(page: str) -> None:
    found = [INCLUDE.match(block.code.strip()) for block in blocks(page) if block.language == INCLUDED]
    names = {PurePosixPath(match[1]).stem for match in found if match}

    assert {name for name in names if name not in prose(pages()[page])} == set()
