"""IAM: tokens for a password, the list of projects, keys for an agency."""

from __future__ import annotations

import re
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_modelarts.simulator import Fault, Simulator

if TYPE_CHECKING:
    from tests.simulator.conftest import Answer, Client, Start

KEYS = "/v3.0/OS-CREDENTIAL/securitytokens"
AGENCY = {"agency_name": "snapshot-agency", "domain_name": "research-account"}


def keystone(status: int, title: str, message: str) -> tuple[int, dict[str, object]]:
    """Give a refusal of the part of IAM under /v3."""
    return status, {"error": {"code": status, "title": title, "message": message}}


UNPROVEN = keystone(401, "Unauthorized", "The request you have made requires authentication.")
INVALID = keystone(401, "Unauthorized", "The X-Auth-Token is invalid!")
MALFORMED = keystone(400, "Bad Request", "The request body is invalid")


def seconds(written: str) -> float:
    """Read a time as IAM writes it."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", written)
    return datetime.strptime(written, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc).timestamp()


def assume(client: Client, headers: dict[str, str] | None = None, **given: object) -> Answer:
    """Ask for temporary keys, with a signature unless there are headers."""
    body = {"auth": {"identity": {"methods": ["assume_role"], "assume_role": AGENCY | given}}}
    if headers is None:
        return client.call_signed("POST", KEYS, None, body)
    return client.call_unsigned("POST", KEYS, body, headers)


def test_token_is_in_a_header_and_described_in_the_body(simulator: Simulator, client: Client) -> None:
    """The shape of the page's example."""
    simulator.advance(3600)
    answer = client.log_in()
    token = answer.json["token"]
    domain = token["user"]["domain"]
    issued, expires = seconds(token.pop("issued_at")), seconds(token.pop("expires_at"))
    assert (answer.status, domain["name"]) == (201, "research-account")
    assert issued == pytest.approx(simulator.now(), abs=5)
    assert expires - issued == pytest.approx(86_400, abs=1)
    assert token == {
        "methods": ["password"],
        "user": {
            "domain": domain,
            "id": token["user"]["id"],
            "name": "snapshot-user",
            "password_expires_at": "",
        },
        "project": {
            "domain": domain,
            "id": simulator.connection["extra"]["project_id"],
            "name": "cn-north-4",
        },
        "roles": token["roles"],
    }
    assert answer.headers["X-Subject-Token"].startswith("MII")


@pytest.mark.parametrize(("query", "listed"), [("", True), ("?nocatalog=", True), ("?nocatalog=1", False)])
def test_catalog_can_be_left_out(simulator: Simulator, client: Client, query: str, listed: bool) -> None:
    """Any text that is not empty means yes."""
    user = {"name": "snapshot-user", "password": "simulator-password", "domain": {"name": "research-account"}}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
    token = client.call_unsigned("POST", f"/v3/auth/tokens{query}", body).json["token"]
    assert "project" not in token
    assert ("catalog" in token) is listed
    if listed:
        assert token["catalog"][0]["endpoints"][0]["url"] == f"{simulator.endpoint}/v3"


@pytest.mark.parametrize(
    "user",
    [{"name": "somebody"}, {"password": "wrong"}, {"domain": {"name": "another-account"}}],
    ids=["user", "password", "domain"],
)
def test_wrong_login_is_refused(client: Client, user: dict[str, object]) -> None:
    """Without saying what is wrong about it."""
    answer = client.log_in(**user)
    assert (answer.status, answer.json) == keystone(401, "Unauthorized", "The username or password is wrong.")
    assert "X-Subject-Token" not in answer.headers


@pytest.mark.parametrize("project", [{"name": "nowhere"}, {"id": "0"}], ids=str)
def test_unknown_project_is_refused_as_in_keystone(client: Client, project: dict[str, str]) -> None:
    """With the 401 of a request without proof."""
    answer = client.log_in({"project": project})
    assert (answer.status, answer.json) == UNPROVEN


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b"{}",
        b'{"auth": []}',
        b'{"auth": {"identity": {"methods": ["assume_role"], "assume_role": {}}}}',
        b'{"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "snapshot-user"}}}}}',
    ],
    ids=["empty", "no-json", "list", "no-auth", "no-object", "other-method", "no-password"],
)
def test_malformed_login_is_refused(client: Client, body: bytes) -> None:
    """What is not the password method is not understood."""
    answer = client.send("POST", "/v3/auth/tokens", body, {})
    assert (answer.status, answer.json) == MALFORMED


