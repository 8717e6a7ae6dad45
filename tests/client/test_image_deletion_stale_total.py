"""What notebooks use, by a list whose total is older than its records."""

from __future__ import annotations

import pytest

from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.image_deletion import read_uses
from airflow_provider_modelarts.client.image_uses import ImageUses
from airflow_provider_modelarts.simulator import Fault, Simulator
from tests.snapshots import daily
from tests.transports import TransportRunner


def pages(simulator: Simulator) -> int:
    return sum(entry.operation == "ListAllNotebooks" for entry in simulator.journal)


def uses(transport: TransportRunner, simulator: Simulator) -> ImageUses:
    async def scenario(client: ModelArtsClient) -> ImageUses:
        return await read_uses(client)

    return transport.run(simulator, scenario)


@pytest.mark.parametrize("missing", [1, 7, 51])
def test_read_uses_has_notebooks_that_the_total_lacks(
    transport: TransportRunner, simulator: Simulator, missing: int
) -> None:
    """Fifty notebooks are a page, and the total says that it is the only one."""
    (image_id,) = daily(simulator, 1)
    added = [simulator.add_notebook(image_id=image_id, status="STOPPED") for _ in range(49 + missing)]
    simulator.inject(Fault("miscount", "ListAllNotebooks", times=None, count=-missing))

    found = uses(transport, simulator)

    assert found.notebooks == 50 + missing
    assert set(found.of_image(image_id)) == set(added)


@pytest.mark.parametrize(("count", "requests"), [(1, 2), (49, 2), (50, 3), (51, 3)])
def test_read_uses_reads_on_after_a_full_page_only(
    transport: TransportRunner, simulator: Simulator, count: int, requests: int
) -> None:
    """The second list has the free notebooks, of which there are none."""
    for _ in range(count - 1):
        simulator.add_notebook(status="STOPPED")

    assert uses(transport, simulator).notebooks == count
    assert pages(simulator) == requests
