"""Threads of a worker that call ModelArts at the same time log in once, with one hook or with several."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from airflow_provider_modelarts.exceptions import AuthenticationError, ModelArtsError
from airflow_provider_modelarts.hooks.clients import ThreadLock
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.simulator import Fault, Simulator
from airflow_provider_modelarts.transport import block_on

THREADS = 6


def log_in(simulator: Simulator, monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    """Let the connection log in, which takes a moment."""
    extra = {**simulator.connection["extra"], "auth": "password", "domain_name": "research-account"}
    connection = {**simulator.connection, "login": "snapshot-user", "password": password, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(connection))
    simulator.inject(Fault("slow", "CreateToken", times=None, seconds=0.05))


def together(call: Callable[[], Any]) -> list[Any]:
    """Return the results of a call, or its errors, in several threads."""
    barrier = threading.Barrier(THREADS, timeout=10)

    def run(_: int) -> Any:
        barrier.wait()
        try:
            return call()
        except ModelArtsError as error:
            return error

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


def logins(simulator: Simulator) -> int:
    return sum(entry.operation == "CreateToken" for entry in simulator.journal)


@pytest.fixture(params=["one hook", "own hooks"])
def hook(request: pytest.FixtureRequest) -> Callable[[], ModelArtsHook]:
    shared = ModelArtsHook()
    return (lambda: shared) if request.param == "one hook" else ModelArtsHook


def test_threads_log_in_once(
    hook: Callable[[], ModelArtsHook], simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(simulator, monkeypatch, "simulator-password")

    found = together(lambda: hook().get_notebook(simulator.notebook_id).id)

    assert found == [simulator.notebook_id] * THREADS
    assert logins(simulator) == 1


def test_threads_send_wrong_password_once(
    hook: Callable[[], ModelArtsHook], simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five wrong logins lock the user."""
    log_in(simulator, monkeypatch, "wrong")

    errors = together(lambda: hook().get_notebook(simulator.notebook_id))

    assert [type(error) for error in errors] == [AuthenticationError] * THREADS
    assert logins(simulator) == 1


def test_threads_send_wrong_key_once(
    hook: Callable[[], ModelArtsHook], simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five wrong signatures lock the key."""
    connection = {**simulator.connection, "password": "wrong"}
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(connection))
    simulator.inject(Fault("slow", "ShowNotebook", times=None, seconds=0.05))

    errors = together(lambda: hook().get_notebook(simulator.notebook_id))

    assert [type(error) for error in errors] == [AuthenticationError] * THREADS
    assert len(simulator.journal) == 1


def test_thread_lock_is_free_after_error_and_for_its_own_thread() -> None:
    """A signal handler may call the hook while the thread that it interrupts holds the lock."""
    lock = ThreadLock()

    async def hold() -> None:
        async with lock, lock:
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        block_on(hold())
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: block_on(lock.__aenter__())).result(timeout=10) is None
