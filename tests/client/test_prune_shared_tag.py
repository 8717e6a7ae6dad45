"""A prune of images of which several records have one tag: it goes with the last of them, or stays."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_modelarts.simulator import Fault, Simulator
from tests.client.prune_runs import prune, rules
from tests.snapshots import DAY, active, snapshot
from tests.transports import TransportRunner


def registered_twice(simulator: Simulator) -> tuple[str, str, str]:
    """Add an image that is kept and two records of one tag; return the older, the newer and the address."""
    snapshot(simulator, "new", age=2 * DAY)
    newer, older = (snapshot(simulator, "v1", age=days * DAY) for days in (4, 5))
    path = next(str(image["swr_path"]) for image in simulator.images if image["id"] == older)
    return older, newer, path


def ids(images: Any) -> list[str]:
    return [image.image.id for image in images]


def test_prune_leaves_tag_of_record_that_a_notebook_uses_after_the_plan(
    transport: TransportRunner, simulator: Simulator
) -> None:
    """The list of notebooks shows the id of the record only."""
    older, newer, path = registered_twice(simulator)

    def use(_: object) -> None:
        simulator.advance(31)
        body = {"data": [{"id": "n1", "status": "STOPPED", "image": {"id": newer}}], "total": 1}
        simulator.inject(Fault("document", "ListAllNotebooks", times=None, body=json.dumps(body)))

    result = prune(transport, simulator, store=use)

    assert (ids(result.deleted), ids(result.skipped)) == ([older], [newer])
    assert newer in active(simulator)
    assert path in simulator.swr_paths
    assert result.freed_bytes == 0


@pytest.mark.parametrize("left_by", ["max_deletions", "a refusal", "a failure"])
def test_prune_leaves_tag_of_record_that_stays(
    transport: TransportRunner, simulator: Simulator, left_by: str
) -> None:
    older, newer, path = registered_twice(simulator)
    if left_by == "a refusal":
        simulator.inject(Fault("error", "DeleteImage", skip=1, status=400, code="ModelArts.6999"))
    if left_by == "a failure":
        simulator.inject(Fault("error", "DeleteImage", skip=1))

    result = prune(transport, simulator, rules(max_deletions=1 if left_by == "max_deletions" else 100))

    assert (ids(result.deleted), ids([*result.skipped, *result.failed])) == ([older], [newer])
    assert path in simulator.swr_paths


def test_prune_removes_tag_with_the_last_of_its_records(
    transport: TransportRunner, simulator: Simulator
) -> None:
    older, newer, path = registered_twice(simulator)

    result = prune(transport, simulator)

    assert ids(result.deleted) == [older, newer]
    assert path not in simulator.swr_paths
    assert result.freed_bytes > 0


def test_prune_of_a_retry_removes_tag_with_the_last_of_its_records(
    transport: TransportRunner, simulator: Simulator
) -> None:
    older, newer, path = registered_twice(simulator)
    simulator.inject(Fault("error", "DeleteImage", skip=1))
    stored: list[Any] = []
    prune(transport, simulator, store=stored.extend)
    assert path in simulator.swr_paths

    result = prune(transport, simulator, earlier=stored)

    assert ids(result.deleted) == [older, newer]
    assert path not in simulator.swr_paths
