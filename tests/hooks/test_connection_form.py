"""The connection form as Airflow shows it, and the values that it stores."""

from __future__ import annotations

import ast
import inspect
import json
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest
from airflow.api_fastapi.core_api.datamodels.connections import ConnectionHookMetaData
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
from airflow.providers.common.compat.sdk import Connection
from airflow.sdk._shared.secrets_masker import should_hide_value_for_key

from airflow_provider_modelarts.client.clouds import CLOUDS
from airflow_provider_modelarts.exceptions import InvalidConnectionError
from airflow_provider_modelarts.hooks import connection as reader
from airflow_provider_modelarts.hooks.connection import AUTHS, SIGNATURES, Settings, parse_connection
from airflow_provider_modelarts.hooks.field_parser import FieldParser
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.provider_info import connection_fields, get_provider_info
from tests.airflow_versions import connection_from_uri

FIELDS = connection_fields()
(CONNECTION_TYPE,) = get_provider_info()["connection-types"]
FILLED_IN = {
    "conn_type": "modelarts",
    "host": "modelarts.example.com",
    "login": "ACCESSKEY",
    "password": "secret-key",
}


def airflows_schema(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((Path(airflow.__file__).parent / name).read_text())
    return schema


def example_of(schema: dict[str, Any]) -> str | int:
    """Return a possible value of the field."""
    if "enum" in schema:
        return str(schema["enum"][-1])
    return 7 if "number" in schema["type"] else "something"


def outcome(extra: dict[str, Any] | None, **fields: Any) -> Settings | str:
    """Return the settings of the connection, or the error message."""
    text = None if extra is None else json.dumps(extra)
    return outcome_of(Connection(conn_id="c", **{**FILLED_IN, **fields}, extra=text))


def outcome_of(connection: Connection) -> Settings | str:
    try:
        return parse_connection(connection)
    except InvalidConnectionError as error:
        return str(error)


@pytest.fixture(scope="module")
def drawn() -> ConnectionHookMetaData:
    """What Airflow's own reader hands to the form."""
    (found,) = (meta for meta in HookMetaService.hook_meta_data() if meta.connection_type == "modelarts")
    return found


def test_form_follows_rules_of_airflow_providers() -> None:
    """The rules for a provider's source are stricter than those that Airflow checks."""
    rules = airflows_schema("provider.yaml.schema.json")["properties"]["connection-types"]

    jsonschema.validate([CONNECTION_TYPE], rules)


@pytest.mark.parametrize("name", FIELDS)
def test_form_field_has_description_and_may_be_empty(name: str) -> None:
    """The form stores null for it."""
    field = FIELDS[name]

    assert field["label"]
    assert field["description"].endswith(".")
    assert "null" in field["schema"]["type"]
    jsonschema.validate(example_of(field["schema"]), field["schema"])


@pytest.mark.parametrize(
    ("name", "choices"),
    [("cloud", (None, *CLOUDS)), ("auth", AUTHS), ("signature", (None, *SIGNATURES))],
)
def test_form_field_with_choices_is_drop_down(name: str, choices: tuple[str | None, ...]) -> None:
    """Null is a choice only where it differs from all others."""
    schema = FIELDS[name]["schema"]

    assert schema["enum"] == [*choices]
    assert list(schema["values_display"]) == [choice or "null" for choice in choices]
    assert schema.get("default") == (None if None in choices else choices[0])


def test_form_lists_fields_in_order_of_use() -> None:
    """Region and project come first, then the credentials, then what most connections leave empty."""
    assert list(FIELDS)[:4] == ["region", "project_id", "project_name", "auth"]


def test_form_has_no_other_drop_down() -> None:
    assert {name for name, field in FIELDS.items() if "enum" in field["schema"]} == {
        "cloud",
        "auth",
        "signature",
    }


def test_form_hides_secret_fields() -> None:
    """Airflow masks them by name wherever it shows a connection."""
    hidden = [name for name, field in FIELDS.items() if field["schema"].get("format") == "password"]

    assert hidden == ["security_token"]
    assert all(should_hide_value_for_key(name) for name in hidden)


def test_airflow_loads_form_fields_in_order_without_hook(drawn: ConnectionHookMetaData) -> None:
    assert drawn.extra_fields is not None

    found = {
        name: (field["schema"]["title"], field["description"]) for name, field in drawn.extra_fields.items()
    }

    assert list(found.items()) == [(name, (f["label"], f["description"])) for name, f in FIELDS.items()]
    assert {name: field["value"] for name, field in drawn.extra_fields.items() if field["value"]} == {
        "auth": "access_key"
    }
    assert drawn.hook_name == ModelArtsHook.hook_name
    assert drawn.connection_type == ModelArtsHook.conn_type


def test_airflow_relabels_standard_fields(drawn: ConnectionHookMetaData) -> None:
    """The port stays: the test button of Airflow 3.3.2 needs a stored one."""
    fields = drawn.standard_fields
    assert fields is not None

    assert fields.host is not None
    assert (fields.host.title, fields.host.hidden) == ("Endpoint", False)
    assert fields.port is not None
    assert (fields.port.title, fields.port.hidden) == ("Port (fill in 443)", False)
    assert fields.port.placeholder == "443, or the endpoint's; Airflow 3.3 cannot test without a port"
    assert fields.login is not None
    assert fields.login.title == "Access key, or IAM user"
    assert fields.password is not None
    assert fields.password.title == "Secret key, or password"
    assert fields.url_schema is not None
    assert fields.url_schema.hidden


def test_hook_returns_same_form_to_older_airflow() -> None:
    """The matrix tests their widgets, where they exist."""
    behaviour = ModelArtsHook.get_ui_field_behaviour()

    jsonschema.validate(behaviour, airflows_schema("customized_form_field_behaviours.schema.json"))
    assert list(behaviour.values()) == list(CONNECTION_TYPE["ui-field-behaviour"].values())
    assert list(behaviour) == ["hidden_fields", "relabeling", "placeholders"]


@pytest.mark.parametrize("name", FIELDS)
def test_form_field_changes_settings(name: str) -> None:
    extra = {"project_id": "p"}

    found = outcome({**extra, name: example_of(FIELDS[name]["schema"])})

    assert found != outcome(extra)
    assert "unknown" not in str(found)


def test_parse_connection_reads_form_fields_only() -> None:
    """The fields are taken from the source, for no connection has all."""
    by_key = {
        name
        for name, method in inspect.getmembers(FieldParser, inspect.isfunction)
        if "key" in inspect.signature(method).parameters
    }
    calls = [node for node in ast.walk(ast.parse(inspect.getsource(reader))) if isinstance(node, ast.Call)]
    read = {
        call.args[0].value
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in by_key
        and isinstance(call.args[0], ast.Constant)
    }

    assert read == set(FIELDS)


@pytest.mark.parametrize("empty", [None, ""])
@pytest.mark.parametrize("filled_in", [{}, {"project_id": "p"}, {"region": "eu-de"}], ids=str)
def test_parse_connection_treats_empty_form_fields_as_absent(
    filled_in: dict[str, str], empty: str | None
) -> None:
    """The form stores null, and on Airflow 2.11 an empty text."""
    stored = {**dict.fromkeys(FIELDS, empty), **filled_in}

    assert outcome(stored) == outcome(filled_in or None)


AWKWARD = "a/b+c=d?e&f %g#h:i@j\"k'é"
AWKWARD_KEY = "a/b+c=d?e&f%g#h:i@j\"k'"


@pytest.mark.parametrize(
    ("extra", "fields"),
    [
        pytest.param({}, {}, id="plain"),
        pytest.param(dict.fromkeys(FIELDS), {}, id="nulls, as the form stores them"),
        pytest.param({"verify": False, "connect_timeout": 2.5, "read_timeout": 30}, {}, id="no strings"),
        pytest.param({"verify": "false", "connect_timeout": "2.5"}, {}, id="strings"),
        pytest.param(
            {"security_token": AWKWARD_KEY},
            {"login": AWKWARD_KEY, "password": AWKWARD_KEY},
            id="awkward keys",
        ),
        pytest.param(
            {"auth": "password", "domain_name": AWKWARD},
            {"login": AWKWARD, "password": f" {AWKWARD}\n"},
            id="an awkward user",
        ),
        pytest.param({"workspace_id": 0, "verify": 0}, {}, id="whole numbers"),
        pytest.param({"region": "eu-de"}, {"host": None}, id="no host"),
        pytest.param({}, {"port": 8443}, id="a port"),
        pytest.param({}, {"port": 443, "schema": ""}, id="as the button sends it"),
        pytest.param({}, {"host": "https://modelarts.example.com:8443"}, id="an address"),
        pytest.param({}, {"host": "https://modelarts.example.com:8443/"}, id="an address with a slash"),
        pytest.param({}, {"host": "https://modelarts.example.com", "port": 8443}, id="an address and a port"),
        pytest.param({}, {"host": "http://[::1]:8790"}, id="an IPv6 address"),
        pytest.param(
            {}, {"host": "::1", "schema": "http", "port": 8790}, id="an IPv6 address without brackets"
        ),
        pytest.param({}, {"host": "127.0.0.1", "schema": "http", "port": 8790}, id="a schema"),
        pytest.param({"region": {"deep": [1, None, {"er": True}]}}, {}, id="nested, and refused"),
        pytest.param({"colour": {"deep": [1]}}, {}, id="nested, and unknown"),
    ],
)
def test_test_button_tests_stored_values(extra: dict[str, Any], fields: dict[str, Any]) -> None:
    """It sends the connection through a URI and the environment."""
    given = {**FILLED_IN, **fields, "extra": json.dumps({"project_id": "p", **extra})}
    stored = Connection(conn_id="c", **given)

    tested = connection_from_uri(stored.get_uri())

    assert outcome_of(tested) == outcome_of(stored)
