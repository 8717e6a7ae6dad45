"""Each kind of fault, and what the request log records of it."""

from __future__ import annotations

import http.client
import time
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_modelarts.simulator import Fault, Simulator
from airflow_provider_modelarts.simulator.faults import FaultQueue

if TYPE_CHECKING:
    from tests.simulator.conftest import Client, Start


def last(simulator: Simulator) -> tuple[int | None, str | None, bool, int]:
    """Give status, fault and effect of the newest entry, and the saves so far."""
    entry = simulator.journal[-1]
    return entry.status, entry.fault, entry.effect, simulator.saves


@pytest.mark.parametrize(
    ("retry_after", "header"), [(None, None), (7, "7"), ("Sat, 01 Jan 2028 00:00:00 GMT",) * 2]
)
def test_fault_throttle_returns_429(
    simulator: Simulator, client: Client, retry_after: int | str | None, header: str | None
) -> None:
    simulator.inject(Fault("throttle", retry_after=retry_after))
    answer = client.save()
    assert (*answer.error, answer.headers.get("Retry-After")) == (429, "APIGW.0308", header)
    assert last(simulator) == (429, "throttle", False, 0)


@pytest.mark.parametrize(
    ("envelope", "body"),
    [
        ("modelarts", {"error_code": "X.1", "error_msg": "no"}),
        ("legacy", {"error_code": "X.1", "error_message": "no"}),
        ("gateway", {"error_code": "X.1", "error_msg": "no", "request_id": "ID"}),
        ("iam", {"error": {"code": 503, "message": "no", "title": "Service Unavailable"}}),
    ],
)
def test_fault_error_has_envelope_of_each_service(
    simulator: Simulator, client: Client, envelope: str, body: dict[str, object]
) -> None:
    simulator.inject(Fault("error", status=503, code="X.1", message="no", envelope=envelope, retry_after=1))
    answer = client.save()
    request_id = answer.headers["X-Request-Id"]
    expected = {name: request_id if value == "ID" else value for name, value in body.items()}
    assert (answer.status, answer.json, answer.headers["Retry-After"]) == (503, expected, "1")
    assert last(simulator) == (503, "error", False, 0)


@pytest.mark.parametrize(
    ("envelope", "code"),
    [(None, "ModelArts.6102"), ("modelarts", "ModelArts.6102"), ("gateway", "APIGW.0201")],
)
def test_fault_error_defaults_to_internal_error_of_service(
    simulator: Simulator, client: Client, envelope: str | None, code: str
) -> None:
    simulator.inject(Fault("error", envelope=envelope))
    assert client.images().error == (500, code)


def test_fault_html_returns_page(simulator: Simulator, client: Client) -> None:
    simulator.inject(Fault("html"))
    answer = client.save()
    assert (answer.status, answer.headers["Content-Type"]) == (502, "text/html")
    assert b"<h1>502 Bad Gateway</h1>" in answer.body
    assert last(simulator) == (502, "html", False, 0)


@pytest.mark.parametrize("status", [403, 404, 407, 503])
@pytest.mark.parametrize("kind", ["html", "empty"])
def test_fault_html_and_empty_allow_any_status(
    simulator: Simulator, client: Client, kind: str, status: int
) -> None:
    simulator.inject(Fault(kind, status=status))
    answer = client.images()
    assert (answer.status, b"error_code" in answer.body) == (status, False)
    assert (answer.headers.get("Content-Type") == "text/html") == (kind == "html")


@pytest.mark.parametrize("envelope", ["modelarts", "legacy", "gateway"])
def test_fault_error_may_omit_code(simulator: Simulator, client: Client, envelope: str) -> None:
    simulator.inject(Fault("error", status=403, code="", message="no", envelope=envelope))
    answer = client.images()
    assert (answer.status, "error_code" in answer.json, "no" in answer.json.values()) == (403, False, True)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("throttle", {}),
        ("error", {"status": 503}),
        ("html", {"status": 503}),
        ("empty", {"status": 503}),
        ("document", {"body": "{}", "status": 503}),
        ("redirect", {"location": "/"}),
    ],
)
@pytest.mark.parametrize(
    ("retry_after", "header"),
    [(20, "20"), ("Sat, 01 Jan 2028 00:00:00 GMT", "Sat, 01 Jan 2028 00:00:00 GMT"), (0, "0"), ("", "")],
    ids=["seconds", "date", "zero", "nothing"],
)
def test_fault_retry_after_is_sent_with_every_error(
    simulator: Simulator, client: Client, kind: str, options: dict[str, Any], retry_after: Any, header: str
) -> None:
    simulator.inject(Fault(kind, retry_after=retry_after, **options))
    answer = client.images()
    assert answer.headers["Retry-After"] == header
    assert "Location" in answer.headers or kind != "redirect"


