"""``parse_connection``: fields, defaults and the errors that name a field."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import Connection

from airflow_provider_modelarts.exceptions import InvalidConnectionError
from airflow_provider_modelarts.hooks.connection import Settings, parse_connection
from airflow_provider_modelarts.transport import TransportConfig
from tests.airflow_versions import connection_from_uri

EXTRA = {"region": "eu-de", "project_id": "0a1b2c3d4e5f60718293a4b5c6d7e8f9"}


def settings(*, extra: dict[str, Any] | str | None = None, **fields: Any) -> Settings:
    given = {
        "conn_id": "c",
        "conn_type": "modelarts",
        "login": "ACCESSKEY",
        "password": "secret-key",
        **fields,
    }
    text = extra if isinstance(extra, str) else json.dumps({**EXTRA, **(extra or {})})
    return parse_connection(Connection(**given, extra=text))


@pytest.mark.parametrize(
    ("region", "cloud", "endpoint"),
    [
        ("cn-north-4", "huaweicloud", "https://modelarts.cn-north-4.myhuaweicloud.com"),
        ("ap-southeast-1", "huaweicloud", "https://modelarts.ap-southeast-1.myhuaweicloud.com"),
        ("eu-west-101", "huaweicloud-eu", "https://modelarts.eu-west-101.myhuaweicloud.eu"),
        ("eu-de", "otc", "https://modelarts.eu-de.otc.t-systems.com"),
        ("eu-nl", "otc", "https://modelarts.eu-nl.otc.t-systems.com"),
        ("moon-1", "huaweicloud", "https://modelarts.moon-1.myhuaweicloud.com"),
    ],
)
def test_parse_connection_derives_cloud_and_endpoint_from_region(
    region: str, cloud: str, endpoint: str
) -> None:
    found = settings(extra={"region": region})

    assert (found.cloud.name, found.endpoint) == (cloud, endpoint)


def test_parse_connection_prefers_named_cloud_to_region() -> None:
    found = settings(extra={"region": "eu-de", "cloud": "huaweicloud"})

    assert (found.cloud.name, found.endpoint) == ("huaweicloud", "https://modelarts.eu-de.myhuaweicloud.com")


@pytest.mark.parametrize(
    ("fields", "endpoint"),
    [
        ({"host": "modelarts.example.com"}, "https://modelarts.example.com"),
        ({"host": "https://modelarts.example.com/"}, "https://modelarts.example.com"),
        ({"host": "modelarts.example.com", "port": 8443}, "https://modelarts.example.com:8443"),
        ({"host": "modelarts.example.com", "port": 443}, "https://modelarts.example.com"),
        ({"host": "https://modelarts.example.com:8443", "port": 1}, "https://modelarts.example.com:8443"),
        ({"host": "127.0.0.1", "schema": "http", "port": 8790}, "http://127.0.0.1:8790"),
        ({"host": "http://[::1]:8790"}, "http://[::1]:8790"),
        ({"host": " modelarts.example.com "}, "https://modelarts.example.com"),
    ],
)
def test_parse_connection_prefers_host_to_region(fields: dict[str, Any], endpoint: str) -> None:
    assert settings(**fields).endpoint == endpoint


@pytest.mark.parametrize("absent", [None, ""])
def test_parse_connection_treats_null_and_empty_as_absent(absent: str | None) -> None:
    """The form stores them for every empty field."""
    names = ["cloud", "workspace_id", "console_url", "connect_timeout", "read_timeout"]

    assert settings(extra=dict.fromkeys(names, absent)) == settings()


@pytest.mark.parametrize(
    ("fields", "extra", "message"),
    [
        pytest.param({"login": None}, {}, "login (access key) and password", id="no access key"),
        pytest.param({"password": ""}, {}, "login (access key) and password", id="no secret key"),
        pytest.param({}, {"region": None}, "extra region is missing", id="neither region nor host"),
        pytest.param({}, {"cloud": "aws"}, "extra cloud must be one of huaweicloud", id="an unknown cloud"),
        pytest.param({}, {"projekt": "x"}, "extra 'projekt' is unknown", id="a misspelt extra"),
        pytest.param(
            {},
            {"region": 7.5},
            "extra region must be a string in quotes, not float",
            id="a number for a region",
        ),
        pytest.param({}, {"region": "["}, "extra region must be letters", id="no region at all"),
        pytest.param({}, {"region": "evil.example/"}, "extra region must be letters", id="another host"),
        pytest.param({}, {"read_timeout": "soon"}, "extra read_timeout must be a number", id="no number"),
        pytest.param(
            {}, {"connect_timeout": -1}, "extra connect_timeout must be a number", id="a negative time"
        ),
        pytest.param({}, {"read_timeout": 10**400}, "must be a number of seconds", id="an endless time"),
        pytest.param({}, "{", "extra is not a JSON object", id="broken JSON"),
        pytest.param({}, "[1]", "extra is not a JSON object", id="a list"),
        pytest.param({}, "[" * 5_000, "extra is not a JSON object", id="too deep"),
        pytest.param(
            {"host": "https://me:pw@example.com"}, {}, "host must be a host name", id="a user in the host"
        ),
        pytest.param(
            {"host": "https://example.com/v1"}, {}, "host must be a host name", id="a path in the host"
        ),
        pytest.param({"host": "ftp://example.com"}, {}, "host must be a host name", id="another scheme"),
        pytest.param(
            {"host": "https://example.com:99999"}, {}, "host must be a host name", id="no such port"
        ),
        pytest.param({"host": "exam ple.com"}, {}, "host must be a host name", id="a space"),
    ],
)
def test_parse_connection_error_names_field_and_no_secret(
    fields: dict[str, Any], extra: dict[str, Any] | str, message: str
) -> None:
    with pytest.raises(InvalidConnectionError) as caught:
        settings(**fields, extra=extra)

    assert message in str(caught.value)
    assert "'c'" in str(caught.value)
    assert "secret-key" not in str(caught.value)


def test_parse_connection_reports_all_errors_at_once() -> None:
    with pytest.raises(InvalidConnectionError) as caught:
        parse_connection(Connection(conn_id="c", conn_type="modelarts", extra='{"colour": "blue"}'))

    for part in ("colour", "project_id", "login", "region", "iam_endpoint"):
        assert part in str(caught.value)


def test_settings_repr_has_no_secret() -> None:
    """Settings appear in tracebacks."""
    assert "secret-key" not in repr(settings())
    assert "ACCESSKEY" not in repr(settings())


def test_parse_connection_accepts_timeouts_as_number_and_text() -> None:
    found = settings(extra={"connect_timeout": 3, "read_timeout": "90.5"})

    assert found.transport_config == TransportConfig(connect_timeout=3.0, read_timeout=90.5)


@pytest.mark.parametrize(
    ("cloud", "notebooks", "images"),
    [
        (
            "huaweicloud",
            "https://console-intl.huaweicloud.com/modelarts/?region=eu-de#/dev-container",
            "https://console-intl.huaweicloud.com/swr/?region=eu-de#/swr/warehouse/list/private",
        ),
        (
            "otc",
            "https://console.otc.t-systems.com/modelarts/?region=eu-de#/dev-container",
            "https://console.otc.t-systems.com/swr/?region=eu-de#/swr/warehouse/list/private",
        ),
    ],
)
def test_parse_connection_derives_console_url_from_cloud(cloud: str, notebooks: str, images: str) -> None:
    found = settings(extra={"cloud": cloud})

    assert (found.notebooks_url, found.images_url) == (notebooks, images)


def test_parse_connection_accepts_console_url() -> None:
    found = settings(extra={"console_url": "https://console.example.com/"})

    assert found.notebooks_url.startswith("https://console.example.com/modelarts/")


@pytest.mark.parametrize(
    ("endpoint", "exposed"),
    [
        ("https://modelarts.example.com", False),
        ("http://127.0.0.1:8790", False),
        ("http://[::1]:8790", False),
        ("http://localhost:8790", False),
        ("http://modelarts.example.com", True),
        ("http://10.1.2.3", True),
    ],
)
def test_plaintext_endpoints_excludes_loopback(endpoint: str, exposed: bool) -> None:
    assert settings(host=endpoint).plaintext_endpoints == ((endpoint,) if exposed else ())


def test_parse_connection_is_equal_after_uri_round_trip() -> None:
    """Airflow's test button sends the connection through a URI."""
    connection = Connection(
        conn_id="c",
        conn_type="modelarts",
        login="ACCESSKEY",
        password="secret/key+=",
        host="https://modelarts.example.com:8443",
        extra=json.dumps({**EXTRA, "read_timeout": 30}),
    )

    again = connection_from_uri(connection.get_uri())

    assert parse_connection(again) == parse_connection(connection)


