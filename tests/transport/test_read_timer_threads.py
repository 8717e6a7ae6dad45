"""The read timeouts of connections on event loops in several threads."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from airflow_provider_modelarts.client.http_types import Request
from airflow_provider_modelarts.transport import TransportConfig
from airflow_provider_modelarts.transport.config import Routes
from airflow_provider_modelarts.transport.connector import _Protocol
from airflow_provider_modelarts.transport.exchange import Exchange, current

CONFIG = TransportConfig(read_timeout=0.01)


class Connection(asyncio.Transport):
    """A connection whose end takes until that of the other thread's connection has begun."""

    def __init__(self, both: threading.Barrier, ended: asyncio.Future[None]) -> None:
        super().__init__()
        self._both = both
        self._ended = ended

    def abort(self) -> None:
        self._both.wait()
        self._ended.set_result(None)


def test_read_timeouts_end_exchanges_of_two_threads_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=10)

    async def time_out() -> bool:
        loop = asyncio.get_running_loop()
        exchange = Exchange(Request("GET", "http://127.0.0.1/"), CONFIG, Routes(CONFIG))
        current.set(exchange)
        protocol, ended = _Protocol(loop), loop.create_future()
        protocol.connection_made(Connection(both, ended))
        exchange.begin_sending()
        protocol.begin(exchange)
        await asyncio.wait([ended], timeout=10)
        return ended.done() and exchange.is_overdue

    with ThreadPoolExecutor(2) as threads:
        runs = [threads.submit(asyncio.run, time_out()) for _ in range(2)]

    assert [run.result() for run in runs] == [True, True]
