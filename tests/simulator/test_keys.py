"""Temporary keys, rotated keys, and the list of all secrets."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from airflow_provider_modelarts.simulator import Simulator

if TYPE_CHECKING:
    from tests.simulator.conftest import Answer, Client, Start


def of_the_machine(client: Client) -> dict[str, str]:
    """Get keys from the metadata service."""
    credential: dict[str, str] = client.call_unsigned("GET", "/openstack/latest/securitykey").json[
        "credential"
    ]
    return credential


def of_the_agency(client: Client, headers: dict[str, str] | None = None) -> dict[str, str]:
    """Get keys from IAM."""
    assume_role = {"agency_name": "snapshot-agency", "domain_name": "research-account"}
    body = {"auth": {"identity": {"methods": ["assume_role"], "assume_role": assume_role}}}
    answer = client.call_signed("POST", "/v3.0/OS-CREDENTIAL/securitytokens", None, body, headers)
    credential: dict[str, str] = answer.json["credential"]
    return credential


def take(client: Client, credential: dict[str, str]) -> dict[str, str]:
    """Let the client sign with these keys; give the header that goes with them."""
    client.access_key, client.secret_key = credential["access"], credential["secret"]
    return {"X-Security-Token": credential["securitytoken"]}


def images(client: Client, headers: dict[str, str]) -> Answer:
    """List images."""
    return client.call("GET", "/images", headers=headers)


@pytest.mark.parametrize(
    ("source", "lifetime"), [(of_the_machine, 3600), (of_the_agency, 900)], ids=["machine", "agency"]
)
def test_temporary_keys_sign_until_they_expire(
    simulator: Simulator, client: Client, source: Callable[[Client], dict[str, str]], lifetime: int
) -> None:
    headers = take(client, source(client))
    simulator.advance(lifetime - 10)
    assert images(client, headers).status == 200
    simulator.advance(20)
    answer = images(client, headers)
    assert answer.error == (401, "APIGW.0301")
    assert answer.json["error_msg"] == "Incorrect IAM authentication information: token expires"


@pytest.mark.parametrize("source", [of_the_machine, of_the_agency], ids=["machine", "agency"])
def test_temporary_keys_may_be_revoked(
    simulator: Simulator, client: Client, source: Callable[[Client], dict[str, str]]
) -> None:
    own = {"access": client.access_key, "secret": client.secret_key}
    for take_back in (simulator.revoke_keys, simulator.reset):
        headers = take(client, source(client))
        assert images(client, headers).status == 200
        take_back()
        assert "ak not exist" in images(client, headers).json["error_msg"]
        client.access_key, client.secret_key = own["access"], own["secret"]
        assert client.images().status == 200


def test_temporary_keys_need_their_own_token(client: Client) -> None:
    another = of_the_machine(client)["securitytoken"]
    take(client, of_the_machine(client))
    for headers in ({}, {"X-Security-Token": another}):
        assert "does not belong" in images(client, headers).json["error_msg"]


def test_security_token_must_be_signed(client: Client) -> None:
    headers = take(client, of_the_machine(client))
    request = client.signed("GET", f"{client.project}/images")
    answer = client.send("GET", request.uri, None, request.header_params | headers)
    assert answer.json["error_msg"].endswith("verify aksk signature fail")


def test_temporary_keys_may_assume_agency(client: Client) -> None:
    """Keys of a host lead to those of another account."""
    headers = take(client, of_the_machine(client))
    headers = take(client, of_the_agency(client, headers))
    assert images(client, headers).status == 200
    assert client.call_signed("GET", "/v3/projects", headers=headers).status == 200


def test_each_key_is_locked_separately(client: Client) -> None:
    right = {"access": client.access_key, "secret": client.secret_key}
    credential = of_the_machine(client)
    headers = take(client, credential | {"secret": "wrong"})
    for _ in range(5):
        assert images(client, headers).status == 401
    take(client, credential)
    assert images(client, headers).json["error_msg"].endswith("forbidden")
    client.access_key, client.secret_key = right["access"], right["secret"]
    assert client.images().status == 200


def test_lifetime_of_ecs_keys_may_be_chosen(start: Start) -> None:
    _, client = start(key_lifetime=0)
    headers = take(client, of_the_machine(client))
    assert images(client, headers).json["error_msg"].endswith("token expires")


def test_keys_of_user_may_be_rotated(simulator: Simulator, client: Client) -> None:
    old = simulator.connection
    simulator.rotate_keys("NEWKEY", "new-secret")
    assert "ak not exist" in client.images().json["error_msg"]
    assert simulator.connection == old | {"login": "NEWKEY", "password": "new-secret"}
    client.access_key, client.secret_key = "NEWKEY", "new-secret"
    assert client.images().status == 200
    simulator.reset()
    assert simulator.connection == old


def test_secrets_lists_every_secret(start: Start) -> None:
    """Those that are no longer valid included."""
    simulator, client = start(secret_key="first-secret", user_password="p", metadata="token")
    simulator.add_notebook("n-1")
    notebooks = [notebook["token"] for notebook in client.notebooks().json["data"]]
    machine_token = client.call_unsigned(
        "PUT", "/meta-data/latest/api/token", headers={"X-Metadata-Token-Ttl-Seconds": "60"}
    ).body.decode()
    credential = client.call_unsigned(
        "GET", "/openstack/latest/securitykey", headers={"X-Metadata-Token": machine_token}
    ).json["credential"]
    agency = of_the_agency(client)
    token = client.log_in(password="p").headers["X-Subject-Token"]
    simulator.rotate_keys("NEWKEY", "second-secret")
    simulator.reset()
    expected = ["first-secret", "second-secret", "p", *notebooks, machine_token, token]
    for pair in (credential, agency):
        expected += [pair["secret"], pair["securitytoken"]]
    assert sorted(simulator.secrets) == sorted(expected)


def test_secrets_lists_security_token_of_start(start: Start) -> None:
    simulator, _ = start(security_token="given")
    assert "given" in simulator.secrets
