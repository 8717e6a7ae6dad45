"""The metadata service of a machine with an agency, with tokens, without them, and without an agency."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_modelarts.simulator import Fault, Simulator

if TYPE_CHECKING:
    from tests.simulator.conftest import Answer, Client, Start

KEYS = "/openstack/latest/securitykey"
TOKENS = "/meta-data/latest/api/token"


def keys(client: Client, token: str | None = None) -> Answer:
    """Ask for keys."""
    headers = {} if token is None else {"X-Metadata-Token": token}
    return client.call_unsigned("GET", KEYS, headers=headers)


def new_token(client: Client, lifetime: object = 21_600) -> Answer:
    """Ask for a token."""
    headers = {} if lifetime is None else {"X-Metadata-Token-Ttl-Seconds": str(lifetime)}
    return client.call_unsigned("PUT", TOKENS, headers=headers)


def test_keys_are_given_to_anybody(simulator: Simulator, client: Client) -> None:
    """New ones each time; there are no tokens, and one that is sent does no harm."""
    answers = [keys(client), keys(client), keys(client, "anything")]
    credentials = [answer.json["credential"] for answer in answers]
    assert {answer.status for answer in answers} == {200}
    assert credentials[0].keys() == {"access", "secret", "securitytoken", "expires_at"}
    assert len({credential["secret"] for credential in credentials}) == 3
    assert new_token(client).status == 404
    assert {entry.operation for entry in simulator.journal} == {"ShowSecurityKey", "CreateMetadataToken"}


def test_keys_can_cost_a_token(start: Start) -> None:
    """Which is plain text."""
    _, client = start(metadata="token")
    answer = new_token(client)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/plain")
    assert [keys(client).status, keys(client, "unknown").status] == [401, 401]
    assert keys(client, answer.body.decode()).status == 200


def test_token_of_a_machine_expires(start: Start) -> None:
    """After as many seconds as were asked for."""
    simulator, client = start(metadata="token")
    token = new_token(client, 60).body.decode()
    simulator.advance(55)
    assert keys(client, token).status == 200
    simulator.advance(10)
    assert keys(client, token).status == 401


def test_token_of_a_machine_can_be_taken_back(start: Start) -> None:
    """With all others, and by a reset."""
    simulator, client = start(metadata="token")
    for take_back in (simulator.revoke_tokens, simulator.reset):
        token = new_token(client).body.decode()
        assert keys(client, token).status == 200
        take_back()
        assert keys(client, token).status == 401


@pytest.mark.parametrize("lifetime", [None, "", 0, -1, 21_601, "1h"])
def test_lifetime_of_a_token_is_at_most_six_hours(start: Start, lifetime: object) -> None:
    """And it has to be given."""
    _, client = start(metadata="token")
    assert new_token(client, lifetime).status == 400


def test_tokens_are_not_those_of_iam(start: Start) -> None:
    """Neither opens the other's door."""
    _, client = start(metadata="token")
    headers = {"X-Auth-Token": new_token(client).body.decode()}
    answer = client.call_unsigned("GET", f"{client.project}/images", headers=headers)
    assert answer.error == (401, "APIGW.0301")
    assert keys(client, client.token()).status == 401


def test_machine_may_have_no_agency(start: Start) -> None:
    """Then there is nothing at either address."""
    _, client = start(metadata="off")
    assert [keys(client).status, new_token(client).status] == [404, 404]


def test_metadata_service_can_fail(simulator: Simulator, client: Client) -> None:
    """By the names of its operations."""
    simulator.inject(Fault("empty", "ShowSecurityKey", status=503), Fault("reset", "CreateMetadataToken"))
    assert [keys(client).status, keys(client).status] == [503, 200]
    with pytest.raises(ConnectionResetError):
        new_token(client)
