"""
Every operation, every fault, both transports: how a task run ends, and how often the notebook was saved.

A task run has up to three tries, each in a process of its own; the later ones check first whether the image
exists. In each scenario one operation decides the outcome, and that operation fails once or permanently.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from multiprocessing import get_context
from typing import Any
from unittest.mock import patch

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.clouds import CLOUDS
from airflow_provider_modelarts.client.credentials import EcsAgencyCredentials
from airflow_provider_modelarts.client.idempotent_create import IdempotentCreate
from airflow_provider_modelarts.client.marker import IdempotencyKey, prepare_request
from airflow_provider_modelarts.client.models import CreateImageRequest, Image
from airflow_provider_modelarts.client.poll_plan import RequestPace
from airflow_provider_modelarts.client.polled_resources import IMAGES
from airflow_provider_modelarts.exceptions import ModelArtsError
from airflow_provider_modelarts.hooks import pool
from airflow_provider_modelarts.hooks.clients import shared_credentials
from airflow_provider_modelarts.hooks.connection import Settings
from airflow_provider_modelarts.hooks.loop_local_pool import LoopLocalPool
from airflow_provider_modelarts.hooks.poll_wait import Wait
from airflow_provider_modelarts.hooks.poller import Poller
from airflow_provider_modelarts.simulator import AfterSeconds, Fault, Simulator
from tests.reliability import document
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


AwaitImage = Callable[[ModelArtsClient, str, float], Awaitable[Image]]


async def watch(modelarts: ModelArtsClient, image_id: str, deadline: float) -> Image:
    """Wait as a worker does."""
    return await modelarts.watch(
        operations.show_image(image_id),
        is_done=lambda image: not image.is_pending,
        poll_interval=POLL_INTERVAL,
        deadline=deadline,
    )


async def wait_in_poller(modelarts: ModelArtsClient, image_id: str, deadline: float) -> Image:
    """Wait as a triggerer does, where the shared poll has this wait only."""

    @asynccontextmanager
    async def open_client(_: Settings) -> AsyncIterator[ModelArtsClient]:
        yield modelarts

    wait: Wait[Image] = Wait(
        image_id, f"image {image_id}", poll_interval=POLL_INTERVAL, deadline=deadline, not_before=None
    )
    client_pool: LoopLocalPool[Any, ModelArtsClient] = LoopLocalPool(open_client)
    with patch.object(pool, "client_pool", client_pool):
        nothing: Any = None
        poller = Poller(nothing, "0", IMAGES, RequestPace())
        try:
            return await wait.result(poller)
        finally:
            await poller.close()


@dataclass(frozen=True)
class TaskRun:
    """How a task run ended: ``saved`` or the class of the error, at which try, after how many creates."""

    end: str
    tries: int
    creates: int

    def __str__(self) -> str:
        if self.end != "saved":
            return self.end
        return "saved" if self.tries == 1 else f"saved at try {self.tries}"


def saved(at_try: int = 1) -> TaskRun:
    return TaskRun("saved", at_try, 1)


def failed(error: str, *, creates: int = 0) -> TaskRun:
    return TaskRun(error, TRIES, creates)


def _each(*groups: tuple[tuple[str, ...], TaskRun]) -> dict[str, TaskRun]:
    return {fault: outcome for faults, outcome in groups for fault in faults}


def _class_of_each(*, creates: int = 0) -> dict[str, TaskRun]:
    """Return the outcome if the operation never succeeds: the error that names the cause."""
    return _each(
        (TURNED_AWAY, failed("RateLimitError", creates=creates)),
        ((*FAILED, *FAILED_AFTER), failed("ServerError", creates=creates)),
        (UNKNOWN, failed("ApiError", creates=creates)),
        (BRIEF, failed("NotebookNotReadyError", creates=creates)),
        ((*CUT, *LOST), failed("TransportError", creates=creates)),
        ((*FOREIGN, *STRANGE), failed("InvalidResponseError", creates=creates)),
        (TOO_LARGE, failed("ResponseTooLargeError", creates=creates)),
    )


ANY = tuple(FAULTS)
# A response that cannot be read is not retried within a try: the next try sends the request again.
READ_ONCE = {**_each((ANY, saved())), **_each(((*UNREADABLE, *UNKNOWN), saved(2)))}
# Except for a list, of which a smaller page is requested.
LIST_ONCE = {**READ_ONCE, **_each((TOO_LARGE, saved()))}


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
        self, modelarts: ModelArtsClient, simulator: Simulator, wait: AwaitImage, *, check_existing: bool
    ) -> Image:
        """Do what one try of the operator does."""
        if self.lists_notebooks:
            await modelarts.list_all(operations.list_notebooks())
        saving = IdempotentCreate(modelarts, CLOUDS[self.cloud], simulator.notebook_id, KEY, **self.words)
        image, _ = await saving.save(check_existing=check_existing)
        ended = await wait(modelarts, image.id, simulator.now() + WAIT_SECONDS)
        return ended.raise_for_status()

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
            while tries < TRIES and end != "saved":
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
                    end = "saved"
            return TaskRun(end, tries, simulator.saves)


def _an_earlier_try_died(simulator: Simulator, scenario: Scenario) -> None:
    """Its create took effect, and the process ended before it read the response."""
    request = scenario.request(simulator)
    BlockingRunner().run(simulator, lambda m: m.call(operations.create_image(simulator.notebook_id, request)))


def _a_response_is_lost(simulator: Simulator, _scenario: Scenario) -> None:
    simulator.inject(Fault("reset", "CreateImage"))


def _an_earlier_save_failed(simulator: Simulator, scenario: Scenario) -> None:
    """Its record holds the tag."""
    request = scenario.request(simulator)
    simulator.add_image(**NAMED, tag=request.tag, description=request.description, status="CREATE_FAILED")


CREATE_PERMANENTLY = {
    **_class_of_each(),
    # The save was processed: the image is found by its marker.
    **_each(((*FAILED_AFTER, *LOST, *STRANGE), saved())),
}
SCENARIOS = [
    *(
        Scenario(
            "CreateImage",
            title=title,
            cloud=cloud,
            named=named,
            # After a refusal with an unknown code of the service, only the next try sends the request again.
            once=_each((ANY, saved()), (("unknown code",), saved(2))),
            permanently=CREATE_PERMANENTLY,
        )
        for title, cloud, named in (
            ("Huawei Cloud", "huaweicloud", NAMED),
            ("Open Telekom Cloud", "otc", NAMED),
            ("Open Telekom Cloud without a name", "otc", {}),
        )
    ),
    Scenario(
        "ShowImage",
        once=_each((ANY, saved())),
        permanently={
            **_each((ANY, failed("WaitTimeoutError", creates=1))),
            "403 without a code": failed("PermissionDeniedError", creates=1),
        },
    ),
    *(
        Scenario(
            "ListImages",
            title=title,
            cloud=cloud,
            named=named,
            before=_an_earlier_try_died,
            is_retry=True,
            once=LIST_ONCE,
            permanently=_class_of_each(creates=1),
        )
        for title, cloud, named in (
            ("Huawei Cloud", "huaweicloud", NAMED),
            ("Open Telekom Cloud without a name", "otc", {}),
        )
    ),
    Scenario(
        "ShowNotebook",
        before=_a_response_is_lost,
        once=READ_ONCE,
        # It is read only after an unusable response to create-image; the next try finds the image.
        permanently=_each((ANY, saved(2))),
    ),
    Scenario(
        "DeleteImage",
        before=_an_earlier_save_failed,
        once={
            **_each((ANY, saved(2))),
            **_each(((*TURNED_AWAY, *BRIEF, *STRANGE, "response for another image"), saved())),
        },
        permanently={
            **_class_of_each(),
            **_each(((*FAILED_AFTER, *LOST), saved(2)), (STRANGE, saved())),
            # The body of a response to a delete is not read; this one comes instead of the deletion.
            "response for another image": failed("TagConflictError"),
        },
    ),
    Scenario("ListNotebooks", lists_notebooks=True, once=LIST_ONCE, permanently=_class_of_each()),
    Scenario("CreateToken", fields={**PASSWORD, "extra": USER}, once=READ_ONCE, permanently=_class_of_each()),
    Scenario(
        "CreateTemporaryAccessKey", fields={"extra": AGENCY}, once=READ_ONCE, permanently=_class_of_each()
    ),
    Scenario(
        "ListProjects", fields={"extra": {"project_id": None}}, once=READ_ONCE, permanently=_class_of_each()
    ),
    Scenario(
        "ShowSecurityKey",
        options={"metadata": "plain"},
        once=READ_ONCE,
        # The metadata service returns 404 if the host has no agency.
        permanently={**_class_of_each(), "404 with HTML": failed("AuthenticationError")},
    ),
    Scenario(
        "CreateMetadataToken",
        options={"metadata": "token"},
        # Some hosts have no such tokens, so a refusal is ignored; this host needs a token.
        once={**READ_ONCE, **_each((BRIEF, saved(2)))},
        # A token is any text, so that a wrong one is noticed only where it is used.
        permanently={
            **_class_of_each(),
            **_each(
                (
                    (*UNKNOWN, *BRIEF, "invalid JSON", "response for another image"),
                    failed("AuthenticationError"),
                )
            ),
        },
    ),
]


@dataclass(frozen=True)
class Case:
    """One fault of one operation through one transport."""

    scenario: Scenario
    fault: str
    lasting: bool
    runner: str

    def __str__(self) -> str:
        return f"{self.scenario}-{self.fault}-{'permanently' if self.lasting else 'once'}-{self.runner}"

    @property
    def expected(self) -> TaskRun:
        return (self.scenario.permanently if self.lasting else self.scenario.once)[self.fault]

    def play(self) -> TaskRun:
        return self.scenario.play(self.fault, lasting=self.lasting, runner=RUNNERS[self.runner]())


def cases() -> Iterator[Case]:
    """Return all cases; a permanent timeout takes real time, so two operations stand for all."""
    for scenario in SCENARIOS:
        for fault in FAULTS:
            for lasting in (False, True):
                if not (lasting and fault == "timeout") or scenario.operation in {
                    "CreateImage",
                    "ShowImage",
                }:
                    for runner in RUNNERS:
                        yield Case(scenario, fault, lasting, runner)


def play_numbered(number: int) -> TaskRun:
    """Play one of :func:`cases` by its place among them."""
    return next(islice(cases(), number, None)).play()


def page(outcomes: dict[Case, TaskRun]) -> str:
    """Return the page's section for these outcomes."""
    runs = len(outcomes)
    saved_runs = sum(outcome.end == "saved" for outcome in outcomes.values())
    most = max(outcome.creates for outcome in outcomes.values())
    summary = (
        f"{runs} cases: {len(SCENARIOS)} scenarios, {len(FAULTS)} faults, each once and permanently (a "
        "permanent timeout only for create-image and ShowImage), through both transports with the same "
        f"outcome. In {saved_runs} cases the image was saved, the others ended with an error that names the "
        f"cause. Create-image requests that took effect, per notebook and run: {most} at most, and exactly 1 "
        "where the image was saved."
    )
    lines = [summary]
    for lasting, title in ((False, "Once"), (True, "Permanently")):
        lines += ["", f"**{title}**", "", "| operation | fault | outcome |", "| --- | --- | --- |"]
        alike: dict[tuple[tuple[str, str], ...], list[str]] = {}
        for scenario in SCENARIOS:
            by_outcome: dict[str, list[str]] = {}
            for case, outcome in outcomes.items():
                if case.scenario is scenario and case.lasting is lasting and case.runner == "worker":
                    by_outcome.setdefault(str(outcome), []).append(case.fault)
            rows = tuple(
                ("all" if len(by_outcome) == 1 else ", ".join(faults), end)
                for end, faults in by_outcome.items()
            )
            alike.setdefault(rows, []).append(str(scenario))
        lines += [
            f"| {'; '.join(scenarios)} | {faults} | {end} |"
            for rows, scenarios in alike.items()
            for faults, end in rows
        ]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="run.sh reliability fault-matrix", description=__doc__)
    parser.add_argument("--record", action="store_true", help="write the table into docs/reliability.md")
    given = parser.parse_args(arguments)
    logging.getLogger("airflow_provider_modelarts").setLevel(logging.ERROR)
    outcomes = {}
    wrong = 0
    every = list(cases())
    # Cases contain functions, which cannot be sent to another process; their numbers can.
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), get_context("fork")) as processes:
        played = processes.map(play_numbered, range(len(every)), chunksize=10)
        for case, outcome in zip(every, played, strict=True):
            outcomes[case] = outcome
            if outcome != case.expected:
                wrong += 1
                print(f"WRONG  {case}: {outcome!r}, expected {case.expected!r}")
            if len(outcomes) % 100 == 0:
                print(f"{len(outcomes)} cases, {wrong} wrong", flush=True)
    print(page(outcomes))
    print(f"\n{len(outcomes)} cases, {wrong} wrong")
    if given.record and not wrong:
        document.record("fault-matrix", page(outcomes))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
