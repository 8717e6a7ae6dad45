"""A forked process does not share connections with its parent."""

from __future__ import annotations

import os
import sys

import pytest

from airflow_provider_modelarts.client.http_types import Request
from airflow_provider_modelarts.transport import BlockingTransport, block_on
from tests.servers import answering, reply, serving


@pytest.mark.skipif(sys.platform == "win32", reason="nothing forks there")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")
def test_blocking_transport_opens_own_connection_in_forked_process() -> None:
    """On a shared one each would read the other's responses."""
    with serving(answering(reply())) as server:
        transport = BlockingTransport()
        send = Request("GET", server.url)
        assert block_on(transport.send(send)).status == 200
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = int(block_on(transport.send(send)).status != 200)
            finally:
                os._exit(status)
        _, ended = os.waitpid(child, 0)
        assert block_on(transport.send(send)).status == 200
        transport.close()
        assert (ended, server.connections) == (0, 2)
