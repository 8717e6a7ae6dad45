"""Refused credentials in a process with many waits."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.connection import get_async_connection

from airflow_provider_modelarts.client import credentials, operations
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.exceptions import AuthenticationError, ModelArtsError, WaitTimeoutError
from airflow_provider_modelarts.hooks import pool
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.simulator import Fault, Simulator

pytestmark = pytest.mark.usefixtures("quick_polls")

WAITS = 100
USER: dict[str, Any] = {"auth": "password", "domain_name": "research-account"}
AGENCY: dict[str, Any] = {"agency_name": "snapshot-agency", "agency_domain_name": "research-account"}
PASSWORD: dict[str, Any] = {"login": "snapshot-user", "password": "simulator-password"}
WRONG: dict[str, Any] = {**PASSWORD, "password": "wrong-password"}

Connect = Callable[..., None]


@pytest.fixture
def connect(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Changes a connection."""

    def edit(conn_id: str = "one", *, extra: dict[str, Any] | None = None, **fields: Any) -> None:
        given = {**simulator.connection, **fields}
        given["extra"] = {**given["extra"], **(extra or {})}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(given))

    return edit


@pytest.fixture
def lookups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lookups of connections in Airflow, by connection id."""
    lookups_made: list[str] = []

    async def counted(conn_id: str) -> Any:
        lookups_made.append(conn_id)
        return await get_async_connection(conn_id)

    monkeypatch.setattr(pool, "get_async_connection", counted)
    return lookups_made


@pytest.fixture
def image_id(simulator: Simulator) -> str:
    """An image that is being saved."""
    return simulator.add_image(name="research", namespace="team", tag="nightly", status="CREATING")


def count(simulator: Simulator, operation: str) -> int:
    return sum(entry.operation == operation for entry in simulator.journal)


async def wait(image_id: str, conn_id: str = "one", *, timeout: float = 60) -> Image:
    return await ModelArtsHook(conn_id).awatch(
        operations.show_image(image_id),
        is_done=lambda image: image.is_active,
        poll_interval=0.25,
        deadline=time.time() + timeout,
    )


async def wait_all(image_id: str, *conn_ids: str, timeout: float = 60) -> list[Image | BaseException]:
    conn_ids = conn_ids or ("one",)
    waits = [wait(image_id, conn_ids[n % len(conn_ids)], timeout=timeout) for n in range(WAITS)]
    return await asyncio.gather(*waits, return_exceptions=True)


@pytest.mark.parametrize(
    ("extra", "conn_ids", "fault"),
    [
        pytest.param(USER, ("one",), None, id="password"),
        pytest.param({**USER, **AGENCY}, ("one",), None, id="agency by password"),
        pytest.param(USER, ("one", "two"), None, id="two connections of one user"),
        pytest.param(USER, ("one",), Fault("slow", "CreateToken", times=None, seconds=0.5), id="slow IAM"),
    ],
)
def test_concurrent_waits_send_wrong_password_once(
    extra: dict[str, Any],
    conn_ids: tuple[str, ...],
    fault: Fault | None,
    simulator: Simulator,
    connect: Connect,
    image_id: str,
    lookups: list[str],
) -> None:
    for number, conn_id in enumerate(conn_ids):
        connect(conn_id, extra={**extra, "read_timeout": 30 + number}, **WRONG)
    simulator.inject(*([fault] if fault else []))

    outcomes = asyncio.run(wait_all(image_id, *conn_ids))

    assert {type(outcome) for outcome in outcomes} == {AuthenticationError}
    assert [entry.operation for entry in simulator.journal] == ["CreateToken"]
    assert len(lookups) == 2 * len(conn_ids)
    followers = [str(outcome) for outcome in outcomes if "not sent again" in str(outcome)]
    assert len(followers) == WAITS - 1
    assert all("The username or password is wrong" in message for message in followers)
    assert not any("wrong-password" in str(outcome) for outcome in outcomes)


def test_refusal_is_cached_for_later_waits_until_it_expires(
    simulator: Simulator, connect: Connect, image_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(extra=USER, **WRONG)

    for _ in range(3):
        with pytest.raises(AuthenticationError):
            asyncio.run(wait(image_id))
    assert count(simulator, "CreateToken") == 1

    monkeypatch.setattr(credentials, "REFUSAL_TTL", 0.0)
    with pytest.raises(AuthenticationError):
        asyncio.run(wait(image_id))
    assert count(simulator, "CreateToken") == 2


def test_refusal_is_cached_in_worker(simulator: Simulator, connect: Connect) -> None:
    connect(extra=USER, **WRONG)

    for message in ("CreateToken", "not sent again for"):
        with pytest.raises(AuthenticationError, match=message):
            ModelArtsHook("one").get_image("i")

    assert count(simulator, "CreateToken") == 1


@pytest.mark.parametrize("extra", [USER, {**USER, **AGENCY}, AGENCY], ids=["token", "both", "keys"])
def test_concurrent_waits_renew_once_when_every_token_is_refused(
    extra: dict[str, Any], simulator: Simulator, connect: Connect, image_id: str
) -> None:
    connect(extra=extra, **(PASSWORD if "auth" in extra else {}))
    simulator.inject(Fault("error", "ShowImage", times=None, status=401, code="APIGW.0307"))

    outcomes = asyncio.run(wait_all(image_id))

    assert {type(outcome) for outcome in outcomes} == {AuthenticationError}
    assert count(simulator, "CreateToken") <= 2
    assert count(simulator, "CreateTemporaryAccessKey") <= 2
    assert count(simulator, "ShowImage") == 2


def test_concurrent_waits_send_one_wrong_signature(
    simulator: Simulator, connect: Connect, image_id: str, lookups: list[str]
) -> None:
    """Five lock the key for everybody who uses it."""
    connect(password="a-wrong-secret-key")

    outcomes = asyncio.run(wait_all(image_id))

    assert {type(outcome) for outcome in outcomes} == {AuthenticationError}
    assert count(simulator, "ShowImage") == 1
    assert len(lookups) == 2
    connect()
    assert isinstance(asyncio.run(wait_once(simulator, image_id)), Image)


async def wait_once(simulator: Simulator, image_id: str) -> Image:
    simulator.set_image_status(image_id, "ACTIVE")
    return await wait(image_id)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("html", "ShowImage"),
        Fault("throttle", "ShowImage"),
        Fault("reset", "ShowImage"),
        Fault("html", "ShowImage", status=200),
        Fault("garbage", "ShowImage"),
    ],
    ids=["a page", "429", "a reset", "a page as success", "half a reply"],
)
def test_credentials_are_not_proven_by_unusable_first_response(
    fault: Fault, simulator: Simulator, connect: Connect, image_id: str
) -> None:
    """Otherwise all others would send their wrong signatures at once."""
    connect(password="a-wrong-secret-key")
    simulator.inject(fault)

    async def ask_all() -> None:
        call = operations.show_image(image_id)
        asking = [ModelArtsHook("one").acall(call, deadline=time.time()) for _ in range(WAITS)]
        await asyncio.gather(*asking, return_exceptions=True)

    asyncio.run(ask_all())

    assert simulator.journal
    refused = [entry for entry in simulator.journal if entry.status == 401 or entry.fault == "garbage"]
    assert len(refused) <= 2


def test_unknown_code_of_401_is_retried_with_one_renewal(
    simulator: Simulator, connect: Connect, image_id: str
) -> None:
    """It may concern one request only, so it is not cached."""
    connect(extra=USER, **PASSWORD)
    simulator.inject(Fault("error", "ShowImage", times=3, status=401, code="ModelArts.9999"))

    async def until_it_passes() -> list[Image | BaseException]:
        waiting = asyncio.create_task(wait_all(image_id))
        while count(simulator, "ShowImage") < 5 and not waiting.done():
            await asyncio.sleep(0.01)
        simulator.set_image_status(image_id, "ACTIVE")
        return await waiting

    outcomes = asyncio.run(until_it_passes())

    assert {type(outcome) for outcome in outcomes} == {Image}
    assert count(simulator, "CreateToken") == 2


def test_unknown_code_of_401_for_one_image_does_not_renew_per_poll(
    simulator: Simulator, connect: Connect, image_id: str
) -> None:
    """Although responses to other waits prove each new token."""
    connect(extra=USER, **PASSWORD)
    simulator.inject(
        *(Fault("error", "ShowImage", skip=skip, status=401, code="ModelArts.9999") for skip in range(8))
    )

    outcomes = asyncio.run(wait_all(image_id, timeout=1))

    assert {type(outcome) for outcome in outcomes} == {WaitTimeoutError}
    assert count(simulator, "CreateToken") <= 2


def test_changed_connection_is_read_once_for_all_waits(
    simulator: Simulator, connect: Connect, image_id: str, lookups: list[str]
) -> None:
    connect()

    async def rotate() -> list[Image | BaseException]:
        waiting = asyncio.create_task(wait_all(image_id))
        while count(simulator, "ShowImage") < WAITS and not waiting.done():
            await asyncio.sleep(0.01)
        simulator.rotate_keys("NEWACCESSKEY", "new-secret-key")
        connect()
        simulator.set_image_status(image_id, "ACTIVE")
        return await waiting

    outcomes = asyncio.run(rotate())

    assert {type(outcome) for outcome in outcomes} == {Image}
    assert len(lookups) == 2


def test_key_may_change_repeatedly_during_wait(simulator: Simulator, connect: Connect, image_id: str) -> None:
    connect()

    async def rotate() -> Image:
        waiting = asyncio.create_task(wait(image_id))
        for turn in range(2):
            seen = count(simulator, "ShowImage")
            while count(simulator, "ShowImage") < seen + 1 and not waiting.done():
                await asyncio.sleep(0.01)
            simulator.rotate_keys(f"ACCESSKEY{turn}", "new-secret-key")
            connect()
        simulator.set_image_status(image_id, "ACTIVE")
        return await waiting

    assert asyncio.run(rotate()).is_active


def test_new_wait_uses_corrected_connection_during_cool_down(
    simulator: Simulator, connect: Connect, image_id: str
) -> None:
    """Also while another wait keeps the cached one."""
    connect(extra=USER, **WRONG)

    async def correct() -> Image:
        async with pool.connection_cache.use("one"):
            with pytest.raises(AuthenticationError):
                await wait(image_id)
            connect(extra=USER, **PASSWORD)
            return await wait_once(simulator, image_id)

    assert asyncio.run(correct()).is_active


def test_test_button_ignores_cached_refusal(simulator: Simulator, connect: Connect) -> None:
    connect(extra=USER, **WRONG)
    with pytest.raises(AuthenticationError):
        ModelArtsHook("one").get_image("i")

    assert ModelArtsHook("one").test_connection()[0] is False

    assert count(simulator, "CreateToken") == 2


def test_cancelled_wait_does_not_cancel_shared_login(
    simulator: Simulator, connect: Connect, image_id: str
) -> None:
    connect(extra=USER, **PASSWORD)
    simulator.set_image_status(image_id, "ACTIVE")
    simulator.inject(Fault("slow", "CreateToken", seconds=1))

    async def cancel_first() -> list[Image | BaseException]:
        call = operations.show_image(image_id)
        waits = [asyncio.ensure_future(ModelArtsHook("one").acall(call)) for _ in range(20)]
        while not simulator.journal:
            await asyncio.sleep(0.01)
        waits[0].cancel()  # the first one in the queue is logging in
        return await asyncio.gather(*waits, return_exceptions=True)

    outcomes = asyncio.run(cancel_first())

    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert {type(outcome) for outcome in outcomes[1:]} == {Image}
    assert count(simulator, "CreateToken") <= 2


@pytest.mark.parametrize(
    ("fault", "is_refusal"),
    [
        pytest.param(Fault("error", "CreateToken", status=401, code="IAM.9999"), True, id="any code of 401"),
        pytest.param(Fault("error", "CreateToken", status=401, envelope="iam"), True, id="Keystone's 401"),
        pytest.param(Fault("error", "CreateToken", status=403, envelope="iam"), False, id="Keystone's 403"),
        pytest.param(Fault("html", "CreateToken", status=404), False, id="a page"),
        pytest.param(Fault("html", "CreateToken", status=407), False, id="a proxy's matter"),
        pytest.param(Fault("html", "CreateToken", status=502), False, id="a gateway's"),
    ],
)
def test_login_is_refused_by_401_only(
    fault: Fault, is_refusal: bool, simulator: Simulator, connect: Connect
) -> None:
    """Other errors of IAM are transient, and not cached."""
    connect(extra=USER, **PASSWORD)
    simulator.inject(fault)

    with pytest.raises(ModelArtsError) as caught:
        block(ModelArtsHook("one"))

    assert isinstance(caught.value, AuthenticationError) is is_refusal
    assert "401, 401" not in str(caught.value)
    assert "403, 403" not in str(caught.value)
    if is_refusal:
        with pytest.raises(AuthenticationError, match="not sent again"):
            block(ModelArtsHook("one"))
    else:
        assert block(ModelArtsHook("one")) == []


def block(hook: ModelArtsHook) -> Any:
    return hook.call(operations.list_images(limit=1), deadline=time.time()).data
