"""A task run in which one operation fails with one fault: faults, scenarios and outcomes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol
from unittest.mock import patch

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.clouds import CLOUDS
from airflow_provider_modelarts.client.credentials import EcsAgencyCredentials
from airflow_provider_modelarts.client.idempotent_create import IdempotentCreate
from airflow_provider_modelarts.client.marker import IdempotencyKey, prepare_request
from airflow_provider_modelarts.client.models import CreateImageRequest
from airflow_provider_modelarts.client.poll_plan import ItemT, PolledResource, RequestPace
from airflow_provider_modelarts.client.polled_resources import IMAGES
from airflow_provider_modelarts.exceptions import ModelArtsError
from airflow_provider_modelarts.hooks import pool
from airflow_provider_modelarts.hooks.clients import shared_credentials
from airflow_provider_modelarts.hooks.connection import Settings
from airflow_provider_modelarts.hooks.loop_local_pool import LoopLocalPool
from airflow_provider_modelarts.hooks.poll_wait import Wait
from airflow_provider_modelarts.hooks.poller import Poller
from airflow_provider_modelarts.simulator import AfterSeconds, Fault, Simulator
from tests.transports import BlockingRunner, TransportRunner, VirtualRunner

KEY = IdempotencyKey("nightly", "save", "scheduled__2026-11-21T02:00:00+00:00", -1)
TRIES = 3
RETRY_DELAY = 300.0
SAVE_SECONDS = 240.0
WAIT_SECONDS = 300.0
POLL_INTERVAL = 60.0
READ_TIMEOUT = 60.0
SHORT_READ_TIMEOUT = 1.0
"""The read timeout of the fault ``timeout``, in real seconds; any other response takes some hundredths."""
MAX_REPLY = 1024 * 1024
"""Bytes; of most operations less is read."""
RUNNERS: dict[str, Callable[[], TransportRunner]] = {"worker": BlockingRunner, "triggerer": VirtualRunner}

PASSWORD = {"login": "snapshot-user", "password": "simulator-password"}
USER = {"auth": "password", "domain_name": "research-account"}
AGENCY = {"agency_name": "snapshot-agency", "agency_domain_name": "research-account"}
NAMED = {"name": "research", "namespace": "team"}

ANOTHER = json.dumps(
    {"id": "0b5e1d7c-0000-4000-8000-000000000000", "name": "another", "tag": "another", "status": "ACTIVE"}
)

FAULTS: dict[str, dict[str, Any]] = {
    "429": {"kind": "throttle"},
    "429 with Retry-After": {"kind": "throttle", "retry_after": 30},
    "408": {"kind": "error", "status": 408, "code": "ModelArts.6100"},
    "500": {"kind": "error", "status": 500},
    "502 with HTML": {"kind": "html"},
    "empty 502": {"kind": "empty"},
    "404 with HTML": {"kind": "html", "status": 404},
    "403 without a code": {"kind": "empty", "status": 403},
    "unknown code": {"kind": "error", "status": 400, "code": "ModelArts.9999"},
    "code 6355 (busy)": {"kind": "error", "status": 400, "code": "ModelArts.6355"},
    "reset": {"kind": "reset"},
    "redirect": {"kind": "redirect", "location": "http://127.0.0.1:9/"},
    "too large": {"kind": "huge", "size": 2 * MAX_REPLY},
    "500 after processing": {"kind": "error", "status": 500, "takes_effect": True},
    "reset after processing": {"kind": "reset_after"},
    "truncated": {"kind": "torn"},
    "timeout": {"kind": "slow", "seconds": READ_TIMEOUT},
    "empty 200": {"kind": "empty", "status": 200, "takes_effect": True},
    "invalid JSON": {"kind": "garbage"},
    "response for another image": {"kind": "document", "body": ANOTHER},
}
TURNED_AWAY = ("429", "429 with Retry-After")
FAILED = ("408", "500", "502 with HTML", "empty 502")
GATEWAY = ("404 with HTML", "403 without a code")
UNKNOWN = (*GATEWAY, "unknown code")
BRIEF = ("code 6355 (busy)",)
FAILED_AFTER = ("500 after processing",)
CUT = ("reset",)
LOST = ("reset after processing", "truncated", "timeout")
FOREIGN = ("redirect", "response for another image")
TOO_LARGE = ("too large",)
STRANGE = ("empty 200", "invalid JSON")
UNREADABLE = (*FOREIGN, *TOO_LARGE, *STRANGE)


class Await(Protocol):
    """Waits until a resource is done."""

    async def __call__(
        self,
        modelarts: ModelArtsClient,
        kind: PolledResource[ItemT],
        resource_id: str,
        *,
        is_done: Callable[[ItemT], bool],
        deadline: float,
    ) -> ItemT:
        """Return the resource."""


async def watch(
    modelarts: ModelArtsClient,
    kind: PolledResource[ItemT],
    resource_id: str,
    *,
    is_done: Callable[[ItemT], bool],
    deadline: float,
) -> ItemT:
    """Wait as a worker does."""
    show = kind.show(resource_id)
    return await modelarts.watch(show, is_done=is_done, poll_interval=POLL_INTERVAL, deadline=deadline)


async def wait_in_poller(
    modelarts: ModelArtsClient,
    kind: PolledResource[ItemT],
    resource_id: str,
    *,
    is_done: Callable[[ItemT], bool],
    deadline: float,
) -> ItemT:
    """Wait as a triggerer does, where the shared poll has this wait only."""

    @asynccontextmanager
    async def open_client(_: Settings) -> AsyncIterator[ModelArtsClient]:
        yield modelarts

    wait: Wait[ItemT] = Wait(
        resource_id,
        f"{kind.name} {resource_id}",
        is_done=is_done,
        poll_interval=POLL_INTERVAL,
        deadline=deadline,
        not_before=None,
    )
    client_pool: LoopLocalPool[Any, ModelArtsClient] = LoopLocalPool(open_client)
    with patch.object(pool, "client_pool", client_pool):
        nothing: Any = None
        poller = Poller(nothing, "0", kind, RequestPace())
        try:
            return await wait.result(poller)
        finally:
            await poller.close()


@dataclass(frozen=True)
class TaskRun:
    """
    How a task run ended, at which try, after how many requests that took effect.

    :param end: ``saved`` or ``done``, or the class of the error.
    """

    end: str
    tries: int
    effects: int

    def __str__(self) -> str:
        is_late = self.is_success and self.tries > 1
        return f"{self.end} at try {self.tries}" if is_late else self.end

    @property
    def is_success(self) -> bool:
        return self.end in {"saved", "done"}


def saved(at_try: int = 1) -> TaskRun:
    return TaskRun("saved", at_try, 1)


def failed(error: str, *, effects: int = 0) -> TaskRun:
    return TaskRun(error, TRIES, effects)


def each(*groups: tuple[tuple[str, ...], TaskRun]) -> dict[str, TaskRun]:
    return {fault: outcome for faults, outcome in groups for fault in faults}


def class_of_each(*, effects: int = 0) -> dict[str, TaskRun]:
    """Return the outcome if the operation never succeeds: the error that names the cause."""
    return each(
        (TURNED_AWAY, failed("RateLimitError", effects=effects)),
        ((*FAILED, *FAILED_AFTER), failed("ServerError", effects=effects)),
        (UNKNOWN, failed("ApiError", effects=effects)),
        (BRIEF, failed("NotebookNotReadyError", effects=effects)),
        ((*CUT, *LOST), failed("TransportError", effects=effects)),
        ((*FOREIGN, *STRANGE), failed("InvalidResponseError", effects=effects)),
        (TOO_LARGE, failed("ResponseTooLargeError", effects=effects)),
    )


ANY = tuple(FAULTS)
# A response that cannot be read is not retried within a try: the next try sends the request again.
READ_ONCE = {**each((ANY, saved())), **each(((*UNREADABLE, *UNKNOWN), saved(2)))}
# Except for a list, of which a smaller page is requested.
LIST_ONCE = {**READ_ONCE, **each((TOO_LARGE, saved()))}


@dataclass(frozen=True, eq=False)
class Scenario:
    """
    A task run whose outcome one operation decides.

    :param once: the outcome if that operation fails once, and ``permanently`` if it always does.
    :param before: what happened already.
    :param is_retry: whether an earlier try died in the middle of its create.
    :param options: of the simulator.
    :param fields: of the connection.
    """

    operation: str
    once: dict[str, TaskRun]
    permanently: dict[str, TaskRun]
    title: str = ""
    success: str = "saved"
    cloud: str = "huaweicloud"
    named: dict[str, Any] = field(default_factory=lambda: dict(NAMED))
    before: Callable[[Simulator, Scenario], None] = lambda _simulator, _scenario: None
    is_retry: bool = False
    lists_notebooks: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.operation}{self.title and f' ({self.title})'}"

    @property
    def words(self) -> dict[str, Any]:
        """What the user gives for the image."""
        return {"description": "after the course", **self.named}

    def request(self, simulator: Simulator) -> CreateImageRequest:
        """Return what a try sends."""
        return prepare_request(CLOUDS[self.cloud], simulator.notebook_id, KEY, self.words)[0]

    async def attempt(
        self, modelarts: ModelArtsClient, simulator: Simulator, wait: Await, *, check_existing: bool
    ) -> None:
        """Do what one try of the operator does."""
        if self.lists_notebooks:
            await modelarts.list_all(operations.list_notebooks())
        saving = IdempotentCreate(modelarts, CLOUDS[self.cloud], simulator.notebook_id, KEY, **self.words)
        image, _ = await saving.save(check_existing=check_existing)
        ended = await wait(
            *(modelarts, IMAGES, image.id),
            is_done=lambda image: not image.is_pending,
            deadline=simulator.now() + WAIT_SECONDS,
        )
        ended.raise_for_status()

    def effects(self, simulator: Simulator) -> int:
        """Return how often the operation took effect that must not happen twice."""
        return simulator.saves

    def play(self, fault: str, *, lasting: bool, runner: TransportRunner) -> TaskRun:
        """Run the task to its end."""
        with Simulator(cloud=self.cloud, save=AfterSeconds(SAVE_SECONDS), **self.options) as simulator:
            self.before(simulator, self)
            simulator.inject(
                Fault(operation=self.operation, times=None if lasting else 1, **FAULTS[fault]),
            )
            read_timeout = SHORT_READ_TIMEOUT if fault == "timeout" else READ_TIMEOUT
            given = {**self.fields, "extra": {"read_timeout": read_timeout, **self.fields.get("extra", {})}}
            host = EcsAgencyCredentials(endpoint=simulator.endpoint) if self.options else None
            end, tries = "", 0
            while tries < TRIES and end != self.success:
                tries += 1
                shared_credentials.cache_clear()  # each try is a process of its own
                attempt = partial(
                    self.attempt,
                    simulator=simulator,
                    wait=wait_in_poller if isinstance(runner, VirtualRunner) else watch,
                    check_existing=self.is_retry or tries > 1,
                )
                try:
                    runner.run(simulator, attempt, credentials=host, **given)
                except ModelArtsError as error:
                    end = type(error).__name__
                    simulator.advance(RETRY_DELAY)
                else:
                    end = self.success
            return TaskRun(end, tries, self.effects(simulator))
