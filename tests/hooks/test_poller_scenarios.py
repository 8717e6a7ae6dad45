"""The shared poll against the simulator, with its request log: lists that lag, refusals, several projects."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs

import pytest
from airflow.providers.common.compat.connection import get_async_connection

from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.exceptions import (
    AuthenticationError,
    ImageFailedError,
    NotFoundError,
    PermissionDeniedError,
    WaitTimeoutError,
)
from airflow_provider_modelarts.hooks import poller_pool, pool
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.simulator import AfterSeconds, Fault, Simulator
from tests import virtual_loop

INTERVAL = 10.0
HOUR = 3600.0

Connect = Callable[..., None]


@pytest.fixture
def connect(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Makes or changes a connection to the simulator."""

    def edit(
        conn_id: str = "modelarts_default", *, extra: dict[str, Any] | None = None, **fields: Any
    ) -> None:
        given = {**simulator.connection, **fields}
        given["extra"] = {**given["extra"], "read_timeout": 5, **(extra or {})}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(given))

    edit()
    return edit


def images(simulator: Simulator, number: int, **fields: Any) -> list[str]:
    given = {"namespace": "team", "tag": "nightly", "status": "CREATING", **fields}
    return [simulator.add_image(name=f"n{n}", **given) for n in range(number)]


def wait(image_id: str, conn_id: str = "modelarts_default", **options: Any) -> asyncio.Future[Image]:
    given = {"poll_interval": INTERVAL, "timeout": HOUR, **options}
    return asyncio.ensure_future(ModelArtsHook(conn_id).await_image(image_id, **given))


async def ends(waits: Sequence[Awaitable[Image]]) -> list[Any]:
    return await asyncio.gather(*waits, return_exceptions=True)


async def become_active(simulator: Simulator, ids: Sequence[str], *, after: float) -> list[Any]:
    """Wait for some images, which become ACTIVE after some seconds."""
    waits = [wait(image_id) for image_id in ids]
    await asyncio.sleep(after)
    for image_id in ids:
        simulator.set_image_status(image_id, "ACTIVE")
    return await ends(waits)


def operations(simulator: Simulator) -> Counter[str]:
    return Counter(entry.operation for entry in simulator.journal)


def run(scenario: Callable[[], Awaitable[Any]]) -> Any:
    async def and_all_is_closed() -> Any:
        result = await scenario()
        await asyncio.sleep(0)
        pools = (poller_pool.poller_pool, pool.client_pool, pool.connection_cache)
        assert [held for leases in pools for held in leases._leases[asyncio.get_running_loop()]] == []
        assert len(asyncio.all_tasks()) == 1
        return result

    return virtual_loop.run(and_all_is_closed())


pytestmark = pytest.mark.usefixtures("connect")


def test_poller_reads_list_that_lags_by_its_statuses(simulator: Simulator) -> None:
    """A page that shows an older status is no news, and not the end of a wait."""
    ids = images(simulator, 3)
    old = [{"id": image_id, "status": "INIT"} for image_id in ids]
    lagging = Fault("document", "ListImages", skip=1, times=2, body=json.dumps({"total": 3, "data": old}))
    simulator.inject(lagging)

    ended = run(lambda: become_active(simulator, ids, after=5.5 * INTERVAL))

    assert [image.status for image in ended] == 3 * ["ACTIVE"]
    assert operations(simulator).keys() == {"ListImages"}


def test_poller_shows_new_images_until_lagging_list_contains_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with Simulator(save=AfterSeconds(60), list_lag=25) as simulator:
        monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(simulator.connection))

        async def scenario() -> list[Any]:
            hook, waits = ModelArtsHook(), []
            for number in range(3):
                notebook_id = simulator.add_notebook(name=f"n{number}")
                named = {"name": f"n{number}", "namespace": "team", "tag": "nightly"}
                waits.append(wait(hook.create_image(notebook_id, **named).id))
            return await ends(waits)

        assert [image.status for image in run(scenario)] == 3 * ["ACTIVE"]
        names = [entry.operation for entry in simulator.journal[3:]]
        # In each interval one page and, while the list lags, three shows.
        assert names[-1] == names[-2] == "ListImages"
        assert names.count("ShowImage") in {3, 6, 9, 12}


