"""What a watcher has seen when the service's list lags."""

from __future__ import annotations

import asyncio

import pytest

from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.triggers.seen_images import MIN_ABSENCES, SeenImages


def images(*numbers: int) -> list[Image]:
    return [Image(id=f"image-{number}", status="ACTIVE", create_at=number) for number in numbers]


def events(*polls: list[Image]) -> list[str]:
    """Return the ids of the images that are new at some polls, the first of which finds all old ones."""

    async def watch() -> list[str]:
        seen = SeenImages(None, [None] * 5, "a project")
        await seen.load()
        found = []
        for listed in polls:
            for image in seen.new_images(listed):
                found.append(image.id)
                seen.add(image)
            await seen.store(listed)
        return found

    return asyncio.run(watch())


@pytest.mark.parametrize(
    ("lagging", "expected"),
    [
        pytest.param([images(1, 3)], [], id="one is missing"),
        pytest.param([[]], [], id="empty"),
        pytest.param([[], images(3)], [], id="two polls"),
        pytest.param(MIN_ABSENCES * [images(1, 2)], ["image-3"], id="gone, and registered again"),
        pytest.param([[], images(1, 2, 3)] * MIN_ABSENCES, [], id="again and again"),
    ],
)
def test_seen_images_are_no_news_after_list_that_lags(
    lagging: list[list[Image]], expected: list[str]
) -> None:
    assert events(images(1, 2, 3), *lagging, images(1, 2, 3)) == expected


def test_seen_images_are_no_news_after_their_event_and_list_that_lags() -> None:
    assert events(images(1), images(1, 2), images(1), images(1, 2)) == ["image-2"]