@pytest.mark.parametrize("status", [200, 204, 503, 599])
def test_fault_empty_returns_status_without_body(simulator: Simulator, client: Client, status: int) -> None:
    """Also an unregistered status."""
    simulator.inject(Fault("empty", status=status))
    answer = client.save()
    assert (answer.status, answer.body) == (status, b"")
    assert last(simulator) == (status, "empty", False, 0)


def test_fault_document_returns_given_json(simulator: Simulator, client: Client) -> None:
    simulator.inject(Fault("document", body='{"id": ["x"]}'), Fault("document", body="", status=418))
    answer = client.save()
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json;charset=utf-8")
    assert answer.json == {"id": ["x"]}
    assert last(simulator) == (200, "document", False, 0)
    answer = client.save()
    assert (answer.status, answer.body) == (418, b"")


@pytest.mark.parametrize("size", [0, 1_000_000])
def test_fault_huge_returns_valid_json_of_given_size(simulator: Simulator, client: Client, size: int) -> None:
    simulator.inject(Fault("huge", size=size))
    answer = client.save()
    assert (answer.status, len(answer.body)) == (200, max(size, 15))
    assert answer.json.keys() == {"padding"}
    assert last(simulator) == (200, "huge", False, 0)


def test_fault_redirect_returns_given_location(simulator: Simulator, client: Client) -> None:
    simulator.inject(Fault("redirect", location="http://127.0.0.1:9/login"))
    answer = client.save()
    assert (answer.status, answer.headers["Location"], answer.body) == (302, "http://127.0.0.1:9/login", b"")
    assert last(simulator) == (302, "redirect", False, 0)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("throttle", {}),
        ("error", {}),
        ("html", {}),
        ("empty", {}),
        ("document", {"body": "{}"}),
        ("huge", {"size": 10}),
        ("redirect", {"location": "/"}),
    ],
)
def test_fault_that_replaces_response_may_take_effect(
    simulator: Simulator, client: Client, kind: str, options: dict[str, Any]
) -> None:
    simulator.inject(Fault(kind, takes_effect=True, **options))
    client.save()
    assert last(simulator)[1:] == (kind, True, 1)


def test_fault_torn_sends_half_of_response(simulator: Simulator, client: Client) -> None:
    simulator.inject(Fault("torn"))
    with pytest.raises(http.client.IncompleteRead) as caught:
        client.save()
    assert len(caught.value.partial) == pytest.approx(caught.value.expected, abs=1)
    assert last(simulator) == (200, "torn", True, 1)


def test_fault_garbage_returns_invalid_json(simulator: Simulator, client: Client) -> None:
    simulator.inject(Fault("garbage"))
    answer = client.save()
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        _ = answer.json
    assert answer.status == 200
    assert last(simulator) == (200, "garbage", True, 1)


def test_fault_slow_delays_response(simulator: Simulator, client: Client) -> None:
    simulator.inject(Fault("slow", seconds=0.05))
    begun = time.monotonic()
    assert client.save().status == 200
    assert time.monotonic() - begun >= 0.05
    assert last(simulator) == (200, "slow", True, 1)


@pytest.mark.parametrize(("kind", "saves"), [("reset", 0), ("reset_after", 1)])
def test_fault_reset_closes_connection_before_or_after_effect(
    simulator: Simulator, client: Client, kind: str, saves: int
) -> None:
    simulator.inject(Fault(kind))
    with pytest.raises(ConnectionResetError):
        client.save()
    assert last(simulator) == (None, kind, bool(saves), saves)


def test_fault_failing_save_is_used_by_saves_only(simulator: Simulator, client: Client) -> None:
    """Reads and refused saves leave it, and it is added to another fault."""
    simulator.inject(Fault("save_fails", message="too large"), Fault("torn", operation="CreateImage", skip=1))
    client.images()
    client.save(name="-refused-")
    with pytest.raises(http.client.IncompleteRead):
        client.save()
    image_id = simulator.images[0]["id"]
    images = [client.image(image_id).json for _ in range(2)]
    assert (images[-1]["status"], images[-1]["status_message"]) == ("CREATE_FAILED", "too large")


