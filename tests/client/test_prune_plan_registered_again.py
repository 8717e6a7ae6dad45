"""A snapshot that was registered again, whose record is newer than what it contains."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.client.test_prune_plan_newest_image_gone import project, prune
from tests.snapshots import active

SAVED = "is the newest one that was not registered again"


@pytest.mark.parametrize("mode", ["report", "unregister", "delete"])
def test_prune_keeps_newest_save_beside_newer_record_of_old_snapshot(mode: Any) -> None:
    simulator, found = project(4, gone=0)
    images = simulator._projects.home._images
    images[found[0]] = replace(images[found[0]], origin="CUSTOMIZE")

    result = prune(simulator, mode)

    assert [image.image.id for image in result.kept] == found[:2]
    assert result.kept[0].reasons[0] == "is the newest ACTIVE image of its group"
    assert result.kept[1].reasons == (SAVED,)
    if mode != "report":
        assert active(simulator) == set(found[:2])
