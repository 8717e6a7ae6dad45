"""The test button: one case for each stage that can fail."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import Connection

from airflow_provider_modelarts.exceptions import (
    ApiError,
    AuthenticationError,
    ConnectionLookupError,
    ModelArtsError,
    TransportError,
)
from airflow_provider_modelarts.hooks import connection_test
from airflow_provider_modelarts.hooks.connection import parse_connection
from airflow_provider_modelarts.hooks.connection_test import diagnose
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.simulator import Fault, Simulator
from tests.certificates import Authority
from tests.servers import closed_port, serving

PASSWORD: dict[str, Any] = {"login": "snapshot-user", "password": "simulator-password"}
USER: dict[str, Any] = {"auth": "password", "domain_name": "research-account"}
Try = Callable[..., tuple[bool, str]]


@pytest.fixture
def press(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Try:
    """Press the button for the simulator's connection with some fields and extras replaced."""

    def press(*, extra: dict[str, Any] | None = None, **fields: Any) -> tuple[bool, str]:
        given = {**simulator.connection, **fields}
        given["extra"] = {**simulator.connection["extra"], **(extra or {})}
        monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(given))
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
            monkeypatch.delenv(name, raising=False)
        return ModelArtsHook().test_connection()

    return press


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="access key"),
        pytest.param({**PASSWORD, "extra": USER}, id="user and password"),
        pytest.param({"extra": {"project_id": None}}, id="project by name"),
    ],
)
def test_probe_accepts_good_connection(fields: dict[str, Any], press: Try, simulator: Simulator) -> None:
    """At the cost of listing one image, which changes nothing."""
    assert press(**fields) == (True, f"Connected to ModelArts at {simulator.endpoint}; credentials accepted")
    lists = [entry.query for entry in simulator.journal if entry.operation == "ListImages"]
    assert lists == ["limit=1&name_fuzzy_match=false&type=DEDICATED"]


@pytest.mark.parametrize(
    ("fields", "begins"),
    [
        pytest.param({"host": "http://modelarts.invalid"}, "No such host", id="dns"),
        pytest.param({"extra": {"proxy": "http://127.0.0.1:1"}}, "The proxy failed", id="proxy"),
        pytest.param({"login": "ANOTHERKEY"}, "The access key is unknown", id="access key"),
        pytest.param({"password": "another-secret"}, "The secret key is wrong", id="secret key"),
        pytest.param(
            {**PASSWORD, "extra": {**USER, "domain_name": "x"}}, "IAM refused the login", id="account"
        ),
        pytest.param(
            {"login": "snapshot-user", "password": "wrong-password", "extra": USER},
            "IAM refused the login",
            id="password",
        ),
        pytest.param(
            {"extra": {"project_id": "f" * 32}},
            "The credentials are valid, but not for this project",
            id="project",
        ),
        pytest.param(
            {"extra": {"project_id": None, "project_name": "mars-1"}},
            "No project named 'mars-1' is visible",
            id="project name",
        ),
        pytest.param({"login": None}, "The connection cannot be used: login", id="no login"),
        pytest.param(
            {"host": None, "login": None, "extra": {"region": None, "project_id": None, "cloud": "x"}},
            "The connection cannot be used: extra region is missing",
            id="nearly empty",
        ),
        pytest.param(
            {"extra": {"verify": "/no/such.pem"}}, "'/no/such.pem' cannot be used as CA", id="CA file"
        ),
    ],
)
def test_diagnose_names_cause_and_remedy_without_secret(
    fields: dict[str, Any], begins: str, press: Try
) -> None:
    good, message = press(**fields)

    assert (good, message[: len(begins)]) == (False, begins)
    assert str(fields.get("password")) not in message


def test_diagnose_names_closed_port(press: Try) -> None:
    with closed_port() as port:
        good, message = press(host=f"http://127.0.0.1:{port}")

    assert not good
    assert message.startswith("The host refuses connections")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A private one."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize("is_trusted", [True, False], ids=["out of date", "unknown authority"])
def test_diagnose_names_invalid_certificate(is_trusted: bool, authority: Authority, press: Try) -> None:
    certificate = authority.certify(until=timedelta(days=-1 if is_trusted else 1))
    with Simulator(certificate=certificate) as secure:
        verify = str(authority.file) if is_trusted else None
        good, message = press(host=secure.endpoint, extra={"verify": verify})

    assert not good
    assert message.startswith("TLS failed")


def test_diagnose_names_clock_skew(press: Try, simulator: Simulator) -> None:
    simulator.advance(3600)

    good, message = press()

    assert not good
    assert message.startswith("The clock of this machine is 60 minutes behind; at most 15 are allowed.")