def test_fault_failing_save_is_in_request_log(simulator: Simulator, client: Client) -> None:
    simulator.inject(Fault("save_fails"))
    assert client.save().json["status"] == "INIT"
    assert last(simulator) == (200, "save_fails", True, 1)


def test_faults_happen_in_order_and_are_used_up(simulator: Simulator, client: Client) -> None:
    """``times`` and ``skip`` count only requests that reach the fault."""
    simulator.inject(
        Fault("empty", status=500, times=2),
        Fault("empty", "ListImages", status=501, skip=1),
        Fault("empty", "ShowNotebook", status=502),
        Fault("empty", "ListImages", status=503, times=None, skip=2),
    )
    statuses = [client.images().status for _ in range(7)]
    assert statuses == [500, 500, 200, 501, 200, 503, 503]
    assert [client.notebook().status for _ in range(2)] == [502, 200]


def test_fault_precedes_signature_check(simulator: Simulator, client: Client) -> None:
    """A throttled request does not count as a wrong signature."""
    simulator.inject(Fault("throttle", times=9))
    right, client.secret_key = client.secret_key, "wrong"
    assert {client.images().status for _ in range(9)} == {429}
    client.secret_key = right
    assert client.images().status == 200


def test_fault_with_star_applies_to_unknown_apis(simulator: Simulator, client: Client) -> None:
    simulator.inject(Fault("empty", status=503))
    assert client.call("GET", "/nothing").status == 503


def drawn(queue: FaultQueue, requests: int = 2000) -> list[bool]:
    """Return for each request whether a fault happened to it."""
    return [queue.take("ShowImage") is not None for _ in range(requests)]


def test_fault_chance_is_share_of_requests() -> None:
    queue = FaultQueue(seed=1)
    queue.add(Fault("reset", times=None, chance=0.05))
    assert sum(drawn(queue)) == pytest.approx(100, abs=30)


def test_fault_seed_determines_chance() -> None:
    """Clearing the faults restarts it."""
    fault = Fault("reset", times=None, chance=0.5)
    one, same, other = FaultQueue(seed=1), FaultQueue(seed=1), FaultQueue(seed=2)
    for queue in (one, same, other):
        queue.add(fault)
    first = drawn(one)
    assert first == drawn(same)
    assert first != drawn(other)
    one.clear()
    one.add(fault)
    assert first == drawn(one)


def test_fault_chance_of_one_always_happens() -> None:
    queue = FaultQueue()
    queue.add(Fault("reset", times=3, chance=1))
    assert drawn(queue, 5) == [True, True, True, False, False]


def test_fault_not_drawn_leaves_request_to_next_fault() -> None:
    """And does not count as one of its ``times``."""
    queue = FaultQueue(seed=1)
    queue.add(Fault("torn", times=2, chance=0.5))
    queue.add(Fault("reset", times=None))
    kinds = [fault.kind for _ in range(20) if (fault := queue.take("ShowImage"))]
    assert len(kinds) == 20
    assert kinds.count("torn") == 2
    assert "reset" in kinds[: kinds.index("torn", kinds.index("torn") + 1)]


def test_fault_chance_restarts_with_reset(start: Start) -> None:
    simulator, client = start(seed=7)
    seen = []
    for _ in range(2):
        simulator.inject(Fault("empty", status=503, times=None, chance=0.5))
        seen.append([client.images().status for _ in range(20)])
        simulator.reset()
    assert seen[0] == seen[1]
    assert set(seen[0]) == {200, 503}


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"kind": "earthquake"}, "unknown fault kind 'earthquake'"),
        ({"kind": "reset", "operation": "MakeImage"}, "unknown operation 'MakeImage'"),
        ({"kind": "save_fails", "operation": "ShowImage"}, "only to CreateImage"),
        ({"kind": "reset", "times": 0}, "times must be at least 1"),
        ({"kind": "reset", "skip": -1}, "skip at least 0"),
        ({"kind": "reset", "chance": 0}, "chance must be above 0"),
        ({"kind": "reset", "chance": 1.1}, "at most 1"),
        ({"kind": "reset", "chance": float("nan")}, "at most 1"),
        ({"kind": "error", "envelope": "paper"}, "unknown envelope 'paper'"),
        ({"kind": "redirect"}, "needs a location"),
        ({"kind": "document"}, "needs a body"),
        ({"kind": "torn", "status": 500}, "'status' does not apply to the fault 'torn'"),
        ({"kind": "reset", "takes_effect": True}, "'takes_effect' does not apply to the fault 'reset'"),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else None,
)
def test_invalid_fault_is_rejected(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Fault(**options)
