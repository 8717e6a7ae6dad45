"""What the documentation shows is run, and what it promises is compared with what is said."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import Connection

from airflow_provider_modelarts.client import iam
from airflow_provider_modelarts.client.http_types import Response
from airflow_provider_modelarts.exceptions import (
    ApiError,
    AuthenticationError,
    ConnectionLookupError,
    InvalidResponseError,
    ModelArtsError,
    PermissionDeniedError,
    TransportError,
)
from airflow_provider_modelarts.hooks.connection import Settings, parse_connection
from airflow_provider_modelarts.hooks.connection_test import diagnose
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.provider_info import connection_fields, get_provider_info
from airflow_provider_modelarts.transport import TransportConfig

PAGE = Path(__file__).parents[1] / "docs" / "connection.md"
CONN_ID = "modelarts_default"
VARIABLE = f"AIRFLOW_CONN_{CONN_ID.upper()}"
NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Block:
    """A block of code and the heading that it is under."""

    heading: str
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.heading} ({self.language})"


@dataclass(frozen=True)
class Example:
    """A connection as the page shows it, once as JSON and once as a URI."""

    credential: str
    cloud: str
    as_json: str
    as_uri: str

    def __str__(self) -> str:
        return f"{self.credential} on {self.cloud}"


def sections() -> dict[str, str]:
    """Return what is under each heading, up to the next."""
    parts = re.split(r"^#{2,3} (.+)$", PAGE.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def blocks() -> list[Block]:
    return [
        Block(heading, language, code)
        for heading, text in sections().items()
        for language, code in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]


def exported(code: str) -> list[str]:
    """Return the values that a shell would give the variable, one after the other."""
    words = shlex.split(code, comments=True)
    return [word.partition("=")[2] for word in words if word.startswith(f"{VARIABLE}=")]


def examples() -> list[Example]:
    found = []
    for block in blocks():
        clouds = re.findall(r"^# (.+): as JSON, or as a URI$", block.code, re.MULTILINE)
        values = exported(block.code)
        if clouds:
            rows = zip(clouds, values[::2], values[1::2], strict=True)
            found += [Example(block.heading, *row) for row in rows]
    (as_json, bash) = (block.code for block in blocks() if block.heading == "A private installation")
    (as_uri,) = exported(bash)
    return [*found, Example("A private installation", "this private installation", as_json, as_uri)]


ENDPOINTS = {
    "Huawei Cloud": "https://modelarts.cn-north-4.myhuaweicloud.com",
    "Huawei Cloud EU": "https://modelarts.eu-west-101.myhuaweicloud.eu",
    "Open Telekom Cloud": "https://modelarts.eu-de.otc.t-systems.com",
    "this private installation": "https://modelarts.region-1.cloud.example.com",
}
# What the extra holds beyond region and project, and which credentials that makes.
CREDENTIALS = {
    "Access key": ("access_key", set()),
    "Temporary keys": ("access_key", {"security_token"}),
    "IAM user and password": ("password", {"auth", "domain_name"}),
    "Agency of another account": ("access_key", {"agency_name", "agency_domain_name"}),
    "Agency of the host": ("host_agency", {"auth"}),
    "A private installation": ("access_key", {"cloud", "iam_endpoint", "console_url", "verify"}),
}


def settings_from(value: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv(VARIABLE, value)
    return ModelArtsHook().settings


def test_every_credential_is_shown_for_every_cloud() -> None:
    """A private installation, whose addresses differ and nothing else, has one example."""
    clouds = [cloud for cloud in ENDPOINTS if cloud != "this private installation"]
    wanted = {(c, cloud) for c in CREDENTIALS if c != "A private installation" for cloud in clouds}

    found = [(example.credential, example.cloud) for example in examples()]

    assert sorted(found) == sorted([*wanted, ("A private installation", "this private installation")])


def test_page_explains_every_extra_that_is_read() -> None:
    rows = re.findall(r"^\| (`.+?) \| .+ \|$", sections()["Fields"], re.MULTILINE)

    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(connection_fields())


@pytest.mark.parametrize("block", blocks(), ids=str)
def test_every_block_can_be_pasted(block: Block) -> None:
    """Into a file or a shell."""
    if block.language == "json":
        json.loads(block.code)
    else:
        assert block.language == "bash"
        subprocess.run(["bash", "-n"], input=block.code, text=True, check=True)
        assert len(exported(block.code)) == block.code.count("export ") > 0


@pytest.mark.parametrize("example", examples(), ids=str)
def test_an_example_leads_to_its_cloud(example: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the credentials that its heading names."""
    auth, beyond = CREDENTIALS[example.credential]

    settings = settings_from(example.as_json, monkeypatch)

    assert settings.cloud.display_name == example.cloud
    assert settings.endpoint == ENDPOINTS[example.cloud]
    assert settings.identity.auth == auth
    extra = set(json.loads(example.as_json)["extra"])
    assert extra - {"region", "project_id", "project_name"} == beyond


@pytest.mark.parametrize("example", examples(), ids=str)
def test_json_and_uri_say_the_same(example: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the last field."""
    by_json = settings_from(example.as_json, monkeypatch)

    assert settings_from(example.as_uri, monkeypatch) == by_json


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_the_form_is_explained_in_its_own_words(credential: str) -> None:
    """Each field that the examples fill in, by its label, and each choice by what the form shows."""
    fields = connection_fields()
    relabelled = get_provider_info()["connection-types"][0]["ui-field-behaviour"]["relabeling"]
    labels = relabelled | {name: field["label"] for name, field in fields.items()}
    given = [json.loads(e.as_json) for e in examples() if e.credential == credential]
    filled_in = {name: value for g in given for name, value in (g | g["extra"]).items() if name in labels}
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
    return AuthenticationError(
        f"ListImages was refused: {words}.", status=401, code=code, clock_skew=clock_skew
    )


def by_password() -> Settings:
    extra = {"region": "eu-de", "project_id": "p", "auth": "password", "domain_name": "d"}
    return parse_connection(
        Connection(conn_id="c", conn_type="modelarts", login="u", password="secret", extra=json.dumps(extra))
    )


LAYERS = ("dns", "refused", "timeout", "tls", "proxy", "connection")


def messages() -> list[str]:
    """Return each thing that the test button can say of what is wrong."""
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
        ConnectionLookupError("Airflow did not give the connection 'modelarts_default'"),
        InvalidResponseError("ListImages brought an unexpected reply"),
    ]
    return [*(diagnose(error, None) for error in errors), diagnose(refused("no"), by_password())]


def documented() -> list[str]:
    """Return the beginnings of messages on the page, as patterns."""
    rows = re.findall(r"^\| (.+?) \| .+ \|$", sections()["Messages of the test button"], re.MULTILINE)
    assert rows[0] == "message begins with"
    return [re.escape(row.removesuffix(" …")).replace("…", ".+?") for row in rows[1:]]


@pytest.mark.usefixtures("connection")
def test_what_the_test_button_says_is_documented() -> None:
    """Each message once, and no message that nobody will ever read."""
    good, praise = ModelArtsHook().test_connection()
    assert good
    said = [*messages(), praise]

    found = {message: [row for row in documented() if re.match(row, message)] for message in said}

    assert {message: rows for message, rows in found.items() if len(rows) != 1} == {}
    assert {rows[0] for rows in found.values()} == set(documented())
