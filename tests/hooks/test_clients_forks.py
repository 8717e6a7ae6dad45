"""A process that forks while one of its threads logs in: its child does not wait for that thread."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable

import pytest

from airflow_provider_modelarts.hooks import clients
from airflow_provider_modelarts.hooks.clients import ThreadLock, thread_lock
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.simulator import Simulator
from airflow_provider_modelarts.transport import block_on

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@pytest.fixture
def hook(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> ModelArtsHook:
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(simulator.connection))
    return ModelArtsHook()


def exit_code_of_fork(call: Callable[[], object]) -> int:
    """Return how a child process ends that makes a call, which may take ten seconds."""
    if (child := os.fork()) == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(10)
        try:
            call()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


async def take(lock: ThreadLock) -> None:
    async with lock:
        pass


@pytest.mark.parametrize("which", ["of an identity", "of all"])
def test_fork_takes_lock_that_another_thread_of_its_parent_had(which: str, hook: ModelArtsHook) -> None:
    identity = hook.settings.identity
    lock = thread_lock(identity) if which == "of an identity" else clients._SHARING
    has_lock, is_over = threading.Event(), threading.Event()

    def hold() -> None:
        async def wait() -> None:
            async with lock:
                has_lock.set()
                is_over.wait(20)

        block_on(wait())

    thread = threading.Thread(target=hold)
    thread.start()
    assert has_lock.wait(10)
    try:
        assert exit_code_of_fork(lambda: block_on(take(thread_lock(identity)))) == 0
    finally:
        is_over.set()
        thread.join(10)


def test_signal_handler_finds_what_threads_share_while_its_thread_does(hook: ModelArtsHook) -> None:
    """It calls ModelArts while the thread that it interrupts makes its first client."""

    def handle() -> None:
        with clients._SHARING.lock:
            hook.get_conn()

    assert exit_code_of_fork(handle) == 0
