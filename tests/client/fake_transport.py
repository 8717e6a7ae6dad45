"""A transport with scripted responses, which records requests and has a clock of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Generator
from datetime import datetime, timezone
from email.utils import format_datetime
from heapq import heappop, heappush
from random import Random
from types import coroutine
from typing import Any, TypeVar

from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.credentials import AccessKeyCredentials
from airflow_provider_modelarts.client.http_types import Request, Response
from airflow_provider_modelarts.client.session import Project
from airflow_provider_modelarts.exceptions import InvalidConnectionError
from airflow_provider_modelarts.transport import block_on

T = TypeVar("T")
Answer = Response | Exception | Callable[[Request], Response]

ENDPOINT = "https://modelarts.eu-de.otc.t-systems.com"
START = 1_750_000_000.0
IMAGE_ID = "4e0d1854-63e5-4517-b683-a0ee97a692a1"


class FakeTransport:
    """A transport that repeats the last response of its script."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[Request] = []
        self.times: list[float] = []
        self.sleeps: list[float] = []
        self.now = START

    def time(self) -> float:
        """The time in seconds since the epoch."""
        return self.now

    monotonic = time

    async def send(self, request: Request, *, timeout: float | None = None) -> Response:  # noqa: ARG002
        """Give the next answer."""
        self.requests.append(request)
        self.times.append(self.now - START)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Response) else answer(request)

    async def sleep(self, seconds: float) -> None:
        """Move the clock on."""
        self.sleeps.append(seconds)
        self.now += seconds


class ConcurrentFakeTransport(FakeTransport):
    """A transport for concurrent coroutines: see :func:`run_together`."""

    async def sleep(self, seconds: float) -> None:
        """Let others go on; the clock is moved by who runs them all."""
        self.sleeps.append(seconds)
        await _pause(seconds)


@coroutine
def _pause(seconds: float) -> Generator[float, None, None]:
    yield seconds


def run_together(transport: ConcurrentFakeTransport, *coroutines: Coroutine[Any, Any, Any]) -> list[Any]:
    """Run coroutines at the same time, of which only sleeps take any; return results and errors."""
    outcomes: list[Any] = [None] * len(coroutines)
    queue = [(transport.now, turn, turn) for turn in range(len(coroutines))]
    turn = len(queue)
    while queue:
        transport.now, _, index = heappop(queue)
        try:
            seconds = coroutines[index].send(None)
        except StopIteration as stop:
            outcomes[index] = stop.value
        except Exception as error:  # noqa: BLE001 - an outcome like any other
            outcomes[index] = error
        else:
            turn += 1
            heappush(queue, (transport.now + seconds, turn, index))
    return outcomes


def modelarts(
    transport: FakeTransport, *, seed: int = 1, project_id: str = "p1", swr_endpoint: str | None = None
) -> ModelArtsClient:
    """Return a client of the scripted transport."""

    def find_swr() -> str:
        if swr_endpoint is None:
            raise InvalidConnectionError("swr_endpoint is missing")
        return swr_endpoint

    return ModelArtsClient(
        endpoint=ENDPOINT,
        project=Project(project_id),
        credentials=AccessKeyCredentials("AK", "SK"),
        transport=transport,
        clock=transport,
        random=Random(seed),
        swr_endpoint=find_swr,
    )


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end."""
    return block_on(coroutine)


def reply(body: object, status: int = 200, **headers: str) -> Response:
    """Return a response; a body other than bytes is sent as JSON, and ``_`` in header names means ``-``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, {"content-type": "application/json", **named}, data)


def image(status: str = "CREATING", **fields: object) -> Response:
    """Return a response about the one image."""
    return reply({"id": IMAGE_ID, "status": status, **fields})


def http_date(seconds: float) -> str:
    """Return a time as an HTTP header has it."""
    return format_datetime(datetime.fromtimestamp(seconds, tz=timezone.utc), usegmt=True)
