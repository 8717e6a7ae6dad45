"""Leases: their end, their renewal, and what rewrites ``update_at``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_modelarts.simulator import AfterSeconds, AtOnce, NotebookBehaviour
from tests.simulator.test_notebooks import AT_ONCE, act

if TYPE_CHECKING:
    from airflow_provider_modelarts.simulator import Simulator
    from tests.simulator.conftest import Client, Start

HOUR = 3_600_000


def rest(client: Client) -> int:
    """Milliseconds until the lease ends, by the service's clock."""
    notebook = client.notebook().json
    return int(notebook["lease"]["create_at"] + notebook["lease"]["duration"] - notebook["current_time"])


def test_notebook_stops_when_its_lease_ends(start: Start) -> None:
    simulator, client = start(notebooks=NotebookBehaviour(stopping=AfterSeconds(60)))
    notebook = simulator.notebook()
    notebook.install("numpy")
    notebook.set_lease(seconds=600)
    simulator.advance(590)
    assert notebook.status == "RUNNING"
    simulator.advance(20)
    assert (client.notebook().json["status"], notebook.environment) == ("STOPPING", frozenset())
    simulator.advance(60)
    assert (client.notebook().json["status"], notebook.stops) == ("STOPPED", 0)


@pytest.mark.parametrize(
    "lease", [{"seconds": 60, "enable": False}, {"seconds": None}, {"seconds": 60, "type": "IDLE"}], ids=str
)
def test_lease_without_end_stops_nothing(simulator: Simulator, client: Client, lease: dict[str, Any]) -> None:
    simulator.notebook().set_lease(**lease)
    simulator.advance(10_000_000)
    assert client.notebook().json["status"] == "RUNNING"


@pytest.mark.parametrize("interrupts", [False, True])
def test_lease_that_ends_during_save(start: Start, interrupts: bool) -> None:
    behaviour = NotebookBehaviour(stopping=AtOnce(), lease_interrupts_save=interrupts)
    simulator, client = start(save=AfterSeconds(600), notebooks=behaviour)
    simulator.notebook().set_lease(seconds=300)
    image_id = client.save().json["id"]
    simulator.advance(299)
    assert client.notebook().json["status"] == "SNAPSHOTTING"
    simulator.advance(601)
    assert client.image(image_id).json["status"] == ("CREATE_FAILED" if interrupts else "ACTIVE")
    assert client.notebook().json["status"] == "STOPPED"


def test_save_that_ends_before_its_lease_is_not_interrupted(start: Start) -> None:
    """Even if nobody reads anything until both are over."""
    behaviour = NotebookBehaviour(lease_interrupts_save=True)
    simulator, client = start(save=AfterSeconds(600), notebooks=behaviour)
    simulator.notebook().set_lease(seconds=700)
    image_id = client.save().json["id"]
    simulator.advance(1000)
    assert client.image(image_id).json["status"] == "ACTIVE"


@pytest.mark.parametrize("kind", ["echo", "lease", "empty"])
def test_renewal_response_can_be_chosen(start: Start, kind: str) -> None:
    simulator, client = start(notebooks=NotebookBehaviour(renewal_response=kind))
    simulator.advance(7200)
    answer = act(client, "renew", body={"duration": 2 * HOUR, "type": "timing"})
    if kind == "empty":
        assert (answer.status, answer.body) == (204, b"")
    else:
        assert answer.json["type"] == "TIMING"
        assert (answer.json["duration"] == 2 * HOUR) is (kind == "echo")
    assert rest(client) == pytest.approx(2 * HOUR, abs=60_000)
    assert act(client, "lease").json == client.notebook().json["lease"]


@pytest.mark.parametrize(
    ("query", "body", "rest_of_lease", "kind"),
    [
        (None, None, HOUR, "TIMING"),
        (None, {}, HOUR, "TIMING"),
        (None, {"duration": 3 * HOUR}, 3 * HOUR, "TIMING"),
        ({"duration": 2 * HOUR}, {"duration": 3 * HOUR, "type": "idle"}, 2 * HOUR, "TIMING"),
        (None, {"duration": 72 * HOUR}, 72 * HOUR, "TIMING"),
    ],
    ids=str,
)
def test_renewal_counts_from_now(
    simulator: Simulator, client: Client, query: Any, body: Any, rest_of_lease: int, kind: str
) -> None:
    simulator.notebook().set_lease(seconds=None, enable=False)
    act(client, "renew", query, body)
    lease = client.notebook().json["lease"]
    assert (lease["type"], lease["enable"]) == (kind, True)
    assert rest(client) == pytest.approx(rest_of_lease, abs=60_000)


@pytest.mark.parametrize(
    ("query", "body", "code"),
    [
        (None, {"duration": HOUR - 1}, "6349"),
        (None, {"duration": 72 * HOUR + 1}, "6349"),
        (None, {"duration": -1}, "6349"),
        (None, {"duration": "1h"}, "0104"),
        (None, {"duration": True}, "0104"),
        (None, {"type": "TIMING"}, "0104"),
        (None, {"type": "never"}, "0104"),
        (None, {"hours": 1}, "0104"),
        ({"duration": "x"}, None, "0104"),
        ({"duration": "1" * 30}, None, "0104"),
    ],
    ids=str,
)
def test_renewal_rejects_invalid_request(client: Client, query: Any, body: Any, code: str) -> None:
    before = client.notebook().json["lease"]
    assert act(client, "renew", query, body).error == (400, f"ModelArts.{code}")
    assert client.notebook().json["lease"] == before


