"""Who is let in with a token instead of a signature."""

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
def test_token_of_the_project_is_let_in(simulator: Simulator, client: Client, by: str) -> None:
    """The default project is named after its region."""
    extra = simulator.connection["extra"]
    token = client.token({"project": {by: extra["project_id"] if by == "id" else extra["region"]}})
    save = f"{client.project}/notebooks/{client.notebook_id}/create-image"
    body = {"name": "research", "namespace": "team"}
    assert client.call_unsigned("POST", save, body, {"X-Auth-Token": token}).status == 200
    assert images(client, token).json["total"] == simulator.saves == 1


def test_token_lives_for_a_day(simulator: Simulator, client: Client) -> None:
    """Expiry has a code of ModelArts' own, and a new login helps."""
    token = client.token()
    simulator.advance(86_390)
    assert images(client, token).status == 200
    simulator.advance(20)
    assert images(client, token).error == (401, "ModelArts.0202")
    assert images(client, client.token()).status == 200


def test_lifetime_can_be_chosen(start: Start) -> None:
    """A short one for tests of renewal."""
    simulator, client = start(token_lifetime=60)
    token = client.token()
    simulator.advance(61)
    assert images(client, token).error == (401, "ModelArts.0202")


def test_unknown_token_cannot_be_decrypted(simulator: Simulator, client: Client) -> None:
    """So says the gateway, also of a token from before a reset."""
    forgotten = client.token()
    simulator.reset()
    for token in ("MIIunknown", "", forgotten):
        answer = images(client, token)
        assert answer.error == (401, "APIGW.0301")
        assert answer.json["error_msg"].endswith(": decrypt token fail")


def test_revoked_token_must_be_updated(simulator: Simulator, client: Client) -> None:
    """What a change of the password does; tokens made afterwards are good."""
    token = client.token()
    simulator.revoke_tokens()
    assert images(client, token).error == (401, "APIGW.0307")
    assert images(client, client.token()).status == 200


def test_new_token_leaves_the_old_one_valid(client: Client) -> None:
    """As the page says."""
    tokens = [client.token() for _ in range(3)]
    assert len(set(tokens)) == 3
    assert [images(client, token).status for token in tokens] == [200, 200, 200]


@pytest.mark.parametrize(
    "scope", [{}, {"domain": {"name": "research-account"}}], ids=["no-scope", "domain-scope"]
)
def test_token_without_a_project_is_of_no_use(client: Client, scope: object) -> None:
    """It is one for global services."""
    assert images(client, client.token(scope)).error == (401, "ModelArts.0212")


def test_token_of_another_project_is_refused(simulator: Simulator, client: Client) -> None:
    """It acts in its own only, and no other token acts there."""
    project_id = simulator.add_project("cn-north-4_team")
    token = client.token({"project": {"name": "cn-north-4_team"}})
    assert images(client, token).error == (403, "ModelArts.0210")
    home = client.token()
    client.project = f"/v1/{project_id}"
    assert images(client, token).status == 200
    assert images(client, home).error == (403, "ModelArts.0210")


def test_signature_goes_before_a_token(client: Client) -> None:
    """A wrong signature is not healed by a token."""
    headers = {"X-Auth-Token": client.token()}
    assert client.call("GET", "/images", headers={"X-Auth-Token": "unknown"}).status == 200
    client.secret_key = "wrong"
    assert client.call("GET", "/images", headers=headers).error == (401, "APIGW.0301")


def test_fault_stands_before_the_token_check(simulator: Simulator, client: Client) -> None:
    """As before that of signatures."""
    simulator.inject(Fault("throttle", "ListImages"))
    assert images(client, "unknown").status == 429
