"""The ECS metadata service: with and without tokens, and without an agency."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_modelarts.simulator import Fault, Simulator

if TYPE_CHECKING:
    from tests.simulator.conftest import Answer, Client, Start

KEYS = "/openstack/latest/securitykey"
TOKENS = "/meta-data/latest/api/token"


def keys(client: Client, token: str | None = None) -> Answer:
    """Request keys."""
    headers = {} if token is None else {"X-Metadata-Token": token}
    return client.call_unsigned("GET", KEYS, headers=headers)


def new_token(client: Client, lifetime: object = 21_600) -> Answer:
    """Request a token."""
    headers = {} if lifetime is None else {"X-Metadata-Token-Ttl-Seconds": str(lifetime)}
    return client.call_unsigned("PUT", TOKENS, headers=headers)


def test_metadata_returns_keys_without_token(simulator: Simulator, client: Client) -> None:
    """New ones each time; a token that is sent does no harm."""
    answers = [keys(client), keys(client), keys(client, "anything")]
    credentials = [answer.json["credential"] for answer in answers]
    assert {answer.status for answer in answers} == {200}
    assert credentials[0].keys() == {"access", "secret", "securitytoken", "expires_at"}
    assert len({credential["secret"] for credential in credentials}) == 3
    assert new_token(client).status == 404
    assert {entry.operation for entry in simulator.journal} == {"ShowSecurityKey", "CreateMetadataToken"}


def test_metadata_may_require_token(start: Start) -> None:
    _, client = start(metadata="token")
    answer = new_token(client)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/plain")
    assert [keys(client).status, keys(client, "unknown").status] == [401, 401]
    assert keys(client, answer.body.decode()).status == 200


def test_metadata_token_expires(start: Start) -> None:
    simulator, client = start(metadata="token")
    token = new_token(client, 60).body.decode()
    simulator.advance(55)
    assert keys(client, token).status == 200
    simulator.advance(10)
    assert keys(client, token).status == 401


def test_metadata_token_may_be_revoked(start: Start) -> None:
    simulator, client = start(metadata="token")
    for take_back in (simulator.revoke_tokens, simulator.reset):
        token = new_token(client).body.decode()
        assert keys(client, token).status == 200
        take_back()
        assert keys(client, token).status == 401


@pytest.mark.parametrize("lifetime", [None, "", 0, -1, 21_601, "1h"])
def test_metadata_token_lifetime_is_at_most_six_hours(start: Start, lifetime: object) -> None:
    _, client = start(metadata="token")
    assert new_token(client, lifetime).status == 400


def test_metadata_token_is_no_iam_token(start: Start) -> None:
    _, client = start(metadata="token")
    headers = {"X-Auth-Token": new_token(client).body.decode()}
    answer = client.call_unsigned("GET", f"{client.project}/images", headers=headers)
    assert answer.error == (401, "APIGW.0301")
    assert keys(client, client.token()).status == 401


def test_metadata_without_agency_is_not_found(start: Start) -> None:
    _, client = start(metadata="off")
    assert [keys(client).status, new_token(client).status] == [404, 404]


def test_metadata_faults_use_names_of_its_operations(simulator: Simulator, client: Client) -> None:
    simulator.inject(Fault("empty", "ShowSecurityKey", status=503), Fault("reset", "CreateMetadataToken"))
    assert [keys(client).status, keys(client).status] == [503, 200]
    with pytest.raises(ConnectionResetError):
        new_token(client)
