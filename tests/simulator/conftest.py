"""A client that shares nothing with the simulator: signed by Huawei's SDK, sent by the standard library."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer

from airflow_provider_modelarts.simulator import Simulator

IMAGE = {"name": "research", "namespace": "team", "tag": "v1"}


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, str]:
        """HTTP status and error code."""
        return self.status, self.json["error_code"]


class Client:
    """Calls the simulated API; the date of a signature is the simulator's time plus ``skew``."""

    def __init__(self, simulator: Simulator, trusted: ssl.SSLContext | None = None) -> None:
        connection = simulator.connection
        self.scheme, self.host = connection["host"].split("://")
        self.access_key: str = connection["login"]
        self.secret_key: str = connection["password"]
        self.project: str = f"/v1/{connection['extra']['project_id']}"
        self.notebook_id = simulator.notebook_id
        self.skew = 0.0
        self.trusted = trusted
        self._now = simulator.now

    def signed(
        self,
        method: str,
        path: str,
        query: Mapping[str, object] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Build a request and sign it; a body of bytes goes out as it is, any other as JSON."""
        signed_at = datetime.fromtimestamp(self._now() + self.skew, timezone.utc)
        request = SdkRequest(
            method=method,
            schema=self.scheme,
            host=self.host,
            resource_path=path,
            query_params=list((query or {}).items()),
            header_params={
                "Content-Type": "application/json",
                "X-Sdk-Date": signed_at.strftime("%Y%m%dT%H%M%SZ"),
                **(headers or {}),
            },
            body=body if isinstance(body, bytes) else "" if body is None else json.dumps(body),
        )
        return Signer(SimpleNamespace(ak=self.access_key, sk=self.secret_key)).sign(request)

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, object] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Call ``path`` below the project."""
        return self.call_signed(method, self.project + path, query, body, headers)

    def call_signed(
        self,
        method: str,
        path: str,
        query: Mapping[str, object] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Call any path with a signature."""
        request = self.signed(method, path, query, body, headers)
        return self.send(method, request.uri, request.body, request.header_params)

    def call_unsigned(
        self, method: str, target: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Call any target without a signature."""
        return self.send(method, target, None if body is None else json.dumps(body).encode(), headers or {})

    def log_in(self, scope: object = None, **user: object) -> Answer:
        """Request a token from IAM with the user's password, for the project by default."""
        named = {
            "name": "snapshot-user",
            "password": "simulator-password",
            "domain": {"name": "research-account"},
        }
        identity = {"methods": ["password"], "password": {"user": named | user}}
        project_id = self.project.rpartition("/")[2]
        auth = {"identity": identity, "scope": {"project": {"id": project_id}} if scope is None else scope}
        return self.call_unsigned("POST", "/v3/auth/tokens?nocatalog=true", {"auth": auth})

    def token(self, scope: object = None) -> str:
        """Log in and give the token."""
        return self.log_in(scope).headers["X-Subject-Token"]

    def send(self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        """Send a request as it is."""
        with closing(self.connect()) as connection:
            connection.request(method, target, body or None, headers)
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read())

    def connect(self) -> http.client.HTTPConnection:
        """Give a connection that opens with its first request."""
        if self.scheme == "https":
            return http.client.HTTPSConnection(self.host, timeout=10, context=self.trusted)
        return http.client.HTTPConnection(self.host, timeout=10)

    def control(self, method: str, name: str, body: object = None) -> Answer:
        """Call the control address."""
        return self.call_unsigned(method, f"/_simulator/{name}", body)

    def save(self, **fields: object) -> Answer:
        """Save the default notebook as an image."""
        return self.call("POST", f"/notebooks/{self.notebook_id}/create-image", body=IMAGE | fields)

    def image(self, image_id: str) -> Answer:
        """Show an image."""
        return self.call("GET", f"/images/{image_id}")

    def images(self, **query: object) -> Answer:
        """List images, by default the project's own."""
        return self.call("GET", "/images", {"type": "DEDICATED"} | query)

    def delete(self, image_id: str, query: Mapping[str, object] | None = None, body: object = None) -> Answer:
        """Delete an image."""
        return self.call("DELETE", f"/images/{image_id}", query, body)

    def notebook(self, notebook_id: str | None = None) -> Answer:
        """Show a notebook, by default the first one."""
        return self.call("GET", f"/notebooks/{notebook_id or self.notebook_id}")

    def notebooks(self, **query: object) -> Answer:
        """List notebooks."""
        return self.call("GET", "/notebooks", query)


Start = Callable[..., tuple[Simulator, Client]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a simulator with options; give it and a client of it."""
    with ExitStack() as stack:

        def started(**options: Any) -> tuple[Simulator, Client]:
            simulator = stack.enter_context(Simulator(**options))
            return simulator, Client(simulator)

        yield started


@pytest.fixture
def simulator_and_client(start: Start) -> tuple[Simulator, Client]:
    """A simulator of Huawei Cloud and a client of it."""
    return start()


@pytest.fixture
def simulator(simulator_and_client: tuple[Simulator, Client]) -> Simulator:
    """The simulator of this test."""
    return simulator_and_client[0]


@pytest.fixture
def client(simulator_and_client: tuple[Simulator, Client]) -> Client:
    """A client of this test's simulator."""
    return simulator_and_client[1]
