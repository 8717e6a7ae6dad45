"""The cause of a failure without the name of the request, for other requests that wait for its result."""

from __future__ import annotations

import pytest

from airflow_provider_modelarts.exceptions import TransportError
from tests.servers import closed_port
from tests.transport.scenarios import Run, get


def test_transport_error_has_reason_without_name_of_request(run: Run) -> None:
    with closed_port() as port, pytest.raises(TransportError) as failed:
        run(get(f"http://127.0.0.1:{port}/v1/p/x"))
    assert failed.value.reason == "no response: ConnectionRefusedError: Connection refused"