@pytest.mark.parametrize("project", [{}, "cn-north-4", {"id": 1}], ids=str)
def test_malformed_scope_is_refused(client: Client, project: object) -> None:
    """A project has a name or an id, which are texts."""
    answer = client.log_in({"project": project})
    assert (answer.status, answer.json) == MALFORMED


def test_user_and_account_can_be_chosen(start: Start) -> None:
    """As an administrator would."""
    _, client = start(user_name="u", user_password="p", domain_name="d", project_id="x", region="eu-nl")
    answer = client.log_in({"project": {"name": "eu-nl"}}, name="u", password="p", domain={"name": "d"})
    assert answer.json["token"]["project"]["id"] == "x"


def test_project_is_found_by_its_name(simulator: Simulator, client: Client) -> None:
    """With a signature as with a token, whatever its scope."""
    signed = client.call_signed("GET", "/v3/projects", {"name": "cn-north-4"})
    headers = {"X-Auth-Token": client.token({})}
    with_token = client.call_unsigned("GET", "/v3/projects?name=cn-north-4", headers=headers)
    (project,) = signed.json["projects"]
    assert (signed.status, signed.json) == (with_token.status, with_token.json)
    assert project == {
        "description": "",
        "domain_id": client.log_in().json["token"]["user"]["domain"]["id"],
        "enabled": True,
        "id": simulator.connection["extra"]["project_id"],
        "is_domain": False,
        "links": {"self": f"{simulator.endpoint}/v3/projects/{project['id']}"},
        "name": "cn-north-4",
        "parent_id": project["domain_id"],
    }
    assert signed.json["links"] == {
        "self": f"{simulator.endpoint}/v3/projects?name=cn-north-4",
        "previous": None,
        "next": None,
    }


def test_projects_can_be_added(simulator: Simulator, client: Client) -> None:
    """Subprojects are not found by the region's name; a name may occur twice; a reset forgets them."""
    team = simulator.add_project("cn-north-4_team")
    twins = [simulator.add_project("twin", "t-1"), simulator.add_project("twin", "t-2")]

    def found(**query: str) -> list[str]:
        projects: list[dict[str, Any]] = client.call_signed("GET", "/v3/projects", query).json["projects"]
        return [project["id"] for project in projects]

    home = simulator.connection["extra"]["project_id"]
    assert found(name="cn-north-4") == [home]
    assert found(name="twin") == twins == ["t-1", "t-2"]
    assert found(name="nowhere") == []
    assert found() == [home, team, *twins]
    with pytest.raises(ValueError, match="project t-1 already exists"):
        simulator.add_project("again", "t-1")
    simulator.reset()
    assert found() == [home]


@pytest.mark.parametrize(
    ("token", "refusal"), [(None, UNPROVEN), ("unknown", INVALID), ("expired", INVALID), ("revoked", INVALID)]
)
def test_projects_need_proof(
    simulator: Simulator, client: Client, token: str | None, refusal: tuple[int, object]
) -> None:
    """IAM judges its own tokens, in its own words."""
    headers = {} if token is None else {"X-Auth-Token": token if token == "unknown" else client.token()}
    if token == "revoked":
        simulator.revoke_tokens()
    if token == "expired":
        simulator.advance(86_401)
    answer = client.call_unsigned("GET", "/v3/projects", headers=headers)
    assert (answer.status, answer.json) == refusal


def test_gateway_judges_signatures_for_iam(client: Client) -> None:
    """A wrong one is refused as at ModelArts, and the failures add up."""
    right, client.secret_key = client.secret_key, "wrong"
    answers = [client.call_signed("GET", "/v3/projects") for _ in range(5)]
    client.secret_key = right
    assert {answer.error for answer in answers} == {(401, "APIGW.0301")}
    assert client.images().json["error_msg"].endswith("forbidden")