@pytest.mark.parametrize(
    ("region", "iam"),
    [
        ("cn-north-4", "https://iam.cn-north-4.myhuaweicloud.com"),
        ("eu-west-101", "https://iam.eu-west-101.myhuaweicloud.eu"),
        ("eu-de", "https://iam.eu-de.otc.t-systems.com"),
        ("eu-ch2", "https://iam-pub.eu-ch2.sc.otc.t-systems.com"),
    ],
)
def test_parse_connection_derives_iam_endpoint_from_region(region: str, iam: str) -> None:
    assert settings(extra={"region": region}).identity.iam_endpoint == iam
    elsewhere = settings(extra={"region": region, "iam_endpoint": "iam.example.com"})
    assert elsewhere.identity.iam_endpoint == "https://iam.example.com"


@pytest.mark.parametrize(("cloud", "form"), [("huaweicloud", "access"), ("otc", "credential")])
def test_parse_connection_derives_signature_form_from_cloud(cloud: str, form: str) -> None:
    assert settings(extra={"cloud": cloud}).identity.signature == form
    assert settings(extra={"cloud": cloud, "signature": "access"}).identity.signature == "access"


def test_parse_connection_defaults_project_name_to_region() -> None:
    """As in IAM itself."""
    assert settings(extra={"project_id": None}).identity.project_name == "eu-de"
    assert settings(extra={"project_id": None, "project_name": "eu-de_x"}).identity.project_name == "eu-de_x"


