"""A poll whose response has the same body as the last one, which is not parsed again."""

from __future__ import annotations

import pytest

from airflow_provider_modelarts.client.client import NO_RETRY, ModelArtsClient
from airflow_provider_modelarts.client.http_types import Operation, Response
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.polled_resources import IMAGES
from airflow_provider_modelarts.exceptions import ModelArtsError
from tests.client.fake_transport import IMAGE_ID, FakeTransport, image, modelarts, reply, run

REFUSED = reply({"error_code": "ModelArts.0010", "error_msg": "internal"}, status=500)
EMPTY = Response(200, {"content-type": "application/json"}, b"")


def outcome(client: ModelArtsClient, operation: Operation[Image]) -> Image | ModelArtsError:
    """Send an operation once, and return its result or error."""
    try:
        return run(client.call(operation, deadline=NO_RETRY))
    except ModelArtsError as error:
        return error


@pytest.mark.parametrize(
    ("responses", "expected"),
    [
        pytest.param([image("CREATING"), image("CREATING")], ["CREATING", "same"], id="same body"),
        pytest.param([image("CREATING"), image("ACTIVE")], ["CREATING", "ACTIVE"], id="changed body"),
        pytest.param(
            [image("CREATING"), REFUSED, image("CREATING")],
            ["CREATING", "ServerError", "same"],
            id="an error between",
        ),
        pytest.param([REFUSED, REFUSED], ["ServerError", "ServerError"], id="the same error twice"),
        pytest.param(
            [EMPTY, EMPTY, image("ACTIVE")],
            ["InvalidResponseError", "InvalidResponseError", "ACTIVE"],
            id="no body",
        ),
        pytest.param(
            [image("CREATING"), reply({"id": IMAGE_ID, "status": "CREATING"}, status=404)],
            ["CREATING", "ApiError"],
            id="an error with the same body",
        ),
    ],
)
def test_session_reuses_result_when_body_is_the_same(responses: list[Response], expected: list[str]) -> None:
    operation = IMAGES.show(IMAGE_ID)
    client = modelarts(FakeTransport(*responses))
    results = [outcome(client, operation) for _ in responses]
    statuses = [r.status if isinstance(r, Image) else type(r).__name__ for r in results]
    first = results[0]
    outcomes = [
        "same" if number and result is first else status
        for number, (result, status) in enumerate(zip(results, statuses, strict=True))
    ]
    assert outcomes == expected


def test_session_parses_again_when_operation_is_another() -> None:
    client = modelarts(FakeTransport(image("CREATING")))
    first, second = (outcome(client, IMAGES.show(IMAGE_ID)) for _ in range(2))
    assert first == second
    assert first is not second


def test_session_sends_a_repeated_operation_to_its_own_project() -> None:
    """Although its last request, which went to another one, is kept."""
    operation = IMAGES.show(IMAGE_ID)
    transport = FakeTransport(*[image("CREATING")] * 4)
    clients = [modelarts(transport, project_id=project) for project in ("p1", "p2")]
    for client in [clients[0], clients[1], clients[1], clients[0]]:
        outcome(client, operation)
    sent = [(request.url.split("/")[4], request.headers["X-Project-Id"]) for request in transport.requests]
    assert sent == [("p1", "p1"), ("p2", "p2"), ("p2", "p2"), ("p1", "p1")]
