"""Requests with a token instead of a signature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_modelarts.simulator import Fault, Simulator

if TYPE_CHECKING:
    from tests.simulator.conftest import Answer, Client, Start


def images(client: Client, token: str) -> Answer:
    """List images with a token."""
    target = f"{client.project}/images?type=DEDICATED"
    return client.call_unsigned("GET", target, headers={"X-Auth-Token": token})


@pytest.mark.parametrize("by", ["id", "name"])
def test_token_of_project_is_accepted(simulator: Simulator, client: Client, by: str) -> None:
    extra = simulator.connection["extra"]
    token = client.token({"project": {by: extra["project_id"] if by == "id" else extra["region"]}})
    save = f"{client.project}/notebooks/{client.notebook_id}/create-image"
    body = {"name": "research", "namespace": "team"}
    assert client.call_unsigned("POST", save, body, {"X-Auth-Token": token}).status == 200
    assert images(client, token).json["total"] == simulator.saves == 1


def test_token_expires_after_a_day(simulator: Simulator, client: Client) -> None:
    token = client.token()
    simulator.advance(86_390)
    assert images(client, token).status == 200
    simulator.advance(20)
    assert images(client, token).error == (401, "ModelArts.0202")
    assert images(client, client.token()).status == 200


def test_token_lifetime_may_be_chosen(start: Start) -> None:
    simulator, client = start(token_lifetime=60)
    token = client.token()
    simulator.advance(61)
    assert images(client, token).error == (401, "ModelArts.0202")


def test_unknown_token_is_refused(simulator: Simulator, client: Client) -> None:
    """Also one from before a reset."""
    forgotten = client.token()
    simulator.reset()
    for token in ("MIIunknown", "", forgotten):
        answer = images(client, token)
        assert answer.error == (401, "APIGW.0301")
        assert answer.json["error_msg"].endswith(": decrypt token fail")


def test_revoked_token_is_refused(simulator: Simulator, client: Client) -> None:
    """As after a change of the password; later tokens are accepted."""
    token = client.token()
    simulator.revoke_tokens()
    assert images(client, token).error == (401, "APIGW.0307")
    assert images(client, client.token()).status == 200


def test_new_token_leaves_old_one_valid(client: Client) -> None:
    """As the page says."""
    tokens = [client.token() for _ in range(3)]
    assert len(set(tokens)) == 3
    assert [images(client, token).status for token in tokens] == [200, 200, 200]


@pytest.mark.parametrize(
    "scope", [{}, {"domain": {"name": "research-account"}}], ids=["no-scope", "domain-scope"]
)
def test_token_without_project_is_refused(client: Client, scope: object) -> None:
    assert images(client, client.token(scope)).error == (401, "ModelArts.0212")


def test_token_of_another_project_is_refused(simulator: Simulator, client: Client) -> None:
    project_id = simulator.add_project("cn-north-4_team")
    token = client.token({"project": {"name": "cn-north-4_team"}})
    assert images(client, token).error == (403, "ModelArts.0210")
    home = client.token()
    client.project = f"/v1/{project_id}"
    assert images(client, token).status == 200
    assert images(client, home).error == (403, "ModelArts.0210")


def test_signature_is_checked_before_token(client: Client) -> None:
    headers = {"X-Auth-Token": client.token()}
    assert client.call("GET", "/images", headers={"X-Auth-Token": "unknown"}).status == 200
    client.secret_key = "wrong"
    assert client.call("GET", "/images", headers=headers).error == (401, "APIGW.0301")


def test_fault_precedes_token_check(simulator: Simulator, client: Client) -> None:
    simulator.inject(Fault("throttle", "ListImages"))
    assert images(client, "unknown").status == 429
