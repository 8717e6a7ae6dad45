"""The test button where another service than ModelArts fails: the message names that one, and its fields."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_modelarts.client import iam
from airflow_provider_modelarts.client.http_types import Request
from airflow_provider_modelarts.exceptions import AuthenticationError, ModelArtsError, TransportError
from airflow_provider_modelarts.hooks.connection_test import SentRequests, diagnose
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.simulator import Fault, Simulator
from tests.servers import closed_port

PASSWORD: dict[str, Any] = {"login": "snapshot-user", "password": "simulator-password"}
USER = {"auth": "password", "domain_name": "research-account"}
AGENCY = {"agency_name": "snapshot-agency", "agency_domain_name": "research-account"}
LOGIN_REFUSED = "IAM refused the login or its token: check login, password, domain_name, and project_id"
AGENCY_REFUSED = "IAM refused the agency: check extra agency_name and agency_domain_name, and that the user"
PROJECTS_REFUSED = (
    "IAM refused the list of projects: set extra project_id, or grant iam:projects:listProjects"
)


def press(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], extra: dict[str, Any]
) -> tuple[bool, str]:
    given = {**simulator.connection, **fields}
    given["extra"] = {**simulator.connection["extra"], **extra}
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(given))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return ModelArtsHook().test_connection()


@pytest.mark.parametrize(
    ("fields", "extra", "fault", "begins"),
    [
        pytest.param({}, {**AGENCY, "agency_name": "another"}, None, AGENCY_REFUSED, id="agency"),
        pytest.param({}, {**AGENCY, "agency_domain_name": "x"}, None, AGENCY_REFUSED, id="agency's account"),
        pytest.param(
            {},
            AGENCY,
            Fault("error", "CreateTemporaryAccessKey", status=404, code="404"),
            AGENCY_REFUSED,
            id="agency is not found",
        ),
        pytest.param(PASSWORD, {**USER, "project_id": "f" * 32}, None, LOGIN_REFUSED, id="project of a user"),
        pytest.param(
            PASSWORD,
            USER,
            Fault("error", "CreateToken", status=400, code="400"),
            LOGIN_REFUSED,
            id="login is a bad request",
        ),
        pytest.param(
            {},
            {"project_id": None},
            Fault("error", "ListProjects", status=403),
            PROJECTS_REFUSED,
            id="permission to list projects",
        ),
        pytest.param(
            PASSWORD,
            USER,
            Fault("html", "CreateToken", status=404),
            "Unexpected response from IAM: check region and extra iam_endpoint.",
            id="another service at iam_endpoint",
        ),
        pytest.param(
            {},
            {"project_id": None},
            Fault("html", "ListProjects", status=200),
            "Unexpected response from IAM: check region and extra iam_endpoint.",
            id="a page at iam_endpoint",
        ),
        pytest.param(
            {},
            {"project_id": None},
            Fault("error", "ListProjects", status=503),
            "Unexpected response from IAM. ",
            id="IAM fails",
        ),
    ],
)
def test_diagnose_names_field_of_iam(
    fields: dict[str, Any],
    extra: dict[str, Any],
    fault: Fault | None,
    begins: str,
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if fault is not None:
        simulator.inject(fault)

    good, message = press(simulator, monkeypatch, fields, extra)

    assert (good, message[: len(begins)]) == (False, begins)


def test_diagnose_names_iam_endpoint_where_nothing_listens(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closed_port() as port:
        extra = {"project_id": None, "iam_endpoint": f"http://127.0.0.1:{port}"}
        good, message = press(simulator, monkeypatch, {}, extra)

    begins = "The host refuses connections: check region and extra iam_endpoint."
    assert (good, message[: len(begins)]) == (False, begins)


@pytest.mark.parametrize(
    ("error", "begins"),
    [
        pytest.param(
            TransportError("No response", stage="timeout"),
            "No response in time: check extra auth, as only an ECS has the agency of a host",
            id="no ECS",
        ),
        pytest.param(
            AuthenticationError("This host has no agency", status=404),
            "The metadata service of this host issued no keys: run Airflow on an ECS that has an agency",
            id="no agency",
        ),
    ],
)
def test_diagnose_names_agency_of_host(error: ModelArtsError, begins: str) -> None:
    sent = SentRequests()
    sent.last = iam.show_security_key(iam.METADATA_ENDPOINT, None)

    assert diagnose(error, None, sent).startswith(begins)


def test_diagnose_names_all_addresses_if_nothing_was_sent() -> None:
    message = diagnose(TransportError("No response", stage="dns"), None)

    assert message.startswith("No such host: check region, host, port and extra iam_endpoint")


@pytest.mark.parametrize(
    ("request_", "service"),
    [
        pytest.param(None, "", id="none"),
        pytest.param(Request("GET", "https://modelarts.example/v1/p/images"), "modelarts", id="ModelArts"),
        pytest.param(iam.list_projects("https://iam.example", "eu-de"), "iam", id="IAM"),
        pytest.param(iam.create_metadata_token(iam.METADATA_ENDPOINT), "metadata", id="metadata service"),
    ],
)
def test_sent_requests_name_service_of_last_one(request_: Request | None, service: str) -> None:
    sent = SentRequests()
    sent.last = request_

    assert sent.service == service
