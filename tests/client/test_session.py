"""How a session treats a 401, which concerns the credentials that all calls share."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.credentials import AccessKeyCredentials
from airflow_provider_modelarts.client.http_types import Request, Response
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.operations import show_image
from airflow_provider_modelarts.client.session import Project
from airflow_provider_modelarts.exceptions import AuthenticationError
from tests.client.fake_transport import ENDPOINT, IMAGE_ID, FakeTransport, image, reply

PAGE = reply(b"<html>", 401)
WRONG = reply({"error_code": "APIG.0301", "error_msg": "wrong signature"}, 401)
CALLS = 5


class Overlapping(FakeTransport):
    """A service that has all calls of a round before it answers the first of them."""

    def __init__(self, *rounds: list[Response]) -> None:
        super().__init__()
        self._rounds = [list(answers) for answers in rounds]
        self._open: list[tuple[asyncio.Future[Response], Response]] = []

    async def send(self, request: Request, *, timeout: float | None = None) -> Response:  # noqa: ARG002
        self.requests.append(request)
        self.now += 1
        if not self._rounds:
            return image("ACTIVE")
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._open.append((answer, self._rounds[0][len(self._open)]))
        if len(self._open) == len(self._rounds[0]):
            del self._rounds[0]
            for waiting, given in self._open:
                waiting.set_result(given)
            self._open = []
        return await answer


def outcomes(transport: Overlapping, *, later: int = 0) -> list[Image | BaseException]:
    """Make one call, which proves the key, then some at the same time, and then others one by one."""

    async def run() -> list[Image | BaseException]:
        client = ModelArtsClient(
            endpoint=ENDPOINT,
            project=Project("p1"),
            credentials=AccessKeyCredentials("AK", "SK"),
            transport=transport,
            clock=transport,
            random=Random(1),
            lock=asyncio.Lock(),
        )
        await client.call(show_image(IMAGE_ID))
        together = [client.call(show_image(IMAGE_ID)) for _ in range(CALLS)]
        first = await asyncio.gather(*together, return_exceptions=True)
        return [
            *first,
            *[
                (await asyncio.gather(client.call(show_image(IMAGE_ID)), return_exceptions=True))[0]
                for _ in range(later)
            ],
        ]

    return asyncio.run(run())


@pytest.mark.parametrize("pages", range(1, CALLS + 1))
def test_send_survives_concurrent_401s_without_code(pages: int) -> None:
    """A gateway may have sent them: one call retries with the key first."""
    transport = Overlapping([image()], [*[PAGE] * pages, *[image()] * (CALLS - pages)])
    assert {type(outcome) for outcome in outcomes(transport)} == {Image}
    assert len(transport.requests) == 1 + CALLS + pages


def test_send_raises_repeated_401_without_code() -> None:
    transport = Overlapping([image()], [PAGE] * CALLS, [PAGE])
    assert {type(outcome) for outcome in outcomes(transport)} == {AuthenticationError}
    assert len(transport.requests) == 1 + CALLS + 1


def test_send_does_not_repeat_signature_refused_with_code() -> None:
    """Five of them lock the key."""
    transport = Overlapping([image()], [WRONG, *[image()] * (CALLS - 1)])
    ends = [type(outcome) for outcome in outcomes(transport, later=3)]
    assert ends == [AuthenticationError, *[Image] * (CALLS - 1), *[AuthenticationError] * 3]
    assert len(transport.requests) == 1 + CALLS, "a reply to what was sent before does not lift the refusal"