def test_diagnose_names_clock_that_is_ahead() -> None:
    error = AuthenticationError("refused", status=401, code="APIGW.0303", clock_skew=-20 * 60)

    assert diagnose(error, None).startswith(
        "The clock of this machine is 20 minutes ahead; at most 15 are allowed."
    )


def test_diagnose_names_locked_key(press: Try) -> None:
    """The correct secret is refused, too."""
    for _ in range(5):
        press(password="another-secret")

    good, message = press()

    assert not good
    assert message.startswith("The access key is locked")


@pytest.mark.parametrize(
    ("fault", "begins"),
    [
        pytest.param(
            Fault("error", "ListImages", status=403, code="ModelArts.0108"),
            "A permission is missing: grant modelarts:image:list",
            id="permission",
        ),
        pytest.param(
            Fault("error", "ListImages", status=404, code="APIGW.0101", envelope="gateway"),
            "ModelArts is not offered at http://127.0.0.1",
            id="no ModelArts here",
        ),
        pytest.param(
            Fault("html", "ListImages", status=404),
            "ModelArts is not offered at http://127.0.0.1",
            id="another service here",
        ),
        pytest.param(
            Fault("html", "ListImages", status=403), "Access denied without a known code", id="a firewall"
        ),
        pytest.param(
            Fault("html", "ListImages", status=407), "The proxy failed: check extra proxy", id="a proxy"
        ),
        pytest.param(
            Fault("error", "ListImages", status=400, code="ModelArts.9999"),
            "ModelArts refused the request with an unknown code",
            id="an unknown code",
        ),
        pytest.param(Fault("html", "ListImages"), "Unexpected response from ModelArts", id="something else"),
        pytest.param(Fault("reset", "ListImages", times=None), "The connection broke", id="connection"),
    ],
)
def test_diagnose_includes_message_and_request_id_of_service(
    fault: Fault, begins: str, press: Try, simulator: Simulator
) -> None:
    simulator.inject(fault)

    good, message = press()

    assert not good
    assert message.startswith(begins)


def test_probe_times_out_soon_when_service_hangs(press: Try, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the button's own timeouts, whatever the connection says."""
    monkeypatch.setattr(connection_test, "READ_TIMEOUT", 0.2)

    with serving(lambda peer: peer.hang()) as silent:
        good, message = press(host=silent.url, extra={"read_timeout": 600, "connect_timeout": 600})

    assert not good
    assert message.startswith("No response in time")


@pytest.mark.parametrize(
    ("error", "begins"),
    [
        pytest.param(
            ConnectionLookupError("Airflow did not give it"), "Airflow did not give it", id="lookup"
        ),
        pytest.param(
            ApiError("refused", status=401, code="IAM.0001"),
            "The credentials were refused",
            id="IAM's own code",
        ),
        pytest.param(
            ApiError("refused", status=403, code="IAM.0002"), "Access denied", id="a permission of IAM"
        ),
        pytest.param(ModelArtsError("odd"), "Unexpected response from ModelArts", id="anything else"),
    ],
)
def test_diagnose_names_stage_without_settings(error: ModelArtsError, begins: str) -> None:
    assert diagnose(error, None).startswith(begins)
    assert str(error) in diagnose(error, None)


@pytest.mark.parametrize(
    ("extra", "environment", "names"),
    [
        pytest.param(
            "http://user:p%2Fw@proxy.example:3128",
            "",
            "check extra proxy and the proxy at proxy.example:3128",
            id="extra",
        ),
        pytest.param("proxy.example", "", "check extra proxy and the proxy at proxy.example.", id="no port"),
        pytest.param("http://user:pw@[::1]:3128", "", "and the proxy at [::1]:3128.", id="IPv6"),
        pytest.param(
            None,
            "http://user:p@w@proxy.example:8080/",
            "check the environment's proxies and the proxy at proxy.example:8080.",
            id="environment",
        ),
        pytest.param(
            None, "http://user:p/w", "check extra proxy, or the environment's proxies.", id="unreadable"
        ),
        pytest.param(None, "", "check extra proxy, or the environment's proxies.", id="none"),
    ],
)
def test_diagnose_names_proxy_without_password(
    extra: str | None, environment: str, names: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", environment)
    given = {"region": "eu-de", "project_id": "p", "proxy": extra}
    connection = Connection(
        conn_id="c", conn_type="modelarts", login="AK", password="SK", extra=json.dumps(given)
    )

    message = diagnose(TransportError("No reply", stage="proxy"), parse_connection(connection))

    assert message.startswith("The proxy failed: ")
    assert names in message
    assert "user" not in message