@pytest.mark.parametrize("proof", ["signature", "token"])
@pytest.mark.parametrize("given", [{}, {"duration_seconds": 900}, {"duration_seconds": 86_400}], ids=str)
def test_agency_can_be_assumed(
    simulator: Simulator, client: Client, given: dict[str, object], proof: str
) -> None:
    """For fifteen minutes, unless asked for longer."""
    answer = assume(client, None if proof == "signature" else {"X-Auth-Token": client.token({})}, **given)
    assert (answer.status, answer.json.keys()) == (201, {"credential"})
    credential = answer.json["credential"]
    lifetime = seconds(credential.pop("expires_at")) - simulator.now()
    assert lifetime == pytest.approx(given.get("duration_seconds", 900), abs=5)
    assert credential.keys() == {"access", "secret", "securitytoken"}
    assert client.access_key != credential["access"]


def test_domain_of_the_agency_may_be_an_id(start: Start) -> None:
    """It is the account that made the agency, not that of the user."""
    _, client = start(agency_name="a", agency_domain_name="partner")
    identity = {"methods": ["assume_role"], "assume_role": {"agency_name": "a", "domain_id": "unknown"}}
    refused = client.call_signed("POST", KEYS, None, {"auth": {"identity": identity}})
    assert refused.error == (403, "IAM.0002")
    assert assume(client, agency_name="a").error == (403, "IAM.0002")
    assert assume(client, agency_name="a", domain_name="partner").status == 201


def test_id_of_a_domain_follows_from_its_name(client: Client) -> None:
    """The id that a token shows is the one to ask with."""
    domain_id = client.log_in().json["token"]["user"]["domain"]["id"]
    assume_role = {"agency_name": "snapshot-agency", "domain_id": domain_id}
    body = {"auth": {"identity": {"methods": ["assume_role"], "assume_role": assume_role}}}
    assert client.call_signed("POST", KEYS, None, body).status == 201


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"agency_name": "nobody"}, (403, "IAM.0002")),
        ({"domain_name": "nowhere"}, (403, "IAM.0002")),
        ({"domain_id": "nowhere"}, (403, "IAM.0002")),
        ({"agency_name": None}, (400, "IAM.0011")),
        ({"duration_seconds": 899}, (400, "IAM.0007")),
        ({"duration_seconds": 86_401}, (400, "IAM.0007")),
        ({"duration_seconds": "900"}, (400, "IAM.0007")),
        ({"duration_seconds": True}, (400, "IAM.0007")),
    ],
    ids=str,
)
def test_wrong_agency_is_refused(client: Client, given: dict[str, object], error: tuple[int, str]) -> None:
    """Under /v3.0 IAM has codes of its own."""
    assert assume(client, None, **given).error == error


@pytest.mark.parametrize(
    "body",
    [
        b"nonsense",
        {"auth": {"identity": {"methods": ["token"], "token": {}}}},
        {"auth": {"identity": {"methods": ["assume_role"]}}},
        {"auth": {"identity": {"methods": ["assume_role"], "assume_role": {"agency_name": "a"}}}},
    ],
    ids=["no-json", "other-method", "no-agency", "no-domain"],
)
def test_malformed_request_for_keys_is_refused(client: Client, body: object) -> None:
    """The one method there is here is assume_role."""
    assert client.call_signed("POST", KEYS, None, body).error == (400, "IAM.0011")


@pytest.mark.parametrize("headers", [{}, {"X-Auth-Token": "unknown"}], ids=["none", "unknown"])
def test_keys_need_proof(client: Client, headers: dict[str, str]) -> None:
    """An agency is not for everybody."""
    assert assume(client, headers).error == (401, "IAM.0001")


def test_faults_and_the_journal_know_the_operations(simulator: Simulator, client: Client) -> None:
    """By the names they have on the pages, or like them."""
    simulator.inject(
        Fault("error", "CreateToken", status=503, envelope="iam"),
        Fault("throttle", "ListProjects"),
        Fault("torn", "ShowImage"),
        Fault("slow", "CreateTemporaryAccessKey", seconds=0.05),
    )
    answers = [client.log_in(), client.log_in(), client.call_signed("GET", "/v3/projects")]
    begun = time.monotonic()
    answers.append(assume(client))
    assert time.monotonic() - begun >= 0.05
    assert [answer.status for answer in answers] == [503, 201, 429, 201]
    assert [(entry.operation, entry.fault, entry.effect) for entry in simulator.journal] == [
        ("CreateToken", "error", False),
        ("CreateToken", None, False),
        ("ListProjects", "throttle", False),
        ("CreateTemporaryAccessKey", "slow", False),
    ]