@pytest.mark.parametrize(
    ("value", "verify"),
    [
        (True, True),
        (False, False),
        (" true ", True),
        ("FALSE", False),
        ("/etc/ca.pem", "/etc/ca.pem"),
        (None, True),
        ("", True),
    ],
)
def test_parse_connection_accepts_verify_as_flag_and_file(value: Any, verify: bool | str) -> None:
    assert settings(extra={"verify": value}).transport_config.verify == verify


@pytest.mark.parametrize(
    ("fields", "extra", "message"),
    [
        pytest.param({}, {"cloud": "custom"}, "host is missing", id="a custom cloud without host"),
        pytest.param(
            {"host": "ma.example.com"},
            {"cloud": "custom", "region": None, "project_id": None, "project_name": "p"},
            "extra iam_endpoint is missing",
            id="a lookup without IAM",
        ),
        pytest.param(
            {"host": "ma.example.com"},
            {"cloud": "otc", "region": None},
            "extra region is missing: signatures of the form credential",
            id="a signature without region",
        ),
        pytest.param({}, {"auth": "password"}, "auth password needs login", id="a user without account"),
        pytest.param(
            {}, {"auth": "host_agency"}, "login and password must be empty", id="keys of host and user"
        ),
        pytest.param(
            {},
            {"auth": "password", "domain_name": "d", "security_token": "t"},
            "extra security_token belongs to temporary access keys",
            id="a token of keys that are none",
        ),
        pytest.param({}, {"agency_name": "a"}, "must be filled in together", id="half an agency"),
        pytest.param(
            {}, {"auth": "magic"}, "extra auth must be one of access_key", id="an unknown credential"
        ),
        pytest.param({}, {"signature": "v4"}, "extra signature must be one of access", id="an unknown form"),
        pytest.param(
            {}, {"project_id": "a\r\nX-Evil: b"}, "extra project_id must not have a line break", id="a header"
        ),
        pytest.param({}, {"project_id": "a/b"}, "extra project_id must be letters", id="a path in an id"),
        pytest.param(
            {}, {"iam_endpoint": "https://iam/v2"}, "extra iam_endpoint must be a host", id="a path"
        ),
    ],
)
def test_parse_connection_rejects_conflicting_fields(
    fields: dict[str, Any], extra: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidConnectionError) as caught:
        settings(**fields, extra=extra)

    assert message in str(caught.value)
