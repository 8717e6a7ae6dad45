"""The clients that all waits on an event loop share."""

from __future__ import annotations

import asyncio
import gc
import json

import pytest

from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.hooks import pool
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.simulator import Simulator
from tests.transports import settings

pytestmark = pytest.mark.usefixtures("quick_polls")


def test_client_pool_shares_a_client_between_equal_settings(simulator: Simulator) -> None:
    """Settings hold all fields of a connection, so that a client and its session serve nothing else."""
    other = settings(simulator, extra={"read_timeout": 7})

    async def main() -> None:
        async with (
            pool.client_pool.use(settings(simulator)) as one,
            pool.client_pool.use(settings(simulator)) as two,
            pool.client_pool.use(other) as three,
        ):
            assert one is two
            assert one is not three

    asyncio.run(main())


def test_client_pool_closes_the_transport_after_its_last_user(simulator: Simulator) -> None:
    async def main() -> None:
        async with pool.client_pool.use(settings(simulator)) as client:
            session = client._transport._session  # type: ignore[attr-defined]
            async with pool.client_pool.use(settings(simulator)):
                pass
            assert not session.closed
        assert session.closed

    asyncio.run(main())


def test_waits_of_equal_connections_share_one_session(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection id makes no difference."""
    for name in ("ONE", "TWO"):
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(simulator.connection))
    image_id = simulator.add_image(name="research", namespace="team", tag="nightly", status="CREATING")

    async def main() -> list[Image]:
        waits = [
            asyncio.ensure_future(ModelArtsHook(conn_id).await_image(image_id, poll_interval=0.1))
            for conn_id in ("one", "two")
        ]
        while len(simulator.journal) < 4 and not any(wait.done() for wait in waits):
            await asyncio.sleep(0.01)
        assert len(pool.client_pool._leases[asyncio.get_running_loop()]) == 1
        simulator.set_image_status(image_id, "ACTIVE")
        return await asyncio.gather(*waits)

    assert [image.is_active for image in asyncio.run(main())] == [True, True]


def test_login_lock_is_shared_by_an_identity_and_freed_with_its_last_client(simulator: Simulator) -> None:
    """Two connections of one user must not log in at once, though their timeouts differ."""
    one, two = settings(simulator), settings(simulator, extra={"read_timeout": 7})

    async def main() -> None:
        lock = pool.login_lock(one.identity)
        assert one != two
        assert lock is pool.login_lock(two.identity)
        async with pool.client_pool.use(one) as client:
            assert client._session._lock is lock
        assert lock is pool.login_lock(one.identity)
        del lock, client
        gc.collect()
        assert len(pool._login_locks) == 0

    asyncio.run(main())


def test_login_lock_belongs_to_its_event_loop(simulator: Simulator) -> None:
    async def lock() -> asyncio.Lock:
        return pool.login_lock(settings(simulator).identity)

    assert asyncio.run(lock()) is not asyncio.run(lock())
