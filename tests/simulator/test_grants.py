"""Each action of the user, granted and denied."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_modelarts.simulator import Fault, Simulator
from airflow_provider_modelarts.simulator.grants import ACTIONS

if TYPE_CHECKING:
    from tests.simulator.conftest import Answer, Client, Start

REPOSITORY = "/v2/manage/namespaces/team/repos/research"
REQUESTS: dict[str, Callable[[Client], Answer]] = {
    "CreateImage": lambda client: client.save(),
    "ShowImage": lambda client: client.image("x"),
    "ListImages": lambda client: client.images(),
    "DeleteImage": lambda client: client.delete("x"),
    "RegisterImage": lambda client: client.call("POST", "/images", body={"swr_path": "swr/a/b:c"}),
    "ShowNotebook": lambda client: client.notebook(),
    "StartNotebook": lambda client: client.call("POST", f"/notebooks/{client.notebook_id}/start"),
    "StopNotebook": lambda client: client.call("POST", f"/notebooks/{client.notebook_id}/stop"),
    "RenewLease": lambda client: client.call("PATCH", f"/notebooks/{client.notebook_id}/lease"),
    "UpdateNotebook": lambda client: client.call("PUT", f"/notebooks/{client.notebook_id}"),
    "ListNotebooks": lambda client: client.notebooks(),
    "ListAllNotebooks": lambda client: client.call("GET", "/notebooks/all"),
    "ListRepositoryTags": lambda client: client.call_signed("GET", f"{REPOSITORY}/tags"),
    "CreateRepoTag": lambda client: client.call_signed("POST", f"{REPOSITORY}/tags"),
    "DeleteRepoTag": lambda client: client.call_signed("DELETE", f"{REPOSITORY}/tags/v1"),
    "ListRetentions": lambda client: client.call_signed("GET", f"{REPOSITORY}/retentions"),
    "ListProjects": lambda client: client.call_signed("GET", "/v3/projects"),
}
NEEDS = [
    pytest.param(operation, action, id=f"{operation} {action}")
    for operation, actions in ACTIONS.items()
    for action in actions
]


def test_grants_include_every_operation_of_these_tests() -> None:
    assert REQUESTS.keys() == ACTIONS.keys()


@pytest.mark.parametrize(("operation", "action"), NEEDS)
def test_operation_is_denied_without_one_of_its_actions(start: Start, operation: str, action: str) -> None:
    simulator, client = start(grants=ACTIONS[operation])
    assert REQUESTS[operation](client).status != 403
    simulator.reset()
    simulator.revoke(action)

    refused = REQUESTS[operation](client)

    assert refused.status == 403
    assert action in refused.body.decode()
    assert (simulator.journal[-1].status, simulator.saves) == (403, 0)
    simulator.grant(action)
    assert REQUESTS[operation](client).status != 403


@pytest.mark.parametrize("operation", REQUESTS)
def test_operation_is_denied_when_nothing_is_granted(start: Start, operation: str) -> None:
    _, client = start(grants=())
    assert REQUESTS[operation](client).status == 403


@pytest.mark.parametrize("operation", REQUESTS)
def test_operation_is_allowed_by_default(client: Client, operation: str) -> None:
    assert REQUESTS[operation](client).status != 403


def test_grant_with_wildcard_covers_its_actions(start: Start) -> None:
    """A later word may remove a part."""
    simulator, client = start(grants=["modelarts:image:*"])
    assert [client.images().status, client.notebook().status] == [200, 403]
    simulator.revoke("modelarts:*:*")
    simulator.grant("modelarts:notebook:get")
    assert [client.images().status, client.notebook().status] == [403, 200]


def test_reset_restores_first_grants(start: Start) -> None:
    simulator, client = start(grants=["modelarts:image:list"])
    simulator.revoke("modelarts:image:list")
    simulator.grant("modelarts:notebook:get")
    simulator.reset()
    assert [client.images().status, client.notebook().status] == [200, 403]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({}, (403, "ModelArts.0108")),
        ({"denied_code": "ModelArts.0112", "denied_status": 401}, (401, "ModelArts.0112")),
        ({"denied_code": "ModelArts.6407", "denied_status": 400}, (400, "ModelArts.6407")),
        ({"denied_code": "APIGW.0302"}, (403, "APIGW.0302")),
    ],
    ids=str,
)
def test_denial_has_chosen_code(start: Start, options: dict[str, Any], error: tuple[int, str]) -> None:
    """The documents have several."""
    _, client = start(grants=(), **options)
    assert client.images().error == error


def test_denial_follows_credentials_and_precedes_validation(start: Start) -> None:
    _, client = start(grants=())
    assert client.save(name=1).error == (403, "ModelArts.0108")
    client.secret_key = "wrong"
    assert client.save().error == (401, "APIGW.0301")


def test_fault_precedes_denial(start: Start) -> None:
    simulator, client = start(grants=())
    simulator.inject(Fault("throttle"))
    assert [client.images().status, client.images().status] == [429, 403]


def test_denial_by_iam_has_its_envelope(start: Start) -> None:
    _, client = start(grants=())
    answer = client.call_signed("GET", "/v3/projects")
    assert (answer.status, answer.json["error"]["title"]) == (403, "Forbidden")


def test_control_changes_grants(client: Client) -> None:
    assert client.control("POST", "grants", {"revoke": ["modelarts:image:list"]}).status == 200
    assert client.images().status == 403
    assert client.control("POST", "grants", {"grant": ["modelarts:image:list"]}).status == 200
    assert client.images().status == 200


@pytest.mark.parametrize("body", [{"grant": "all"}, {"grant": [1]}, {"revoke": ["x"]}, {"take": []}], ids=str)
def test_control_rejects_invalid_grants(client: Client, body: object) -> None:
    assert client.control("POST", "grants", body).status == 400
    assert client.images().status == 200


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"grants": ["image:list"]}, "no action 'image:list'"),
        ({"grants": "modelarts:image:list"}, "no action 'm'"),
        ({"denied_code": "ModelArts.6404"}, "unknown code of a denial"),
        ({"denied_status": 500}, "unknown status of a denial"),
    ],
    ids=str,
)
def test_invalid_grants_are_rejected(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Simulator(**options)
