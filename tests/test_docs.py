"""The examples of docs/connection.md are right on every cloud, and its tables match the package."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timezone

import pytest
from airflow.providers.common.compat.sdk import Connection

from airflow_provider_modelarts.client import iam
from airflow_provider_modelarts.client.http_types import Request, Response
from airflow_provider_modelarts.exceptions import (
    ApiError,
    AuthenticationError,
    ConnectionLookupError,
    InvalidResponseError,
    ModelArtsError,
    PermissionDeniedError,
    ServerError,
    TransportError,
)
from airflow_provider_modelarts.hooks.connection import Settings, parse_connection
from airflow_provider_modelarts.hooks.connection_test import SentRequests, diagnose
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.provider_info import connection_fields, get_provider_info
from airflow_provider_modelarts.transport import TransportConfig
from tests.pages import blocks, pages

PAGE = "docs/connection.md"
CONN_ID = "modelarts_default"
VARIABLE = f"AIRFLOW_CONN_{CONN_ID.upper()}"
NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
CLOUDS = {"cn-north-4": "Huawei Cloud", "eu-west-101": "Huawei Cloud EU", "eu-de": "Open Telekom Cloud"}
PRIVATE = "A private installation"
# What the extra holds beyond region and project, and which credentials that makes.
CREDENTIALS = {
    "Access key": ("access_key", set()),
    "Temporary keys": ("access_key", {"security_token"}),
    "IAM user and password": ("password", {"auth", "domain_name"}),
    "Agency of another account": ("access_key", {"agency_name", "agency_domain_name"}),
    "Agency of the host": ("host_agency", {"auth"}),
    PRIVATE: ("access_key", {"cloud", "iam_endpoint", "console_url", "verify"}),
}


def sections() -> dict[str, str]:
    """Return what is under each heading, up to the next."""
    parts = re.split(r"^#{2,3} (.+)$", pages()[PAGE], flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def example(credential: str, language: str) -> str:
    """Return the example of a type of credentials, as ``json`` or, with ``text``, as a URI."""
    (code,) = (b.code for b in blocks(PAGE) if (b.heading, b.language) == (credential, language))
    return code.strip()


def settings_from(value: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv(VARIABLE, value)
    return ModelArtsHook().settings


def test_docs_explain_every_extra() -> None:
    rows = re.findall(r"^\| (`.+?) \| .+ \|$", sections()["Fields"], re.MULTILINE)

    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(connection_fields())


def test_docs_name_every_cloud_with_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = re.findall(r"^\| (\w.+) \| `(\S+)` \| `(\S+)` \|$", sections()["Examples"], re.MULTILINE)

    for cloud, region, address in rows:
        found = settings_from(example("Access key", "json").replace("eu-de", region), monkeypatch)
        assert (found.cloud.display_name, found.endpoint) == (cloud, address)
    assert {region: cloud for cloud, region, _ in rows} == CLOUDS


@pytest.mark.parametrize("region", CLOUDS)
@pytest.mark.parametrize("credential", [name for name in CREDENTIALS if name != PRIVATE])
def test_docs_example_is_valid_on_every_cloud(
    credential: str, region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth, beyond = CREDENTIALS[credential]
    as_json = example(credential, "json").replace("eu-de", region)
    as_uri = example(credential, "text").replace("eu-de", region)

    settings = settings_from(as_json, monkeypatch)

    assert settings.cloud.display_name == CLOUDS[region]
    assert settings.identity.auth == auth
    assert set(json.loads(as_json)["extra"]) - {"region", "project_id", "project_name"} == beyond
    assert settings_from(as_uri, monkeypatch) == settings


def test_docs_example_of_private_installation_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    auth, beyond = CREDENTIALS[PRIVATE]
    as_json = example(PRIVATE, "json")

    settings = settings_from(as_json, monkeypatch)

    assert settings.endpoint == "https://modelarts.region-1.cloud.example.com"
    assert settings.identity.auth == auth
    assert set(json.loads(as_json)["extra"]) - {"region", "project_id"} == beyond
    assert settings_from(example(PRIVATE, "text"), monkeypatch) == settings


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_docs_use_labels_of_form(credential: str) -> None:
    fields = connection_fields()
    relabelled = get_provider_info()["connection-types"][0]["ui-field-behaviour"]["relabeling"]
    labels = relabelled | {name: field["label"] for name, field in fields.items()}
    given = json.loads(example(credential, "json"))
    filled_in = {name: value for name, value in (given | given["extra"]).items() if name in labels}
    (explained,) = re.findall(r"^In the form: (.*?)\n\n", sections()[credential], re.MULTILINE | re.DOTALL)
    explained = " ".join(explained.split())

    assert set(re.findall(r"\*\*(.+?)\*\*", explained)) == {labels[name] for name in filled_in}
    words = {
        fields[name]["schema"]["values_display"][value]
        for name, value in filled_in.items()
        if "enum" in fields.get(name, {}).get("schema", {})
    }
    assert set(re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)", explained)) == words


def caught(fails: Callable[[], object]) -> ModelArtsError:
    with pytest.raises(ModelArtsError) as info:
        fails()
    return info.value


def projects(*ids: str) -> Response:
    found = [{"id": project_id, "name": "eu-de"} for project_id in ids]
    return Response(200, body=json.dumps({"projects": found}).encode())


def refused(words: str = "", *, code: str = "APIGW.0301", clock_skew: float = 0.0) -> AuthenticationError:
    return AuthenticationError(f"ListImages failed: {words}.", status=401, code=code, clock_skew=clock_skew)


def by_password() -> Settings:
    extra = {"region": "eu-de", "project_id": "p", "auth": "password", "domain_name": "d"}
    return parse_connection(
        Connection(conn_id="c", conn_type="modelarts", login="u", password="secret", extra=json.dumps(extra))
    )


def sent(last: Request) -> SentRequests:
    requests = SentRequests()
    requests.last = last
    return requests


LAYERS = ("dns", "refused", "timeout", "tls", "proxy", "connection")


def messages() -> list[str]:
    """Return each error message of the test button."""
    errors = [
        caught(lambda: parse_connection(Connection(conn_id="c", conn_type="modelarts"))),
        caught(lambda: TransportConfig(verify="/no/such.pem").tls()),
        *(TransportError("ListImages failed", stage=stage) for stage in LAYERS),
        refused("clock", clock_skew=3600),
        refused("the AK not exist"),
        refused("signature fail"),
        refused("reach the limit"),
        refused("something else"),
        refused("another project", code="APIGW.0204"),
        caught(lambda: iam.parse_project(projects(), "eu-de", NOW)),
        caught(lambda: iam.parse_project(projects("a", "b"), "eu-de", NOW)),
        PermissionDeniedError("ListImages was refused", status=403, code="ModelArts.0108"),
        ApiError("ListImages was refused", status=404, code="APIGW.0101"),
        ApiError("ListImages was refused", status=403),
        ApiError("ListImages was refused", status=400, code="ModelArts.9999"),
        ConnectionLookupError("Airflow did not return the connection 'modelarts_default'"),
        InvalidResponseError("ListImages returned an unexpected response"),
    ]
    denied = ApiError("the request was refused", status=403)
    of_others = [
        (denied, iam.create_temporary_keys("https://iam", agency_name="a", agency_domain_name="d")),
        (denied, iam.list_projects("https://iam", "eu-de")),
        (ServerError("IAM failed", status=503), iam.list_projects("https://iam", "eu-de")),
        (denied, iam.show_security_key(iam.METADATA_ENDPOINT, None)),
    ]
    return [
        *(diagnose(error, None) for error in errors),
        *(diagnose(error, None, sent(request)) for error, request in of_others),
        diagnose(refused("no"), by_password()),
    ]


def documented() -> list[str]:
    """Return the beginnings of messages on the page, as patterns."""
    rows = re.findall(r"^\| (.+?) \| .+ \|$", sections()["Messages of the test button"], re.MULTILINE)
    assert rows[0] == "message begins with"
    return [re.escape(row.removesuffix(" …")).replace("…", ".+?") for row in rows[1:]]


@pytest.mark.usefixtures("connection")
def test_docs_list_every_message_of_test_button() -> None:
    good, success = ModelArtsHook().test_connection()
    assert good
    texts = [*messages(), success]

    found = {message: [row for row in documented() if re.match(row, message)] for message in texts}

    assert {message: rows for message, rows in found.items() if len(rows) != 1} == {}
    assert {rows[0] for rows in found.values()} == set(documented())
