"""Failures that a session shares with other calls do not name the request that met them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

import pytest

from airflow_provider_modelarts.client.client import NO_RETRY, ModelArtsClient
from airflow_provider_modelarts.client.credentials import AccessKeyCredentials
from airflow_provider_modelarts.client.http_types import Request, Response
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.operations import show_image
from airflow_provider_modelarts.client.session import Project
from airflow_provider_modelarts.exceptions import AuthenticationError, ModelArtsError, TransportError
from tests.client.fake_transport import ENDPOINT, FakeTransport, reply

FIRST, SECOND = "4e0d1854-63e5-4517-b683-a0ee97a692a1", "16fd2706-8baf-433b-82eb-8c7fada847da"
REFUSED = {"error_code": "APIG.0301", "error_msg": "Incorrect IAM authentication information"}


def _lost() -> TransportError:
    lost = TransportError(f"No response to GET {ENDPOINT}/v1/p1/images/{FIRST}: timed out after 10.0 s")
    lost.reason = "no response: timed out after 10.0 s"
    return lost


class Slow(FakeTransport):
    """A service whose answer comes after all calls of a round are in the queue."""

    async def send(self, request: Request, *, timeout: float | None = None) -> Response:
        await asyncio.sleep(0)
        self.now += 1
        return await super().send(request, timeout=timeout)


def outcomes(transport: FakeTransport, *, together: bool) -> list[Image | BaseException]:
    """Return what two calls with a new key end with."""

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
        calls = [client.call(show_image(image_id), deadline=NO_RETRY) for image_id in (FIRST, SECOND)]
        if together:
            return await asyncio.gather(*calls, return_exceptions=True)
        return [(await asyncio.gather(call, return_exceptions=True))[0] for call in calls]

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("answer", "shared"),
    [
        (_lost, "no response: timed out after 10.0 s"),
        (lambda: reply({}, 503), "(HTTP 503)"),
        (lambda: reply({}, 429), "(HTTP 429)"),
    ],
    ids=["timeout", "503", "429"],
)
def test_session_shares_failure_with_queue_without_name_of_request(
    answer: Callable[[], Response | Exception], shared: str
) -> None:
    transport = Slow(answer())

    first, second = outcomes(transport, together=True)

    assert isinstance(first, ModelArtsError)
    assert FIRST in str(first)
    begin = "Nothing was sent, because another request with these credentials failed: "
    assert str(second).startswith(begin)
    assert str(second).endswith(shared)
    assert FIRST not in str(second)
    assert isinstance(second, type(first))
    assert not second.may_have_been_processed
    assert len(transport.requests) == 1


def test_session_shares_refusal_without_name_of_request() -> None:
    transport = FakeTransport(reply(REFUSED, 401))

    first, second = outcomes(transport, together=False)

    assert FIRST in str(first)
    assert isinstance(second, AuthenticationError)
    assert str(second).startswith("These credentials were refused 0 s ago and are not sent again for 300 s: ")
    assert "Incorrect IAM authentication information" in str(second)
    assert FIRST not in str(second)
    assert len(transport.requests) == 1
