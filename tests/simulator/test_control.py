"""The control address, for tests in another process or language."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_modelarts.simulator import AfterSeconds, Simulator

if TYPE_CHECKING:
    from tests.simulator.conftest import Client, Start


def test_control_shows_request_log(simulator: Simulator, client: Client) -> None:
    """Without signatures; requests to the control address are not logged."""
    client.save()
    (entry,) = client.control("GET", "journal").json
    (expected,) = simulator.journal
    assert entry == {field: getattr(expected, field) for field in entry}
    assert (entry["operation"], entry["status"], entry["effect"]) == ("CreateImage", 200, True)


def test_control_shows_images(simulator: Simulator, client: Client) -> None:
    """To read them does not count as a poll."""
    client.save()
    for _ in range(5):
        client.control("GET", "images")
    assert client.control("GET", "images").json == simulator.images
    assert simulator.images[0]["status"] == "INIT"


def test_control_shows_state(simulator: Simulator, client: Client) -> None:
    client.save()
    state = client.control("GET", "state").json
    (notebook,) = state.pop("notebooks")
    assert state.pop("now") == pytest.approx(simulator.now(), abs=5)
    assert state == {"saves": 1, "swr_paths": sorted(simulator.swr_paths)}
    assert (notebook["id"], notebook["status"]) == (simulator.notebook_id, "SNAPSHOTTING")


def test_control_injects_fault(client: Client) -> None:
    answer = client.control("POST", "faults", {"kind": "error", "status": 418, "operation": "ListImages"})
    slow = client.control("POST", "faults", {"kind": "slow", "seconds": 0, "times": None})
    assert (answer.status, answer.json["status"], slow.status) == (200, 418, 200)
    assert [client.notebook().status, client.images().status] == [200, 418]


def test_control_moves_clock(start: Start) -> None:
    simulator, client = start(save=AfterSeconds(3600))
    image_id = client.save().json["id"]
    moved = client.control("POST", "clock", {"advance": 3600}).json["now"]
    assert moved == pytest.approx(simulator.now(), abs=5)
    assert client.image(image_id).json["status"] == "ACTIVE"


def test_control_adds_notebook(client: Client) -> None:
    added = client.control("POST", "notebooks", {"notebook_id": "n-1", "status": "STOPPED"}).json
    assert (added, client.notebook("n-1").json["status"]) == ({"id": "n-1"}, "STOPPED")


def test_control_changes_status_of_notebook(simulator: Simulator, client: Client) -> None:
    changed = client.control("POST", "notebooks", {"id": simulator.notebook_id, "status": "FROZEN"})
    assert (changed.status, changed.json) == (200, {"id": simulator.notebook_id})
    assert [notebook["status"] for notebook in client.notebooks().json["data"]] == ["FROZEN"]


def test_control_changes_status_of_image(client: Client) -> None:
    """A final status ends the save."""
    image_id = client.save().json["id"]
    held = client.control("POST", "images", {"id": image_id, "status": "CREATING"})
    seen = [client.image(image_id).json["status"] for _ in range(5)]
    failed = {"id": image_id, "status": "ERROR", "message": "disk full"}
    assert client.control("POST", "images", failed).json == held.json == {"id": image_id}
    image = client.image(image_id).json
    assert (set(seen), image["status"], image["status_message"]) == ({"CREATING"}, "ERROR", "disk full")
    assert client.notebook().json["status"] == "RUNNING"


def test_control_revokes_tokens(client: Client) -> None:
    token = {"X-Auth-Token": client.token()}
    before = client.call_unsigned("GET", f"{client.project}/images", headers=token)
    taken = client.control("POST", "revocations")
    after = client.call_unsigned("GET", f"{client.project}/images", headers=token)
    assert (before.status, taken.status) == (200, 200)
    assert after.error == (401, "APIGW.0307")


def test_control_resets_simulator(simulator: Simulator, client: Client) -> None:
    client.save()
    assert client.control("POST", "reset").status == 200
    assert (simulator.journal, simulator.images, simulator.saves) == ((), [], 0)


@pytest.mark.parametrize(
    ("name", "body", "problem"),
    [
        ("faults", {"kind": "earthquake"}, "unknown fault kind 'earthquake'"),
        ("faults", {"kind": "reset", "time": 2}, "unknown field 'time'"),
        ("faults", {"kind": "reset", "times": "two"}, "'times' cannot be 'two'"),
        ("faults", {"kind": "reset", "chance": "often"}, "'chance' cannot be 'often'"),
        ("faults", {"kind": "reset", "chance": 2}, "chance must be above 0"),
        ("faults", {}, "'kind'"),
        ("faults", ["reset"], "not a JSON object"),
        ("clock", {"advance": -1}, "cannot go back"),
        ("clock", {"advance": "1h"}, "'advance' cannot be '1h'"),
        ("clock", {"seconds": 1}, "unknown field 'seconds'"),
        ("notebooks", {"image_id": "x"}, "no image x"),
        ("notebooks", {"colour": "red"}, "unknown field 'colour'"),
        ("notebooks", {"name": None, "status": None}, "'status' cannot be None"),
        ("notebooks", {"id": "x", "status": "RUNNING"}, "notebook x is not found"),
        ("notebooks", {"id": "x"}, "'status'"),
        ("notebooks", {"id": "x", "name": "n"}, "unknown field 'name'"),
        ("images", {"id": "x", "status": "ACTIVE"}, "image x is not found"),
        ("images", {"id": "x"}, "'status'"),
        ("images", {"status": "ACTIVE"}, "'id' is missing"),
        ("images", {"id": "x", "status": 1}, "'status' cannot be 1"),
        ("revocations", {"user": "u"}, "'user'"),
        ("reset", {"all": True}, "'all'"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isalpha() else None,
)
def test_control_rejects_wrong_field_with_400(client: Client, name: str, body: object, problem: str) -> None:
    answer = client.control("POST", name, body)
    assert (answer.status, problem in answer.json["error"]) == (400, True), answer.json
    assert client.images().status == 200


@pytest.mark.parametrize(("method", "name"), [("GET", "faults"), ("POST", "journal"), ("GET", "x")])
def test_control_lists_known_commands_for_unknown_one(client: Client, method: str, name: str) -> None:
    answer = client.control(method, name)
    assert (answer.status, "POST /_simulator/reset" in answer.json["error"]) == (404, True)
