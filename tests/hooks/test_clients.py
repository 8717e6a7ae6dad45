"""What the clients of a process share, and what they hide."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Coroutine
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import redact

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.credentials import (
    AccessKeyCredentials,
    AgencyCredentials,
    Credentials,
    EcsAgencyCredentials,
    PasswordCredentials,
)
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.exceptions import WaitTimeoutError
from airflow_provider_modelarts.hooks.clients import build_credentials
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.simulator import Fault, Simulator
from tests.transports import settings

USER = {"auth": "password", "domain_name": "research-account"}


@pytest.fixture
def log_in(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connections of a user, one for each of two purposes, without a project id."""
    for name, timeout in (("ONE", 30), ("TWO", 60)):
        extra = {**simulator.connection["extra"], **USER, "project_id": None, "read_timeout": timeout}
        fields: dict[str, Any] = {"login": "snapshot-user", "password": "simulator-password", "extra": extra}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps({**simulator.connection, **fields}))


def count(simulator: Simulator, operation: str) -> int:
    return sum(entry.operation == operation for entry in simulator.journal)


def a_hundred_waits(image_id: str, *, timeout: float) -> list[Coroutine[Any, Any, Image]]:
    """Wait for an image in a hundred triggers of one process."""
    return [
        ModelArtsHook("one").awatch(
            operations.show_image(image_id),
            is_done=lambda image: image.is_active,
            poll_interval=1,
            deadline=time.time() + timeout,
        )
        for _ in range(100)
    ]


@pytest.mark.usefixtures("log_in")
def test_clients_of_process_share_one_login(simulator: Simulator) -> None:
    for conn_id in ("one", "two", "one"):
        ModelArtsHook(conn_id).list_images()

    assert count(simulator, "CreateToken") == 1
    assert count(simulator, "ListImages") == 3


@pytest.mark.usefixtures("log_in")
def test_concurrent_waits_share_one_login(simulator: Simulator) -> None:
    """At once, as after a restart of the triggerer, and when the token is revoked."""
    image_id = simulator.add_image(name="research", namespace="team", tag="nightly", status="CREATING")

    async def a_hundred() -> None:
        waiting = asyncio.gather(*a_hundred_waits(image_id, timeout=30))
        while count(simulator, "ShowImage") < 100 and not waiting.done():
            await asyncio.sleep(0.01)
        simulator.revoke_tokens()
        simulator.set_image_status(image_id, "ACTIVE")
        await waiting

    asyncio.run(a_hundred())

    assert count(simulator, "CreateToken") == 2


@pytest.mark.usefixtures("log_in")
def test_concurrent_waits_share_failed_login_and_backoff(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that queue for a login that times out share its failure."""
    image_id = simulator.add_image(name="research", namespace="team", tag="nightly", status="CREATING")
    simulator.inject(Fault("slow", "CreateToken", times=None, seconds=60))
    impatient = json.loads(os.environ["AIRFLOW_CONN_ONE"])
    impatient["extra"]["read_timeout"] = 0.5
    monkeypatch.setenv("AIRFLOW_CONN_ONE", json.dumps(impatient))

    async def a_hundred() -> list[BaseException]:
        waits = a_hundred_waits(image_id, timeout=1.5)
        outcomes = await asyncio.gather(*waits, return_exceptions=True)
        return [outcome for outcome in outcomes if isinstance(outcome, BaseException)]

    failures = asyncio.run(a_hundred())

    assert {type(failure) for failure in failures} == {WaitTimeoutError}
    assert len(failures) == 100
    assert 1 <= count(simulator, "CreateToken") <= 4


@pytest.mark.usefixtures("connection")
def test_clients_of_process_share_project_lookup(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = {**simulator.connection["extra"], "project_id": None}
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps({**simulator.connection, "extra": extra}))

    for _ in range(3):
        ModelArtsHook().list_images()

    assert count(simulator, "ListProjects") == 1


@pytest.mark.usefixtures("log_in")
def test_probe_does_not_use_cached_token(simulator: Simulator) -> None:
    """A cached token would not test the password."""
    ModelArtsHook("one").list_images()

    ModelArtsHook("one").test_connection()

    assert count(simulator, "CreateToken") == 2


@pytest.mark.usefixtures("log_in")
def test_token_is_masked_in_logs(simulator: Simulator) -> None:
    """Airflow masks the password by itself, but not the token obtained with it."""
    ModelArtsHook("one").list_images()
    (token,) = [secret for secret in simulator.secrets if len(secret) > 100 or secret.startswith("MII")][:1]

    assert token not in str(redact(f"the token is {token}"))


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        pytest.param({}, AccessKeyCredentials, id="access_key"),
        pytest.param({"login": "u", "password": "p", "extra": USER}, PasswordCredentials, id="password"),
        pytest.param(
            {"login": None, "password": None, "extra": {"auth": "host_agency"}},
            EcsAgencyCredentials,
            id="host_agency",
        ),
        pytest.param(
            {"extra": {"agency_name": "a", "agency_domain_name": "d"}}, AgencyCredentials, id="agency"
        ),
    ],
)
def test_build_credentials_depends_on_auth_and_agency(
    fields: dict[str, Any], kind: type[Credentials], simulator: Simulator
) -> None:
    assert type(build_credentials(settings(simulator, **fields).identity)) is kind
