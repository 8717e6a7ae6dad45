"""Credentials that several threads of a worker share, one of which discards what another is about to use."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from airflow_provider_modelarts.client.credentials import (
    AuthenticationState,
    Credentials,
    EcsAgencyCredentials,
    PasswordCredentials,
)
from airflow_provider_modelarts.client.http_types import Request, Response
from airflow_provider_modelarts.exceptions import AuthenticationError
from tests.client.fake_transport import FakeTransport, reply, run

EXPIRY = "2030-01-01T00:00:00Z"
PLAIN = Request("GET", "https://modelarts.example.com/v1/p1/images")


class InterruptingTransport(FakeTransport):
    """A transport whose clock lets another thread run whenever its time is read."""

    def __init__(self, *answers: Response) -> None:
        super().__init__(*answers)
        self.interrupt: Callable[[], object] = lambda: None

    def monotonic(self) -> float:
        self.interrupt()
        return self.now


def password() -> Credentials:
    return PasswordCredentials(
        endpoint="https://iam.example.com",
        user_name="u",
        password="p",
        domain_name="d",
        project={"id": "p1"},
    )


TOKEN = Response(
    201,
    {"x-subject-token": "T"},
    json.dumps({"token": {"expires_at": EXPIRY, "project": {"id": "p1"}}}).encode(),
)
KEYS = reply({"credential": {"access": "AK", "secret": "S", "securitytoken": "T", "expires_at": EXPIRY}})


@pytest.mark.parametrize(
    ("make", "answers", "header"),
    [
        pytest.param(password, [TOKEN], "X-Auth-Token", id="token"),
        pytest.param(EcsAgencyCredentials, [reply(b"m"), KEYS], "X-Security-Token", id="keys"),
    ],
)
def test_credentials_use_what_another_thread_discards_meanwhile(
    make: Callable[[], Credentials], answers: list[Response], header: str
) -> None:
    credentials, transport = make(), InterruptingTransport(*answers)
    first = run(credentials.authenticate(PLAIN, transport, transport))
    transport.interrupt = lambda: credentials.invalidate(first)

    assert run(credentials.authenticate(PLAIN, transport, transport)).headers[header] == "T"


def test_authentication_state_raises_refusal_that_another_thread_forgets_meanwhile() -> None:
    class Interrupting(float):
        def __sub__(self, other: float) -> float:
            state.clear_refusal()
            return float(self) - other

    state = AuthenticationState()
    state.refuse(AuthenticationError("wrong key", status=401), now=0.0)

    with pytest.raises(AuthenticationError, match="wrong key"):
        state.check(Interrupting(1.0))
