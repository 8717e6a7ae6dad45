"""Tokens, keys and ids of IAM and the metadata service that no header can contain."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.client import NO_RETRY, ModelArtsClient
from airflow_provider_modelarts.client.credentials import (
    AccessKeyCredentials,
    Credentials,
    EcsAgencyCredentials,
    PasswordCredentials,
)
from airflow_provider_modelarts.client.http_types import Response
from airflow_provider_modelarts.client.session import Project
from airflow_provider_modelarts.exceptions import InvalidResponseError
from tests.client.fake_transport import ENDPOINT, IMAGE_ID, FakeTransport, image, reply, run

IAM = "https://iam.example.com"
EXPIRY = "2030-01-01T00:00:00.000000Z"


def keys(**fields: str) -> Response:
    return reply(
        {"credential": {"access": "AK", "secret": "S", "securitytoken": "T", "expires_at": EXPIRY, **fields}}
    )


def token(value: str, project_id: str = "p1") -> Response:
    body = {"token": {"expires_at": EXPIRY, "project": {"id": project_id}}}
    return Response(201, {"x-subject-token": value}, json.dumps(body).encode())


def projects(*ids: str) -> Response:
    return reply({"projects": [{"id": project_id, "name": "team"} for project_id in ids]})


def password() -> Credentials:
    return PasswordCredentials(
        endpoint=IAM, user_name="u", password="p", domain_name="d", project={"name": "team"}
    )


def access_key() -> Credentials:
    return AccessKeyCredentials("AK", "SK")


def client(credentials: Credentials, transport: FakeTransport) -> ModelArtsClient:
    return ModelArtsClient(
        endpoint=ENDPOINT,
        project=Project("p1" if isinstance(credentials, EcsAgencyCredentials) else None, "team", IAM),
        credentials=credentials,
        transport=transport,
        clock=transport,
        random=Random(1),
    )


METADATA_TOKEN = reply(b"metadata-token")
PAGE = b"<html>\n<body>hidden</body></html>"


@pytest.mark.parametrize(
    ("make", "bad", "good"),
    [
        pytest.param(EcsAgencyCredentials, [reply(PAGE)], [METADATA_TOKEN, keys()], id="page as token"),
        *(
            pytest.param(
                EcsAgencyCredentials,
                [METADATA_TOKEN, keys(**{field: "hidden\nx"})],
                [METADATA_TOKEN, keys()],
                id=field,
            )
            for field in ("access", "securitytoken")
        ),
        pytest.param(password, [token("hidden\udce9")], [token("good")], id="token"),
        pytest.param(password, [token("hidden \x0b x")], [token("good")], id="token with control character"),
        pytest.param(password, [token("good", "hidden\n1")], [token("good")], id="project of token"),
        pytest.param(access_key, [projects("hidden\n1")], [projects("p1")], id="project"),
    ],
)
def test_value_that_no_header_can_contain_is_an_invalid_response(
    make: Any, bad: list[Response], good: list[Response]
) -> None:
    """Kept, it would fail every call of the process until it expires, as a fault of the connection."""
    transport = FakeTransport(*bad, *good, image("ACTIVE"))
    modelarts = client(make(), transport)

    with pytest.raises(InvalidResponseError) as caught:
        run(modelarts.call(operations.show_image(IMAGE_ID), deadline=NO_RETRY))

    assert caught.value.is_transient
    assert not caught.value.may_have_been_processed
    assert "hidden" not in str(caught.value)
    assert run(modelarts.call(operations.show_image(IMAGE_ID), deadline=NO_RETRY)).is_active


@pytest.mark.parametrize(
    ("make", "answers", "header", "sent"),
    [
        (password, [token("good ")], "X-Auth-Token", "good"),
        (EcsAgencyCredentials, [METADATA_TOKEN, keys(securitytoken=" T\n")], "X-Security-Token", "T"),
        (access_key, [projects("p1\n")], "X-Project-Id", "p1"),
    ],
    ids=["token", "keys", "project"],
)
def test_white_space_around_value_is_not_sent(
    make: Any, answers: list[Response], header: str, sent: str
) -> None:
    transport = FakeTransport(*answers, image("ACTIVE"))

    run(client(make(), transport).call(operations.show_image(IMAGE_ID)))

    assert transport.requests[-1].headers[header] == sent


def test_project_that_iam_lists_twice_is_one() -> None:
    transport = FakeTransport(projects("p1", "p1"), image("ACTIVE"))

    assert run(client(access_key(), transport).call(operations.show_image(IMAGE_ID))).is_active