def test_poller_shows_record_that_is_missing_for_one_poll(simulator: Simulator) -> None:
    ids = images(simulator, 3)
    others = [{"id": image_id, "status": "CREATING"} for image_id in ids[1:]]
    simulator.inject(Fault("document", "ListImages", skip=1, body=json.dumps({"total": 2, "data": others})))

    async def scenario() -> list[Any]:
        waits = [wait(image_id) for image_id in ids]
        await asyncio.sleep(4.5 * INTERVAL)
        simulator.set_image_status(ids[0], "ACTIVE")
        simulator.set_image_status(ids[1], "ERROR", "disk full")
        simulator.set_image_status(ids[2], "ACTIVE")
        return await ends(waits)

    first, second, third = run(scenario)
    assert (first.status, third.status) == ("ACTIVE", "ACTIVE")
    assert isinstance(second, ImageFailedError)
    shown = [entry.path for entry in simulator.journal if entry.operation == "ShowImage"]
    assert [path.rpartition("/")[2] for path in shown] == [ids[0]]


@pytest.mark.parametrize("status", ["CREATE_FAILED", "ERROR"])
@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        pytest.param(None, "the service gave no reason", id="no reason either"),
        pytest.param("disk full", "disk full", id="a reason"),
        pytest.param("403", "the service gave no reason", id="refused"),
        pytest.param("lags", "the service gave no reason", id="still CREATING"),
    ],
)
def test_poller_shows_failed_image_once_for_its_reason(
    status: str, shown: str | None, reason: str, simulator: Simulator
) -> None:
    failed, other = images(simulator, 2)
    records = [{"id": failed, "status": status}, {"id": other, "status": "CREATING"}]
    page = Fault("document", "ListImages", skip=1, times=None, body=json.dumps({"total": 2, "data": records}))
    simulator.inject(page)

    async def scenario() -> list[Any]:
        waits = [wait(failed), wait(other, timeout=3 * INTERVAL)]
        while not simulator.journal:
            await asyncio.sleep(1)
        if shown == "403":
            simulator.inject(Fault("error", "ShowImage", status=403, code="ModelArts.0108"))
        elif shown != "lags":
            simulator.set_image_status(failed, status, shown)
        return await ends(waits)

    error, _ = run(scenario)
    assert isinstance(error, ImageFailedError)
    assert reason in str(error)
    # The other wait alone is shown, too, after this one has ended.
    assert sum(failed in entry.path for entry in simulator.journal) == 1


def test_poller_shows_images_that_no_page_contains(simulator: Simulator) -> None:
    """The workspace that the waits name is not that of two of the images."""
    listed, elsewhere = images(simulator, 3), images(simulator, 2, workspace_id="other")

    async def scenario() -> list[Any]:
        waits = [wait(image_id, timeout=4.5 * INTERVAL) for image_id in (*listed, *elsewhere)]
        return await ends(waits)

    assert {type(end) for end in run(scenario)} == {WaitTimeoutError}
    shown = Counter(
        entry.path.rpartition("/")[2] for entry in simulator.journal if entry.operation == "ShowImage"
    )
    assert shown.keys() == set(elsewhere)
    assert set(shown.values()) <= {4, 5, 6}
    sent = [entry.at for entry in simulator.journal if entry.operation == "ShowImage"]
    # Spread over the interval, but for the last polls.
    assert min(later - earlier for earlier, later in pairwise(sent[:-2])) > INTERVAL / 5


@pytest.mark.parametrize("known", [True, False], ids=["named", "connection's"])
def test_poller_reads_one_list_per_workspace(known: bool, simulator: Simulator, connect: Connect) -> None:
    one, two = images(simulator, 3), images(simulator, 3, workspace_id="w2")
    connect("second", extra={"workspace_id": "w2"})

    async def scenario() -> list[Any]:
        options = {"workspace_id": "w2"} if known else {"conn_id": "second"}
        waits = [*(wait(i) for i in one), *(wait(i, **options) for i in two)]
        await asyncio.sleep(2.5 * INTERVAL)
        for image_id in (*one, *two):
            simulator.set_image_status(image_id, "ACTIVE")
        return await ends(waits)

    assert [image.id for image in run(scenario)] == [*one, *two]
    assert operations(simulator).keys() == {"ListImages"}
    lists = Counter(parse_qs(entry.query)["workspace_id"][0] for entry in simulator.journal)
    assert lists.keys() == {"0", "w2"}
    assert set(lists.values()) <= {2, 3, 4, 5}


