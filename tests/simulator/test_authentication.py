"""Signatures of Huawei's SDK are accepted, and wrong ones are refused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest

from airflow_provider_modelarts.simulator import Simulator
from airflow_provider_modelarts.simulator.account import Account, AgencyRecord, Domain, ProjectRecord, User
from airflow_provider_modelarts.simulator.authentication import Authentication
from airflow_provider_modelarts.simulator.exchange import HttpRequest, Refusal
from airflow_provider_modelarts.simulator.issued_secrets import IssuedSecrets
from airflow_provider_modelarts.simulator.keys import KeyPair, Keyring
from airflow_provider_modelarts.simulator.routes import find
from airflow_provider_modelarts.simulator.signatures import sign
from airflow_provider_modelarts.simulator.tokens import Tokens

if TYPE_CHECKING:
    from tests.simulator.conftest import Answer, Client, Start

NEW_YEAR = datetime(2025, 1, 1, tzinfo=timezone.utc).timestamp()

# Both were made with SDK 3.1.219: AK, SK, 20250101T000000Z.
VECTORS = [
    pytest.param(
        HttpRequest(
            "GET",
            "/v1/pid/images?type=DEDICATED&name_fuzzy_match=false",
            (
                ("Host", "modelarts.cn-north-4.myhuaweicloud.com"),
                ("Content-Type", "application/json"),
                ("X-Project-Id", "pid"),
                ("X-Sdk-Date", "20250101T000000Z"),
            ),
        ),
        "content-type;host;x-project-id;x-sdk-date",
        "7a35cee98613de8226f2f7b24b791295c195ad037e38028c703158756a4b6d47",
        id="get-with-query",
    ),
    pytest.param(
        HttpRequest(
            "POST",
            "/v1/pid/notebooks/x/create-image",
            (
                ("Host", "h.example"),
                ("Content-Type", "application/json"),
                ("X-Sdk-Date", "20250101T000000Z"),
            ),
            b'{"name":"a"}',
        ),
        "content-type;host;x-sdk-date",
        "c37680bfe6d636cc6a859148e6ed05aa32b27dfdb9c5583016ef46559061ff1d",
        id="post-with-body",
    ),
]


def admit(project_id: str, request: HttpRequest) -> None:
    """Check a request on New Year's Day, with the keys AK and SK."""
    keyring = Keyring(KeyPair("AK", "SK"), lambda: NEW_YEAR, IssuedSecrets())
    tokens = Tokens(lambda: NEW_YEAR, IssuedSecrets())
    route = find(request)
    assert route is not None
    domain = Domain("account")
    account = Account(
        User("u", "p", domain), AgencyRecord("a", domain), ProjectRecord(project_id, "cn-north-4")
    )
    Authentication(account, keyring, tokens, lambda: NEW_YEAR, "access").admit(request, route)


def verdict(answer: Answer) -> tuple[int, str, str]:
    """Return status, code and the gateway's message about the keys."""
    message: str = answer.json["error_msg"]
    return *answer.error, message.partition(": ")[2]


WRONG = (401, "APIGW.0301", "verify aksk signature fail")
LOCKED = (401, "APIGW.0301", "AK access failed to reach the limit, forbidden")


@pytest.mark.parametrize(("request_", "signed", "signature"), VECTORS)
def test_sdk_signature_equals_simulators(request_: HttpRequest, signed: str, signature: str) -> None:
    """The simulator implements the signing guide independently."""
    assert sign(request_, tuple(signed.split(";")), "SK") == signature


@pytest.mark.parametrize(("request_", "signed", "signature"), VECTORS)
def test_simulator_accepts_signing_vectors(request_: HttpRequest, signed: str, signature: str) -> None:
    value = f"SDK-HMAC-SHA256 Access=AK, SignedHeaders={signed}, Signature={signature}"
    headers = (*request_.headers, ("Authorization", value))
    admit("pid", HttpRequest(request_.method, request_.target, headers, request_.body))


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        pytest.param({"name": "a b~c/ü&=+%"}, {}, id="query-to-encode"),
        pytest.param({"name": "", "limit": 5, "namespace": "z"}, {}, id="query-to-sort"),
        pytest.param({}, {"X-Project-Id": "pid", "User-Agent": " spaced "}, id="more-headers"),
        pytest.param({}, {"X-Note": "ünïcode"}, id="unicode-header"),
        pytest.param({}, {"not_signed": "x"}, id="underscore-header"),
    ],
)
def test_simulator_accepts_every_request_of_sdk(
    client: Client, query: Mapping[str, object], headers: Mapping[str, str]
) -> None:
    assert client.call("GET", "/images", query, headers=headers).status == 200


def test_path_is_decoded_before_it_is_signed(client: Client) -> None:
    """An encoded id passes the check, and is then not found."""
    assert client.image("a%20b~%C3%BC").error == (400, "ModelArts.6404")


