"""Derived signatures, computed here a second time from their description."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from airflow_provider_modelarts.simulator import Simulator

if TYPE_CHECKING:
    from tests.simulator.conftest import Answer, Client, Start

UNREAD = "Incorrect IAM authentication information: the Authorization header is not of the form"
WRONG = "Incorrect IAM authentication information: verify aksk signature fail"


def derived(
    client: Client,
    simulator: Simulator,
    method: str,
    path: str,
    query: dict[str, str] | None = None,
    body: bytes = b"",
    *,
    region: str = "eu-de",
    service: str = "modelarts",
    day: str | None = None,
) -> Answer:
    """Sign a request with a derived key and send it."""
    date = datetime.fromtimestamp(simulator.now(), timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{day or date[:8]}/{region}/{service}/sdk_request"
    sorted_query = urlencode(sorted((query or {}).items()))
    headers = f"host:{client.host}\nx-sdk-date:{date}\n\nhost;x-sdk-date"
    canonical = f"{method}\n{path}/\n{sorted_query}\n{headers}\n{hashlib.sha256(body).hexdigest()}"
    text = f"SDK-HMAC-SHA256\n{date}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = b"SDK" + client.secret_key.encode()
    for part in [*scope.split("/"), text]:
        key = hmac.digest(key, part.encode(), "sha256")
    authorization = (
        f"SDK-HMAC-SHA256 Credential={client.access_key}/{scope}, "
        f"SignedHeaders=host;x-sdk-date, Signature={key.hex()}"
    )
    target = f"{path}?{sorted_query}" if query else path
    return client.send(method, target, body, {"X-Sdk-Date": date, "Authorization": authorization})


@pytest.mark.parametrize(
    ("region", "service"), [("eu-de", "modelarts"), ("", ""), ("", "ec2"), ("anywhere", "any-service")]
)
def test_derived_signature_allows_any_region_and_service(
    simulator: Simulator, client: Client, region: str, service: str
) -> None:
    """OTC's own page has a sample without a region, and with another service."""
    path = f"{client.project}/images"
    answer = derived(client, simulator, "GET", path, {"type": "DEDICATED"}, region=region, service=service)
    assert answer.status == 200


def test_derived_signature_includes_body(simulator: Simulator, client: Client) -> None:
    body = json.dumps({"name": "research", "namespace": "team"}).encode()
    path = f"{client.project}/notebooks/{client.notebook_id}/create-image"
    assert derived(client, simulator, "POST", path, body=body).json["status"] == "INIT"


def test_wrong_derived_signature_counts_towards_lock(simulator: Simulator, client: Client) -> None:
    """Both forms lock the same key."""
    client.secret_key = "wrong"
    path = f"{client.project}/images"
    answers = [derived(client, simulator, "GET", path) for _ in range(3)]
    answers += [client.images() for _ in range(2)]
    locked = derived(client, simulator, "GET", path)
    assert {answer.json["error_msg"] for answer in answers} == {WRONG}
    assert locked.json["error_msg"].endswith("AK access failed to reach the limit, forbidden")


def test_derived_signature_needs_day_of_date(simulator: Simulator, client: Client) -> None:
    answer = derived(client, simulator, "GET", f"{client.project}/images", day="20200101")
    assert (answer.error, "the day of the credential" in answer.json["error_msg"]) == (
        (401, "APIGW.0301"),
        True,
    )


@pytest.mark.parametrize(
    ("form", "with_access", "with_credential"),
    [("either", 200, 200), ("access", 200, 401), ("credential", 401, 200)],
)
def test_gateway_may_accept_one_signature_form_only(
    start: Start, form: str, with_access: int, with_credential: int
) -> None:
    """Which one OTC's accepts is not known."""
    simulator, client = start(signature=form)
    answers = [client.images(), derived(client, simulator, "GET", f"{client.project}/images")]
    assert [answer.status for answer in answers] == [with_access, with_credential]
    for answer in answers:
        assert answer.status == 200 or answer.json["error_msg"].startswith(UNREAD)