def test_poller_keeps_identities_apart(simulator: Simulator, connect: Connect) -> None:
    """One is refused, the other polls on; neither sends a request with the other's credentials."""
    ids = images(simulator, 3)
    connect("wrong", password="a-wrong-secret-key")

    async def scenario() -> list[Any]:
        waits = [wait(i, conn_id) for i in ids for conn_id in ("modelarts_default", "wrong")]
        await asyncio.sleep(3.5 * INTERVAL)
        assert [task.done() for task in waits] == 3 * [False, True]
        for image_id in ids:
            simulator.set_image_status(image_id, "ACTIVE")
        return await ends(waits)

    assert [type(end) for end in run(scenario)] == 3 * [Image, AuthenticationError]
    assert sum(entry.status == 401 for entry in simulator.journal) == 1
    assert operations(simulator).keys() == {"ListImages"}


def test_poller_uses_new_key_in_mid_wait(
    simulator: Simulator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All waits go on after one refusal and one lookup."""
    ids = images(simulator, 50)
    lookups = count_lookups(monkeypatch)

    async def scenario() -> list[Any]:
        waits = [wait(i) for i in ids]
        for turn in range(2):
            await asyncio.sleep(2.5 * INTERVAL)
            simulator.rotate_keys(f"ACCESSKEY{turn}", "new-secret-key")
            connect()
        await asyncio.sleep(2.5 * INTERVAL)
        for image_id in ids:
            simulator.set_image_status(image_id, "ACTIVE")
        return await ends(waits)

    assert {end.status for end in run(scenario)} == {"ACTIVE"}
    assert sum(entry.status == 401 for entry in simulator.journal) == 2
    assert len(lookups) == 3
    assert operations(simulator)["ListImages"] <= 12


def test_poller_ends_all_waits_when_credentials_are_refused(
    simulator: Simulator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    lookups = count_lookups(monkeypatch)
    user = {"auth": "password", "domain_name": "research-account"}
    connect(extra=user, login="snapshot-user", password="wrong-password")
    ids = images(simulator, 50)

    outcomes = run(lambda: ends([wait(i) for i in ids]))

    assert {type(outcome) for outcome in outcomes} == {AuthenticationError}
    assert len({id(outcome) for outcome in outcomes}) == 50  # of each its own traceback
    assert operations(simulator) == {"CreateToken": 1}
    assert len(lookups) == 2


def count_lookups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lookups: list[str] = []

    async def counted(conn_id: str) -> Any:
        lookups.append(conn_id)
        return await get_async_connection(conn_id)

    monkeypatch.setattr(pool, "get_async_connection", counted)
    return lookups


@pytest.mark.parametrize("code", ["ModelArts.0108", ""], ids=["with a code", "without a code"])
def test_poller_shows_each_image_while_only_the_list_is_refused(
    code: str, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    ids = images(simulator, 4)
    simulator.inject(Fault("error", "ListImages", times=None, status=403, code=code))

    ended = run(lambda: become_active(simulator, ids, after=8.5 * INTERVAL))

    assert [image.status for image in ended] == 4 * ["ACTIVE"]
    assert operations(simulator)["ListImages"] == (1 if code else 3)
    assert caplog.text.count("The list of images is refused") == 1


def test_poller_lists_again_after_the_refusal_is_old(simulator: Simulator) -> None:
    ids = images(simulator, 4)
    simulator.revoke("modelarts:image:list")

    async def scenario() -> list[Any]:
        waits = [wait(i, timeout=400) for i in ids]
        await asyncio.sleep(100)
        simulator.grant("modelarts:image:list")
        await asyncio.sleep(260)
        shown = operations(simulator)["ShowImage"]
        ended = await ends(waits)
        assert operations(simulator)["ShowImage"] <= shown + 1
        return ended

    assert {type(end) for end in run(scenario)} == {WaitTimeoutError}
    assert operations(simulator)["ListImages"] >= 4


def test_poller_ends_waits_whose_images_are_refused(simulator: Simulator) -> None:
    ids = images(simulator, 3)
    simulator.revoke("modelarts:image:list", "modelarts:image:get")

    outcomes = run(lambda: ends([wait(i) for i in ids]))

    assert {type(outcome) for outcome in outcomes} == {PermissionDeniedError}
    assert operations(simulator) == {"ListImages": 1, "ShowImage": 3}


def test_poller_sends_no_show_after_a_failed_page(simulator: Simulator) -> None:
    ids = images(simulator, 3)
    simulator.inject(Fault("error", "ListImages", skip=1, times=2, status=503))

    ended = run(lambda: become_active(simulator, ids, after=5.5 * INTERVAL))

    assert [image.status for image in ended] == 3 * ["ACTIVE"]
    assert operations(simulator).keys() == {"ListImages"}


def test_poller_shows_each_image_when_the_list_keeps_failing(simulator: Simulator) -> None:
    """A list that never works does not make a wait for an image that can be shown time out."""
    ids = images(simulator, 3)
    simulator.inject(Fault("error", "ListImages", times=None, status=500))

    ended = run(lambda: become_active(simulator, ids, after=10 * INTERVAL))

    assert [image.status for image in ended] == 3 * ["ACTIVE"]


def test_poller_ignores_cancelled_waits(simulator: Simulator) -> None:
    ids = images(simulator, 30)

    async def scenario() -> list[Any]:
        waits = [wait(i) for i in ids]
        await asyncio.sleep(2.5 * INTERVAL)
        for task in waits[1:]:
            task.cancel()
        await asyncio.sleep(2.5 * INTERVAL)
        simulator.set_image_status(ids[0], "ACTIVE")
        return await ends(waits)

    first, *others = run(scenario)
    assert first.status == "ACTIVE"
    assert {type(other) for other in others} == {asyncio.CancelledError}
    names = [entry.operation for entry in simulator.journal]
    # The one that is left is shown.
    assert names == sorted(names)
    assert Counter(names).keys() == {"ListImages", "ShowImage"}


def test_poller_ends_only_the_wait_for_a_deleted_image(simulator: Simulator) -> None:
    ids = images(simulator, 3)

    async def scenario() -> list[Any]:
        waits = [wait(i) for i in ids]
        await asyncio.sleep(2.5 * INTERVAL)
        simulator.set_image_status(ids[0], "DELETED")
        await asyncio.sleep(2.5 * INTERVAL)
        assert [task.done() for task in waits] == [True, False, False]
        for image_id in ids[1:]:
            simulator.set_image_status(image_id, "ACTIVE")
        return await ends(waits)

    deleted, *others = run(scenario)
    assert isinstance(deleted, NotFoundError)
    assert [image.status for image in others] == ["ACTIVE", "ACTIVE"]


@pytest.mark.parametrize("number", [1, 2, 30])
def test_poller_asks_once_for_waits_whose_deadline_is_long_past(number: int, simulator: Simulator) -> None:
    """The triggerer was down meanwhile; an image that is ACTIVE is not reported as a timeout."""
    ids = images(simulator, number)
    simulator.set_image_status(ids[0], "ACTIVE")

    outcomes = run(lambda: ends([wait(i, timeout=-HOUR) for i in ids]))

    assert outcomes[0].status == "ACTIVE"
    assert {type(outcome) for outcome in outcomes[1:]} <= {WaitTimeoutError}
    assert all("last poll: Image" in str(outcome) for outcome in outcomes[1:])
    assert len(simulator.journal) <= 2


def test_poller_ends_each_wait_at_its_own_deadline(simulator: Simulator) -> None:
    ids = images(simulator, 10)

    async def scenario() -> list[float]:
        began = time.time()

        async def end(image_id: str, timeout: float) -> float:
            with pytest.raises(WaitTimeoutError, match=image_id):
                await wait(image_id, timeout=timeout)
            return time.time() - began - timeout

        return await asyncio.gather(*(end(i, 7.0 * n) for n, i in enumerate(ids, 1)))

    assert all(0 <= late < 5 for late in run(scenario))


def test_poller_polls_at_the_shortest_interval_of_its_waits(simulator: Simulator) -> None:
    slow, quick = images(simulator, 2)

    async def scenario() -> list[Any]:
        patient = wait(slow, poll_interval=600)
        await asyncio.sleep(1)
        hasty = wait(quick, poll_interval=5)
        await asyncio.sleep(6)
        assert simulator.journal
        await asyncio.sleep(30)
        sent = len(simulator.journal)
        hasty.cancel()
        await asyncio.sleep(60)
        assert len(simulator.journal) <= sent + 1
        simulator.set_image_status(slow, "ACTIVE")
        return await ends([patient, hasty])

    assert run(scenario)[0].status == "ACTIVE"


def test_poller_serves_two_waits_for_one_image_by_one_show(simulator: Simulator) -> None:
    """As when a triggerer was wrongly considered dead, and its triggers run twice."""
    (image_id,) = images(simulator, 1)

    async def scenario() -> list[Any]:
        waits = [wait(image_id), wait(image_id.upper())]
        await asyncio.sleep(2.5 * INTERVAL)
        simulator.set_image_status(image_id, "ACTIVE")
        return await ends(waits)

    assert [image.status for image in run(scenario)] == ["ACTIVE", "ACTIVE"]
    assert operations(simulator).keys() == {"ShowImage"}
    assert len(simulator.journal) <= 5