def test_unsigned_payload_is_accepted_when_declared(client: Client) -> None:
    """The SDK leaves a body that is not JSON out of the signature, and declares it in a header."""
    headers = {"Content-Type": "text/plain"}
    answer = client.call("POST", f"/notebooks/{client.notebook_id}/create-image", None, {"name": 1}, headers)
    assert answer.error == (400, "ModelArts.0104")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"method": "DELETE"}, id="method"),
        pytest.param({"target": "/v1/other/images"}, id="path"),
        pytest.param({"query": "?type=BUILD_IN"}, id="query"),
        pytest.param({"body": b"{}"}, id="body"),
        pytest.param({"X-Project-Id": "other"}, id="header"),
        pytest.param({"Host": "other"}, id="host"),
    ],
)
def test_changed_request_is_refused(client: Client, change: Mapping[str, object]) -> None:
    path = f"{client.project}/images/x"
    request = client.signed("GET", path, headers={"X-Project-Id": "pid"})
    headers = request.header_params | {
        name: value for name, value in change.items() if name in ("X-Project-Id", "Host")
    }
    body = change.get("body")
    answer = client.send(
        str(change.get("method", "GET")),
        path.replace(*(("/v1/", "/v1/%20") if "target" in change else ("", "")))
        + str(change.get("query", "")),
        body if isinstance(body, bytes) else None,
        headers,
    )
    assert verdict(answer) == WRONG


@pytest.mark.parametrize("missing", ["host", "x-sdk-date"])
def test_host_and_date_must_be_signed(missing: str) -> None:
    """Otherwise a signature could be used for another host or later."""
    request = HttpRequest("GET", "/v1/p/images", (("Host", "h"), ("X-Sdk-Date", "20250101T000000Z")))
    signed = tuple(name for name in ("host", "x-sdk-date") if name != missing)
    value = f"SDK-HMAC-SHA256 Access=AK, SignedHeaders={signed[0]}, Signature={sign(request, signed, 'SK')}"
    with pytest.raises(Refusal, match="verify aksk signature fail"):
        admit("p", HttpRequest("GET", "/v1/p/images", (*request.headers, ("Authorization", value))))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "x-auth-token not found"),
        ("Basic abc", "not of the form"),
        ("SDK-HMAC-SHA256 Access=AK, SignedHeaders=host, Signature=short", "not of the form"),
        (
            "SDK-HMAC-SHA256 Credential=AK/today/r/s/sdk_request, SignedHeaders=h, Signature=" + 64 * "0",
            "form",
        ),
        (
            "SDK-HMAC-SHA256 Credential=AK/20250101/r/sdk_request, SignedHeaders=h, Signature=" + 64 * "0",
            "form",
        ),
    ],
    ids=["none", "basic", "short", "no-day", "no-service"],
)
def test_other_authorization_is_refused(client: Client, value: str | None, reason: str) -> None:
    headers = {} if value is None else {"Authorization": value}
    answer = client.send("GET", f"{client.project}/images", None, headers)
    assert answer.error == (401, "APIGW.0301")
    assert reason in answer.json["error_msg"]


def test_unknown_access_key_is_refused(client: Client) -> None:
    client.access_key = "NOBODY"
    assert verdict(client.images()) == (401, "APIGW.0301", "Get secretKey failed,ak:NOBODY,err:ak not exist")


@pytest.mark.parametrize(("skew", "status"), [(-890, 200), (890, 200), (-910, 401), (910, 401)], ids=str)
def test_signature_is_valid_for_fifteen_minutes(client: Client, skew: int, status: int) -> None:
    """In both directions."""
    client.skew = skew
    assert client.images().status == status


def test_old_signature_has_code_0303(simulator: Simulator, client: Client) -> None:
    """Huawei's code for clock skew; the simulator's clock counts."""
    request = client.signed("GET", f"{client.project}/images")
    simulator.advance(3600)
    answer = client.send("GET", request.uri, None, request.header_params)
    assert answer.error == (401, "APIGW.0303")


def test_unreadable_date_is_refused(client: Client) -> None:
    request = client.signed("GET", f"{client.project}/images")
    answer = client.send("GET", request.uri, None, request.header_params | {"X-Sdk-Date": "yesterday"})
    assert "X-Sdk-Date" in answer.json["error_msg"]


def test_five_wrong_signatures_lock_key_for_five_minutes(simulator: Simulator, client: Client) -> None:
    """Correct signatures are refused, too."""
    right, client.secret_key = client.secret_key, "wrong"
    wrong = [verdict(client.images()) for _ in range(5)]
    client.secret_key = right
    locked = verdict(client.images())
    simulator.advance(299)
    still_locked = verdict(client.images())
    simulator.advance(2)
    assert (wrong, locked, still_locked) == ([WRONG] * 5, LOCKED, LOCKED)
    assert client.images().status == 200


def test_correct_signature_resets_count_of_wrong_ones(client: Client) -> None:
    right = client.secret_key
    for _ in range(3):
        client.secret_key = "wrong"
        for _ in range(4):
            client.images()
        client.secret_key = right
        assert client.images().status == 200


def test_reset_unlocks_key(simulator: Simulator, client: Client) -> None:
    right, client.secret_key = client.secret_key, "wrong"
    for _ in range(6):
        client.images()
    simulator.reset()
    client.secret_key = right
    assert client.images().status == 200


@pytest.mark.parametrize(
    ("expected", "given", "status"),
    [("token", "token", 200), ("token", "other", 401), ("token", None, 401), (None, "token", 401)],
    ids=["equal", "another", "missing", "not-wanted"],
)
def test_security_token_is_for_temporary_keys_only(
    start: Start, expected: str | None, given: str | None, status: int
) -> None:
    simulator, client = start(security_token=expected)
    headers = {} if given is None else {"X-Security-Token": given}
    assert client.call("GET", "/images", headers=headers).status == status
    assert simulator.connection["extra"].get("security_token") == expected
