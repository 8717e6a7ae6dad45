"""Values as people type and paste them, and what ``parse_connection`` makes of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from airflow.models.connection import Connection as StoredConnection
from airflow.providers.common.compat.sdk import Connection

from airflow_provider_modelarts.hooks.connection import parse_connection
from airflow_provider_modelarts.provider_info import connection_fields
from tests.airflow_versions import connection_from_uri
from tests.hooks.connections import AGENCY, PROJECT, USER, refusal, settings

WHITE = ["{} ", " {}", "{}\n", "\r\n{}\r\n", "\t{}", "{}\xa0", "{}\u2028"]


@pytest.mark.parametrize("written", WHITE, ids=ascii)
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("region", "eu-de"),
        ("cloud", "otc"),
        ("project_id", PROJECT),
        ("project_name", "eu-de_x"),
        ("auth", "access_key"),
        ("security_token", "token"),
        ("agency_name", "agency"),
        ("agency_domain_name", "research"),
        ("signature", "access"),
        ("workspace_id", "0"),
        ("iam_endpoint", "iam.example.com"),
        ("swr_endpoint", "swr-api.example.com"),
        ("console_url", "console.example.com"),
        ("verify", "/etc/ca.pem"),
        ("proxy", "http://user:pw@proxy:3128"),
        ("connect_timeout", "5"),
        ("read_timeout", "5"),
    ],
)
def test_parse_connection_strips_every_extra(field: str, value: str, written: str) -> None:
    assert settings(extra={**AGENCY, field: written.format(value)}) == settings(
        extra={**AGENCY, field: value}
    )


@pytest.mark.parametrize("written", WHITE, ids=ascii)
def test_parse_connection_strips_both_keys(written: str) -> None:
    """Five wrong signatures lock the key."""
    found = settings(login=written.format("AK"), password=written.format("SK/+="))

    assert (found.identity.login, found.identity.secret) == ("AK", "SK/+=")


@pytest.mark.parametrize("written", [*WHITE, "{0} {0}", "{0}\n{0}", "{0}\x00é\u4e2d"], ids=ascii)
def test_parse_connection_keeps_password_of_user_unstripped(written: str) -> None:
    password = written.format("pw")

    found = settings(login=" user\n", password=password, extra={**USER, "domain_name": "\nresearch "})

    assert found.identity.secret == password
    assert (found.identity.login, found.identity.domain_name) == ("user", "research")


def test_parse_connection_keeps_letters_and_spaces_in_names() -> None:
    """IAM and ModelArts allow more than ASCII."""
    names = {"domain_name": "研究 account", "project_name": "eu-de_prüfung", "workspace_id": "wörk 1"}
    agency = {"agency_name": "agência", "agency_domain_name": "other account"}

    found = settings(login="jürgen m", extra={**USER, **names, **agency})

    who = found.identity
    assert (who.login, who.domain_name, who.project_name) == ("jürgen m", "研究 account", "eu-de_prüfung")
    assert (who.agency_name, who.agency_domain_name) == ("agência", "other account")
    assert found.workspace_id == "wörk 1"


BLANKS = ["", " ", "\n", "\t \r\n", "\xa0"]


@pytest.mark.parametrize("blank", BLANKS, ids=ascii)
@pytest.mark.parametrize(
    "field", [name for name in connection_fields() if name not in {"region", "project_id"}]
)
def test_parse_connection_treats_blank_extra_as_absent(field: str, blank: str) -> None:
    assert settings(extra={field: blank}) == settings()


@pytest.mark.parametrize("blank", BLANKS, ids=ascii)
@pytest.mark.parametrize("field", ["login", "password"])
def test_parse_connection_reports_blank_keys_as_missing(field: str, blank: str) -> None:
    assert "login (access key) and password (secret key) must both be filled in" in refusal(**{field: blank})


@pytest.mark.parametrize("blank", BLANKS, ids=ascii)
def test_parse_connection_treats_blank_standard_field_as_absent(blank: str) -> None:
    found = settings(host=blank, schema=blank, login=blank, password=blank, extra={"auth": "host_agency"})

    assert found == settings(login=None, password=None, extra={"auth": "host_agency"})


@pytest.mark.parametrize(
    ("region", "named", "cloud", "endpoint"),
    [
        ("EU-DE", None, "otc", "https://modelarts.eu-de.otc.t-systems.com"),
        (" Eu-Nl\n", None, "otc", "https://modelarts.eu-nl.otc.t-systems.com"),
        ("EU-CH2", None, "otc", "https://modelarts.eu-ch2.sc.otc.t-systems.com"),
        ("EU-West-101", None, "huaweicloud-eu", "https://modelarts.eu-west-101.myhuaweicloud.eu"),
        ("CN-North-4", None, "huaweicloud", "https://modelarts.cn-north-4.myhuaweicloud.com"),
        ("EU-DE", " HuaweiCloud ", "huaweicloud", "https://modelarts.eu-de.myhuaweicloud.com"),
        ("EU-DE", "OTC", "otc", "https://modelarts.eu-de.otc.t-systems.com"),
    ],
)
def test_parse_connection_ignores_case_of_cloud(
    region: str, named: str | None, cloud: str, endpoint: str
) -> None:
    found = settings(extra={"region": region, "cloud": named})

    assert (found.cloud.name, found.endpoint) == (cloud, endpoint)
    assert found.identity.region == found.identity.project_name == region.strip().lower()
    assert found == settings(extra={"region": region.strip().lower(), "cloud": cloud})


@pytest.mark.parametrize("region", ["Region_1", "dc.West:2", "EU-DE", "a&b#c"])
def test_parse_connection_keeps_region_of_custom_cloud(region: str) -> None:
    """Its gateway checks signatures that include it."""
    addresses = {"iam_endpoint": "iam.example.com", "console_url": "console.example.com"}

    found = settings(host="ma.example.com", extra={"cloud": "Custom", "region": f" {region}\n", **addresses})

    assert (found.cloud.name, found.identity.region) == ("custom", region)
    assert found.notebooks_url.count("#") == 1


@pytest.mark.parametrize(
    ("field", "typed", "meant"),
    [
        ("auth", "Access_Key", "access_key"),
        ("signature", "ACCESS", "access"),
        ("signature", "Credential", "credential"),
        ("cloud", "Huaweicloud-EU", "huaweicloud-eu"),
    ],
)
def test_parse_connection_ignores_case_of_choice(field: str, typed: str, meant: str) -> None:
    assert settings(extra={field: typed}) == settings(extra={field: meant})


def stored_by_uri(query: str) -> Connection:
    """Return what ``airflow connections add --conn-uri`` stores."""
    uri = f"modelarts://ACCESSKEY:secret-key@?region=eu-de&project_id={PROJECT}&{query}"
    return StoredConnection(conn_id="c", uri=uri)


def read_by_uri(query: str) -> Connection:
    """Return what a task reads from ``AIRFLOW_CONN_C``."""
    uri = f"modelarts://ACCESSKEY:secret-key@?region=eu-de&project_id={PROJECT}&{query}"
    connection: Connection = connection_from_uri(uri)
    return connection


@pytest.mark.parametrize("connection", [stored_by_uri, read_by_uri])
@pytest.mark.parametrize(
    ("query", "extra"),
    [
        ("workspace_id=0", {"workspace_id": "0"}),
        ("workspace_id=12345678901234567890", {"workspace_id": "12345678901234567890"}),
        ("workspace_id=007", {"workspace_id": "007"}),
        (f"project_id={'1' * 32}", {"project_id": "1" * 32}),
        ("project_name=2025", {"project_name": "2025"}),
        ("security_token=123", {"security_token": "123"}),
        ("agency_name=1&agency_domain_name=2", {"agency_name": "1", "agency_domain_name": "2"}),
        ("verify=false", {"verify": False}),
        ("verify=False", {"verify": False}),
        ("verify=0", {"verify": False}),
        ("verify=1", {"verify": True}),
        ("verify=%2Fetc%2Fca.pem", {"verify": "/etc/ca.pem"}),
        ("read_timeout=5&connect_timeout=2.5", {"read_timeout": 5, "connect_timeout": 2.5}),
        ("workspace_id=", {}),
        ("region=EU-DE", {}),
        ("iam_endpoint=https%3A%2F%2Fiam.example.com%2Fv3", {"iam_endpoint": "iam.example.com"}),
    ],
)
def test_parse_connection_accepts_types_that_airflow_makes_of_uri(
    query: str, extra: dict[str, Any], connection: Callable[[str], Connection]
) -> None:
    """It stores what resembles a number or a flag as one, but reads it from the environment as text."""
    assert parse_connection(connection(query)) == settings(extra=extra)


NUMBERED = ["workspace_id", "project_id", "project_name", "security_token", "agency_name", "region", "verify"]


@pytest.mark.parametrize("field", NUMBERED)
def test_parse_connection_accepts_whole_number_as_text(field: str) -> None:
    extra = {"region": "eu-de", "project_id": PROJECT, **AGENCY}
    given = {"conn_type": "modelarts", "login": 123, "password": 456}

    by_number = Connection.from_json(json.dumps({**given, "extra": {**extra, field: 789}}), conn_id="c")

    assert parse_connection(by_number) == settings(login="123", password="456", extra={**extra, field: "789"})


@pytest.mark.parametrize(
    ("value", "verify"),
    [
        *((text, True) for text in ("true", "True", " TRUE\n", "1", 1, True)),
        *((text, False) for text in ("false", "False", " FALSE ", "0", 0, False)),
        *((path, path) for path in ("no", "/etc/ssl/wörk ca.pem", "C:\\ca.pem", "2")),
    ],
    ids=ascii,
)
def test_parse_connection_ignores_case_of_verify(value: object, verify: bool | str) -> None:
    assert settings(extra={"verify": value}).transport_config.verify == verify


@pytest.mark.parametrize("field", ["connect_timeout", "read_timeout"])
@pytest.mark.parametrize(
    ("value", "seconds"), [("5", 5.0), (" 2.5\n", 2.5), (7, 7.0), (0.5, 0.5), ("1e1", 10.0)]
)
def test_parse_connection_accepts_seconds(field: str, value: object, seconds: float) -> None:
    assert getattr(settings(extra={field: value}).transport_config, field) == seconds


@pytest.mark.parametrize(
    ("fields", "endpoint"),
    [
        ({"host": "h", "schema": "HTTP", "port": 8080}, "http://h:8080"),
        ({"host": "h", "port": "8080"}, "https://h:8080"),
        ({"host": "h", "port": 0}, "https://h"),
        ({"host": "h:1", "port": 2}, "https://h:1"),
        ({"host": "::1", "schema": "http", "port": 8790}, "http://[::1]:8790"),
        ({"host": "h.", "port": 443}, "https://h"),
        ({"host": None, "schema": "x", "port": 99_999}, "https://modelarts.eu-de.otc.t-systems.com"),
    ],
)
def test_parse_connection_completes_host_with_schema_and_port(fields: dict[str, Any], endpoint: str) -> None:
    assert settings(**fields).endpoint == endpoint
