"""Requests in flight, and connections that hang."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_modelarts.simulator import Fault, Simulator

if TYPE_CHECKING:
    from tests.simulator.conftest import Client


def eventually(condition: Callable[[], object]) -> bool:
    """Poll until a condition holds, however busy the machine is."""
    until = time.monotonic() + 60
    while not condition() and time.monotonic() < until:
        time.sleep(0.002)
    return bool(condition())


def request_bytes(client: Client, target: str | None = None) -> bytes:
    """Write a signed request for the list of images, or one for another target."""
    path = target or f"{client.project}/images"
    headers = client.signed("GET", path).header_params
    return "\r\n".join([f"GET {path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items()), "", ""]).encode()


@pytest.fixture
def connect(client: Client) -> Iterator[Callable[[], socket.socket]]:
    """Open connections that are closed at the end."""
    host, port = client.host.split(":")
    with ExitStack() as stack:
        yield lambda: stack.enter_context(closing(socket.create_connection((host, int(port)), timeout=60)))


Connect = Callable[[], socket.socket]


def test_hang_sends_nothing_until_client_disconnects(
    simulator: Simulator, client: Client, connect: Connect
) -> None:
    simulator.inject(Fault("hang"))
    hanging = connect()
    hanging.sendall(request_bytes(client))
    assert eventually(lambda: simulator.in_flight == 1)
    hanging.settimeout(0.1)
    with pytest.raises(TimeoutError):
        hanging.recv(1)
    assert client.images().status == 200
    assert [(entry.status, entry.fault) for entry in simulator.journal] == [(None, "hang"), (200, None)]

    hanging.close()

    assert eventually(lambda: (simulator.in_flight, simulator.open_connections) == (0, 0))
    assert simulator.max_in_flight == 2


def test_hang_closes_connection_after_seconds(simulator: Simulator, client: Client, connect: Connect) -> None:
    simulator.inject(Fault("hang", seconds=0.05), Fault("hang", seconds=0))
    for _ in range(2):
        hanging = connect()
        hanging.sendall(request_bytes(client))
        assert hanging.recv(1) == b""


def test_hang_may_take_effect(simulator: Simulator, client: Client) -> None:
    simulator.inject(Fault("hang", takes_effect=True, seconds=0))
    with pytest.raises(ConnectionError):
        client.save()
    assert (simulator.saves, simulator.journal[-1].effect, simulator.journal[-1].status) == (1, True, None)


def test_hanging_connections_are_counted_and_need_no_threads(
    simulator: Simulator, client: Client, connect: Connect
) -> None:
    threads_before = set(threading.enumerate())
    simulator.inject(Fault("hang", times=None))
    raw = request_bytes(client)
    hanging = [connect() for _ in range(300)]
    for connection in hanging:
        connection.sendall(raw)
    assert eventually(lambda: simulator.in_flight == 300)
    assert set(threading.enumerate()) <= threads_before

    shown = client.control("GET", "traffic").json
    assert shown == {"connections": 301, "in_flight": 300, "max_in_flight": 300}
    for connection in hanging[:100]:
        connection.close()
    assert eventually(lambda: simulator.in_flight == 200)
    assert simulator.max_in_flight == 300
    simulator.clear_faults()
    assert client.images().status == 200
    assert simulator.max_in_flight == 300


def test_max_in_flight_is_one_for_sequential_clients(
    simulator: Simulator, client: Client, connect: Connect
) -> None:
    """A client that gives up and retries never has two requests in flight."""
    simulator.inject(Fault("hang", times=None))
    raw = request_bytes(client)
    idle = [connect() for _ in range(25)]
    for number in range(50):
        hanging = connect() if number % 2 else idle.pop()
        hanging.sendall(raw)
        if number % 3:
            assert eventually(lambda seen=number + 1: len(simulator.journal) == seen)  # type: ignore[misc]
        hanging.close()
    assert eventually(lambda: len(simulator.journal) == 50)
    assert simulator.max_in_flight == 1


def test_slow_response_is_in_flight_until_client_disconnects(
    simulator: Simulator, client: Client, connect: Connect
) -> None:
    simulator.inject(Fault("slow", seconds=3600))
    waiting = connect()
    waiting.sendall(request_bytes(client))
    assert eventually(lambda: simulator.in_flight == 1)
    waiting.close()
    assert eventually(lambda: (simulator.in_flight, simulator.open_connections) == (0, 0))


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("reset"), ConnectionResetError),
        (Fault("torn"), None),
        (Fault("empty", status=500), None),
        (Fault("slow", seconds=0), None),
        (None, None),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else "",
)
def test_answered_request_is_not_in_flight(
    simulator: Simulator, client: Client, connect: Connect, fault: Fault | None, error: type[Exception] | None
) -> None:
    if fault is not None:
        simulator.inject(fault)
    asking = connect()
    asking.sendall(request_bytes(client))
    if error is None:
        assert asking.recv(1)
    else:
        with pytest.raises(error):
            asking.recv(1)
    assert eventually(lambda: simulator.in_flight == 0)
    assert simulator.max_in_flight == 1


def test_reset_keeps_count_of_requests_in_flight(
    simulator: Simulator, client: Client, connect: Connect
) -> None:
    simulator.inject(Fault("hang", times=3))
    hanging = [connect() for _ in range(3)]
    for connection in hanging:
        connection.sendall(request_bytes(client))
    assert eventually(lambda: simulator.in_flight == 3)
    hanging[0].close()
    assert eventually(lambda: simulator.in_flight == 2)

    simulator.reset()

    assert (simulator.connections, simulator.in_flight, simulator.max_in_flight) == (0, 2, 2)


def test_stop_ends_hanging_requests(simulator: Simulator, client: Client, connect: Connect) -> None:
    simulator.inject(Fault("hang"))
    hanging = connect()
    hanging.sendall(request_bytes(client))
    assert eventually(lambda: simulator.in_flight == 1)
    simulator.stop()
    assert hanging.recv(1) == b""
    assert simulator.in_flight == 0


def test_in_flight_is_exact_under_threads(simulator: Simulator, client: Client) -> None:
    simulator.inject(
        Fault("hang", "ShowImage", times=None),
        Fault("slow", "ShowNotebook", seconds=0.01, times=None),
    )
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            for _ in range(20):
                assert client.images().status == 200
                assert client.notebook().status == 200
        except BaseException as error:  # noqa: BLE001 - it is checked below
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert simulator.in_flight == 0
    assert 1 <= simulator.max_in_flight <= 8


def test_clear_faults_ends_faults_only(simulator: Simulator, client: Client) -> None:
    simulator.inject(Fault("empty", times=None))
    simulator.add_image()
    simulator.clear_faults()
    assert client.images().json["total"] == 1
    simulator.inject(Fault("empty", times=None))
    assert client.control("DELETE", "faults").status == 200
    assert client.images().json["total"] == 1


@pytest.mark.parametrize("seconds", [-1, float("nan")])
@pytest.mark.parametrize("kind", ["hang", "slow"])
def test_invalid_length_of_hang_is_rejected(kind: str, seconds: Any) -> None:
    with pytest.raises(ValueError, match="seconds must be at least 0"):
        Fault(kind, seconds=seconds)
