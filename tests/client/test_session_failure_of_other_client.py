"""A service that hangs fails the queue of all clients with the same credentials once, not each in turn."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from airflow_provider_modelarts.client.client import NO_RETRY, ModelArtsClient
from airflow_provider_modelarts.client.credentials import (
    AccessKeyCredentials,
    Credentials,
    PasswordCredentials,
)
from airflow_provider_modelarts.client.http_types import Request, Response
from airflow_provider_modelarts.client.operations import show_image
from airflow_provider_modelarts.client.session import Project
from airflow_provider_modelarts.exceptions import TransportError
from tests.client.fake_transport import ENDPOINT, IMAGE_ID, FakeTransport

CLIENTS = 3


class Hanging(FakeTransport):
    """A service that never responds, so that each request ends with its timeout."""

    async def send(self, request: Request, *, timeout: float | None = None) -> Response:  # noqa: ARG002
        self.requests.append(request)
        await asyncio.sleep(0)
        self.now += 60
        raise TransportError(f"No response to {request.method} {request.url}", stage="timeout")


@pytest.mark.parametrize(
    "credentials",
    [
        AccessKeyCredentials("AK", "SK"),
        PasswordCredentials(
            endpoint="https://iam.example.com",
            user_name="user",
            password="password",
            domain_name="account",
            project={"id": "p1"},
        ),
    ],
    ids=["first request", "login"],
)
def test_session_shares_failure_with_queue_of_other_clients(credentials: Credentials) -> None:
    transport = Hanging()

    async def run() -> list[object]:
        lock = asyncio.Lock()
        clients = [
            ModelArtsClient(
                endpoint=ENDPOINT,
                project=Project("p1"),
                credentials=credentials,
                transport=transport,
                clock=transport,
                random=Random(1),
                lock=lock,
            )
            for _ in range(CLIENTS)
        ]
        calls = [client.call(show_image(IMAGE_ID), deadline=NO_RETRY) for client in clients]
        return await asyncio.gather(*calls, return_exceptions=True)

    outcomes = asyncio.run(run())

    assert [type(outcome) for outcome in outcomes] == [TransportError] * CLIENTS
    assert len(transport.requests) == 1
    assert all("Nothing was sent" in str(outcome) for outcome in outcomes[1:])
