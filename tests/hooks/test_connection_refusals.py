"""Invalid values in a connection: the error names the field, nothing is sent, no value is shown."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import Connection

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.exceptions import PERMANENT, InvalidConnectionError
from airflow_provider_modelarts.hooks.connection import parse_connection
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.provider_info import connection_fields
from airflow_provider_modelarts.simulator import Simulator
from tests.hooks.connections import AGENCY, CANARY, USER, refusal, settings, with_value

INVISIBLE = [
    "\n",
    "\r\n",
    "\x00",
    "\t",
    "\x1b",
    "\x7f",
    "\x85",
    "\xad",
    "\u200b",
    "\u2028",
    "\ufeff",
    "\ud800",
]
NOT_TEXT = {"connect_timeout", "read_timeout"}
TEXTS = ["login", "password", "host", *(name for name in connection_fields() if name not in NOT_TEXT)]


@pytest.mark.parametrize("character", INVISIBLE, ids=ascii)
@pytest.mark.parametrize("field", TEXTS)
def test_parse_connection_rejects_invisible_characters_in_every_text(field: str, character: str) -> None:
    shown = refusal(**with_value(field, f"{CANARY}{character}{CANARY}"))

    message = shown.splitlines()[0]
    assert CANARY not in shown
    assert message.count(f"{field} must not have a line break") == 1
    assert "missing" not in message


@pytest.mark.parametrize("value", ["{0} {0}", "{0}\xa0{0}", "{0}é", "{0}\u4e2d"], ids=ascii)
@pytest.mark.parametrize("field", ["login", "password", "security_token"])
def test_parse_connection_rejects_characters_that_no_key_has(field: str, value: str) -> None:
    shown = refusal(**with_value(field, value.format(CANARY)))

    assert f"{field} must" in shown
    assert CANARY not in shown


def test_parse_connection_rejects_half_surrogate_pair_in_password() -> None:
    shown = refusal(password=f"{CANARY}\ud83d", extra=USER)

    assert "password must not contain an incomplete character" in shown
    assert CANARY not in shown


@pytest.mark.parametrize("region", ["eu_de", "EU_DE", "cn-north-4_team", "eu-de_research"])
@pytest.mark.parametrize("cloud", [None, "huaweicloud", "huaweicloud-eu", "otc"])
def test_parse_connection_names_underscore_in_region(cloud: str | None, region: str) -> None:
    shown = refusal(extra={"region": region, "cloud": cloud})

    assert "is a project name: set extra project_name instead" in shown
    assert region not in shown


@pytest.mark.parametrize(
    "region",
    [
        *(
            "eu-de/",
            "/eu-de",
            "https://modelarts.eu-de.otc.t-systems.com",
            "modelarts.eu-de.otc.t-systems.com",
        ),
        *(
            "eu de",
            "eu-de,eu-nl",
            "-eu-de",
            "eu-de-",
            "eu\u2013de",
            "\u1d07u-de",
            "eu.de",
            "a" * 64,
            "eu-de?",
            "eu-de#x",
        ),
    ],
)
def test_parse_connection_rejects_invalid_region(region: str) -> None:
    shown = refusal(extra={"region": region})

    assert "extra region must be letters, digits and hyphens, such as eu-de" in shown
    assert "missing" not in shown
    assert region not in shown


@pytest.mark.parametrize("region", ["a/b", "a b", "a,b", "dé"])
def test_parse_connection_rejects_region_that_no_signature_can_have(region: str) -> None:
    shown = refusal(host="ma.example.com", extra={"cloud": "custom", "region": region})

    assert "extra region must be ASCII characters without white space, comma and slash" in shown
    assert f"{region!r}" not in shown


@pytest.mark.parametrize("field", ["auth", "signature", "cloud"])
@pytest.mark.parametrize("typed", ["?", "accesskey", "otc.", "acce\u017f\u017f", "access|credential", 1])
def test_parse_connection_rejects_unknown_choice(field: str, typed: object) -> None:
    assert f"extra {field} must be one of " in refusal(extra={field: typed})


@pytest.mark.parametrize("value", [1.0, 1e300, float("nan"), True, False, [], ["a"], {"a": 1}], ids=str)
@pytest.mark.parametrize(
    "field", [name for name in TEXTS if name not in {"login", "password", "host", "verify"}]
)
def test_parse_connection_rejects_other_types_in_extra(field: str, value: object) -> None:
    message = refusal(extra={**AGENCY, field: value}).splitlines()[0]

    assert f"extra {field} must be a string in quotes, not {type(value).__name__}" in message


@pytest.mark.parametrize("field", ["login", "password", "host"])
@pytest.mark.parametrize("value", [1.5, True, [CANARY], {"a": CANARY}], ids=str)
@pytest.mark.parametrize("auth", [{}, USER], ids=["keys", "user"])
def test_parse_connection_rejects_other_types_in_standard_fields(
    field: str, value: object, auth: dict[str, str]
) -> None:
    shown = refusal(**{field: value, "extra": auth})

    assert f"{field} must be a string in quotes, not {type(value).__name__}" in shown
    assert CANARY not in shown


@pytest.mark.parametrize("extra", [{"a": 1}, 5, b"[]", json.dumps(json.dumps({"region": CANARY}))])
def test_parse_connection_rejects_extra_that_is_not_json(extra: Any) -> None:
    """It reports no field as missing that may be in it."""
    with pytest.raises(InvalidConnectionError) as caught:
        parse_connection(Connection(conn_id="c", conn_type="modelarts", extra=extra))

    assert str(caught.value) == "Connection 'c' cannot be used: extra is not a JSON object"


@pytest.mark.parametrize("value", [1.0, 0.0, [], ["/etc/ca.pem"], {}, "ca\x00.pem", "ca\n.pem"], ids=ascii)
def test_parse_connection_rejects_verify_that_is_neither_flag_nor_file(value: object) -> None:
    assert "extra verify must " in refusal(extra={"verify": value})


@pytest.mark.parametrize("field", ["connect_timeout", "read_timeout"])
@pytest.mark.parametrize(
    "value",
    [
        0,
        -1,
        "0",
        86_400,
        float("nan"),
        float("inf"),
        "nan",
        "NaN",
        "inf",
        "Infinity",
        True,
        False,
        "5s",
        "5,5",
        [5],
        {},
    ],
    ids=repr,
)
def test_parse_connection_rejects_timeout_that_no_socket_accepts(field: str, value: object) -> None:
    assert f"extra {field} must be a number of seconds above 0 and below 86400" in refusal(
        extra={field: value}
    )


@pytest.mark.parametrize(
    ("field", "value", "example"),
    [
        ("host", "http://", "https://modelarts.eu-de.otc.t-systems.com"),
        ("host", f"https://user:{CANARY}@example.com", "https://modelarts.eu-de.otc.t-systems.com"),
        ("host", f"example.com/{CANARY}", "https://modelarts.eu-de.otc.t-systems.com"),
        ("iam_endpoint", f"iam.example.com/v2/{CANARY}", "https://iam.eu-de.otc.t-systems.com"),
        ("iam_endpoint", "https://", "https://iam.eu-de.otc.t-systems.com"),
        ("swr_endpoint", f"swr.example.com/v2/{CANARY}", "https://swr-api.eu-de.otc.t-systems.com"),
        ("swr_endpoint", f"https://user:{CANARY}@swr.example.com", "https://swr-api.eu-de.otc.t-systems.com"),
        ("console_url", f"https://example.com?{CANARY}", "https://console.otc.t-systems.com"),
        ("console_url", f"javascript:{CANARY}", "https://console.otc.t-systems.com"),
        ("proxy", f"http://user:{CANARY}/{CANARY}@proxy:3128", "http://user:password@proxy.example.com:3128"),
        ("proxy", f"http://user:{CANARY}@", "http://user:password@proxy.example.com:3128"),
        ("proxy", f"socks5://user:{CANARY}@proxy", "http://user:password@proxy.example.com:3128"),
    ],
)
def test_parse_connection_shows_example_for_each_address(field: str, value: str, example: str) -> None:
    shown = refusal(**with_value(field, value))

    assert f"{field} must be " in shown
    assert f"such as {example}" in shown
    assert CANARY not in shown
    assert "missing" not in shown


def test_parse_connection_explains_percent_encoding_of_proxy_password() -> None:
    shown = refusal(extra={"proxy": f"http://user:{CANARY}#@proxy:3128"})

    assert (
        "user and password percent-encoded (%2F for /, %23 for #, %3F for ?, %40 for @, %5C for \\)" in shown
    )


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("schema", "ftp", "schema must be one of http, https"),
        ("schema", CANARY, "schema must be one of http, https"),
        ("port", -1, "port must be a whole number from 1 to 65535"),
        ("port", 65_536, "port must be a whole number from 1 to 65535"),
        ("port", CANARY, "port must be a whole number from 1 to 65535"),
        ("port", 80.5, "port must be a string in quotes, not float"),
    ],
)
def test_parse_connection_rejects_schema_and_port_by_name(field: str, value: object, rule: str) -> None:
    shown = refusal(host="example.com", **{field: value})

    assert rule in shown
    assert "host must" not in shown
    assert CANARY not in shown


@pytest.mark.parametrize("value", [CANARY, {"a": CANARY}, [CANARY]], ids=["text", "object", "list"])
@pytest.mark.parametrize("field", ["colour", "password", "secret_key", "obs_endpoint"])
def test_parse_connection_names_unknown_extra_without_value(field: str, value: object) -> None:
    shown = refusal(extra={field: value})

    assert f"extra '{field}' is unknown" in shown
    assert CANARY not in shown


@pytest.mark.parametrize("key", ["region ", "Region", "\u200bregion", "extra__http__region"])
def test_parse_connection_suggests_known_extra_for_unknown_one(key: str) -> None:
    assert f"extra {key!a} is unknown: it may be one of " in refusal(extra={key: "eu-de"})


def test_settings_show_no_secret() -> None:
    found = settings(
        login=CANARY, password=CANARY, extra={"security_token": CANARY, "proxy": f"http://u:{CANARY}@proxy"}
    )

    for shown in (found, found.identity, found.transport_config):
        assert CANARY not in repr(shown)
    assert found.transport_config.proxy == f"http://u:{CANARY}@proxy"


@pytest.mark.parametrize(
    "defect",
    [
        pytest.param({"extra": {"security_token": f"{CANARY}\n{CANARY}"}}, id="token"),
        pytest.param({"login": f"AK\n{CANARY}"}, id="access key"),
        pytest.param({"extra": {"proxy": f"http://u:{CANARY}/@127.0.0.1:1"}}, id="proxy"),
        pytest.param({"extra": {"region": f"{CANARY}_x"}}, id="region"),
    ],
)
def test_invalid_connection_sends_nothing_and_is_not_retried(
    defect: dict[str, Any],
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither by a worker nor by a trigger nor by the test button."""
    given = {**simulator.connection, **defect}
    given["extra"] = {**simulator.connection["extra"], **defect.get("extra", {})}
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(given))
    hook = ModelArtsHook()

    with pytest.raises(InvalidConnectionError) as in_worker:
        hook.call(operations.list_images())
    with pytest.raises(InvalidConnectionError) as in_trigger:
        asyncio.run(hook.acall(operations.list_images()))
    good, message = hook.test_connection()

    assert isinstance(in_worker.value, PERMANENT)
    assert not in_worker.value.is_transient
    assert str(in_trigger.value) == str(in_worker.value)
    # The test button uses a copy of the connection with an id of its own, which the message leaves out.
    without_id = str(in_worker.value).replace("Connection 'modelarts_default' ", "The connection ")
    assert not good
    # On Airflow 2 it also explains why a stored secret is missing.
    assert message.startswith(without_id)
    assert CANARY not in message + caplog.text
    assert (simulator.connections, simulator.journal) == (0, ())