@pytest.mark.parametrize(
    ("query", "lease"),
    [
        ({}, ("TIMING", HOUR)),
        ({"duration": 5 * HOUR}, ("TIMING", 5 * HOUR)),
        ({"duration": 5 * HOUR, "type": "timing"}, ("TIMING", 5 * HOUR)),
        ({"duration": 5 * HOUR, "type": "IDLE"}, ("IDLE", None)),
    ],
    ids=str,
)
def test_start_renews_lease(start: Start, query: Any, lease: tuple[str, int | None]) -> None:
    simulator, client = start(notebooks=AT_ONCE)
    simulator.advance(5000)
    act(client, "stop")
    simulator.advance(5000)
    assert act(client, "start", query).status == 200
    found = client.notebook().json["lease"]
    assert found["type"] == lease[0]
    if lease[1] is None:
        assert found["duration"] == query["duration"]
    else:
        assert rest(client) == pytest.approx(lease[1], abs=60_000)


@pytest.mark.parametrize(
    ("kind", "found"),
    [("disabled", {"enable": False}), ("unlimited", {"enable": True, "duration": -1}), ("refused", None)],
)
def test_start_without_auto_stop_can_be_chosen(start: Start, kind: str, found: Any) -> None:
    simulator, client = start(notebooks=NotebookBehaviour(starting=AtOnce(), no_auto_stop=kind))
    simulator.notebook().stop()
    answer = act(client, "start", {"duration": -1})
    if found is None:
        assert answer.error == (400, "ModelArts.6349")
        assert simulator.notebook().status == "STOPPED"
    else:
        assert answer.json["lease"] == answer.json["lease"] | found
        simulator.advance(10_000_000)
        assert client.notebook().json["status"] == "RUNNING"


@pytest.mark.parametrize(
    ("query", "code"),
    [({"duration": HOUR - 1}, "6349"), ({"duration": "1h"}, "0104"), ({"type": "never"}, "0104")],
    ids=str,
)
def test_start_rejects_invalid_query(simulator: Simulator, client: Client, query: Any, code: str) -> None:
    simulator.notebook().stop()
    assert act(client, "start", query).error == (400, f"ModelArts.{code}")
    assert simulator.notebook().status == "STOPPED"


def test_lease_of_otc_has_no_limits(start: Start) -> None:
    _, client = start(cloud="otc")
    assert act(client, "renew", body={"duration": 1000 * HOUR}).status == 200
    assert act(client, "renew", body={"duration": 60_000}).status == 200


@pytest.mark.parametrize("touched_by", [(), ("save",), ("stop",), ("save", "stop")])
def test_events_rewrite_update_at_only_if_chosen(start: Start, touched_by: tuple[str, ...]) -> None:
    behaviour = NotebookBehaviour(starting=AtOnce(), stopping=AtOnce(), touched_by=touched_by)
    simulator, client = start(save=AfterSeconds(10), notebooks=behaviour)

    def times() -> tuple[int, int]:
        notebook = client.notebook().json
        return notebook["update_at"], notebook["lease"]["update_at"]

    for event, acts in (
        ("save", [client.save]),
        ("save", [lambda: simulator.advance(10)]),
        ("stop", [lambda: act(client, "stop")]),
    ):
        before = times()
        simulator.advance(1)
        for do in acts:
            do()
        is_rewritten = [now > then for now, then in zip(times(), before, strict=True)]
        assert is_rewritten == 2 * [event in touched_by], event

    for operation in ("start", "renew"):
        before = times()
        simulator.advance(1)
        assert act(client, operation).status == 200
        assert all(now > then for now, then in zip(times(), before, strict=True)), operation


def test_person_starts_notebook_with_new_lease(simulator: Simulator, client: Client) -> None:
    notebook = simulator.notebook()
    notebook.set_lease(seconds=60)
    simulator.advance(3600)
    assert {client.notebook().json["status"] for _ in range(3)} == {"STOPPING", "STOPPED"}
    notebook.start(seconds=7200)
    assert (notebook.status, notebook.starts) == ("RUNNING", 0)
    assert notebook.lease_ends_at == pytest.approx(simulator.now() + 7200, abs=60)


def test_status_set_to_running_begins_lease_again(simulator: Simulator, client: Client) -> None:
    """A test that sets the status after a long time does not want the old lease to end at once."""
    simulator.notebook().set_lease(seconds=3600)
    simulator.set_notebook_status(client.notebook_id, "STOPPED")
    simulator.advance(10_000)
    simulator.set_notebook_status(client.notebook_id, "RUNNING")
    assert client.notebook().json["status"] == "RUNNING"
    assert rest(client) == pytest.approx(HOUR, abs=60_000)


def test_current_time_can_be_missing(start: Start) -> None:
    simulator, client = start(notebooks=NotebookBehaviour(has_current_time=False))
    simulator.advance(100)
    answer = client.notebook()
    assert "current_time" not in answer.json
    assert "Date" in answer.headers


def test_frozen_clock_moves_only_when_it_is_advanced(simulator: Simulator) -> None:
    """So that a lease ends exactly when a test says so."""
    simulator.freeze()
    now = simulator.now()
    simulator.notebook().set_lease(seconds=60)
    simulator.advance(59.999)
    assert simulator.notebook().status == "RUNNING"
    simulator.advance(0.001)
    assert simulator.notebook().status == "STOPPING"
    assert simulator.now() == pytest.approx(now + 60, abs=0.01)
