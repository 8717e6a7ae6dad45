"""The connection test: one request, and a message with the cause and the remedy if it fails."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import urlsplit

import airflow

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.client import NO_RETRY
from airflow_provider_modelarts.client.http_types import Request, Response
from airflow_provider_modelarts.client.iam import METADATA_ENDPOINT
from airflow_provider_modelarts.exceptions import (
    ApiError,
    AuthenticationError,
    ConnectionLookupError,
    InvalidConnectionError,
    ModelArtsError,
    PermissionDeniedError,
    TransportError,
)
from airflow_provider_modelarts.hooks.clients import build_credentials, create_client
from airflow_provider_modelarts.hooks.connection import Settings
from airflow_provider_modelarts.transport import BlockingTransport, TransportConfig, block_on

CONNECT_TIMEOUT, READ_TIMEOUT = 5.0, 10.0
"""Seconds; short whatever the connection's timeouts are, because a user waits for the test button."""

ALLOWED_CLOCK_SKEW = 15 * 60
"""Seconds; the gateway refuses a request whose clock differs by more."""

_STAGES = {
    "dns": "No such host: check {fields}, and the DNS of this machine.",
    "refused": "The host refuses connections: check {fields}.",
    "timeout": "No response in time: check {fields}, and whether a firewall blocks the connection.",
    "tls": "TLS failed: check the certificate's name and date; set extra verify to the file of a private CA.",
    "connection": "The connection broke: check proxies and firewalls between this machine and the host.",
}
_FIELDS = {
    "modelarts": "region, host and port",
    "iam": "region and extra iam_endpoint",
    "metadata": "extra auth, as only an ECS has the agency of a host",
    "": "region, host, port and extra iam_endpoint",
}
"""The fields that lead to a service; all of them if no request was sent."""


_LOGIN_REFUSED = (
    "IAM refused the login or its token: check login, password, domain_name, and project_id or project_name."
)
_SECRETS = ("login ", "password ", "auth password ", "extra security_token ")
"""How the problems begin that a secret which is stored, but not typed, may cause."""


class SentRequests:
    """
    The requests of a connection test.

    :param last: the one that an error is about; None if nothing was sent.
    """

    last: Request | None = None

    @property
    def service(self) -> str:
        """The service that the last request went to, as the keys of :data:`_FIELDS`."""
        if self.last is None:
            return ""
        return "metadata" if self.last.url.startswith(METADATA_ENDPOINT) else self.last.service


class _RecordingTransport(BlockingTransport):
    def __init__(self, config: TransportConfig, sent: SentRequests) -> None:
        super().__init__(config)
        self._sent = sent

    async def send(self, request: Request, *, timeout: float | None = None) -> Response:
        self._sent.last = request
        return await super().send(request, timeout=timeout)


def probe(settings: Settings, sent: SentRequests) -> None:
    """
    List one image, which changes nothing and takes some seconds at most.

    :param sent: gets the requests.
    :raises ModelArtsError: the request failed; :func:`diagnose` explains it.
    """
    short = replace(settings.transport_config, connect_timeout=CONNECT_TIMEOUT, read_timeout=READ_TIMEOUT)
    # New credentials, because a cached token would hide a wrong password.
    credentials = build_credentials(settings.identity)
    modelarts = create_client(settings, _RecordingTransport(short, sent), credentials=credentials)
    block_on(modelarts.call(operations.list_images(limit=1), deadline=NO_RETRY))


def diagnose(error: ModelArtsError, settings: Settings | None, sent: SentRequests | None = None) -> str:
    """
    Return a message with the cause and the remedy for the error of a connection test.

    :param sent: the requests of the test; the last one is the one that failed.
    """
    sent = sent or SentRequests()
    if isinstance(error, InvalidConnectionError) and error.problems:
        return _problems(error.problems)
    if isinstance(error, (InvalidConnectionError, ConnectionLookupError)):
        return str(error)
    if getattr(error, "stage", "") == "proxy" or getattr(error, "status", 0) == 407:
        return f"{_proxy(settings)} {error}"
    if isinstance(error, TransportError):
        return f"{_STAGES[error.stage].format(fields=_FIELDS[sent.service])} {error}"
    return _response(error, settings, sent)


def _response(error: ModelArtsError, settings: Settings | None, sent: SentRequests) -> str:
    """Return the message about a response, by the service that it is from."""
    if sent.service == "metadata":
        return (
            "The metadata service of this host issued no keys: run Airflow on an ECS that has an agency, or "
            f"set another extra auth. {error}"
        )
    if sent.last is not None and sent.service == "iam":
        return _refusal_of_iam(error, settings, sent.last)
    if isinstance(error, ApiError):
        return _refusal(error, settings)
    return f"Unexpected response from ModelArts. {error}"


def _problems(problems: tuple[str, ...]) -> str:
    """Return what is wrong, without the connection's id: the test button tests a copy with another id."""
    message = f"The connection cannot be used: {'; '.join(problems)}"
    if airflow.__version__.startswith("2.") and any(problem.startswith(_SECRETS) for problem in problems):
        message += ". Airflow 2 tests only what is typed into the form: type stored secrets again"
    return message


def _proxy(settings: Settings | None) -> str:
    """Return which proxy failed, without its user and password."""
    proxy = (settings and settings.transport_config.proxy_for(settings.endpoint)) or ""
    host = re.fullmatch(r"(?:[a-z]+://)?(?:.*@)?((?:[A-Za-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]+)?)/*", proxy)
    if settings is None or host is None:
        return "The proxy failed: check extra proxy, or the environment's proxies."
    source = "extra proxy" if settings.transport_config.proxy else "the environment's proxies"
    return f"The proxy failed: check {source} and the proxy at {host[1]}."


def _refusal(error: ApiError, settings: Settings | None) -> str:
    # IAM has its own codes, so its 401 may not be an AuthenticationError.
    if isinstance(error, AuthenticationError) or error.status == 401:
        return _authentication(error, settings)
    if isinstance(error, PermissionDeniedError):
        return f"A permission is missing: grant modelarts:image:list to run this test. {error}"
    if error.status == 403:
        return (
            "Access denied without a known code: check the permissions (the test needs "
            f"modelarts:image:list), and whether a proxy or firewall denies the request. {error}"
        )
    if error.status == 404 and (not error.code or error.code.endswith(".0101")):
        return f"ModelArts is not offered at {settings.endpoint if settings else 'this host'}. {error}"
    if type(error) is ApiError:
        return f"ModelArts refused the request with an unknown code. {error}"
    return f"Unexpected response from ModelArts. {error}"


def _refusal_of_iam(error: ModelArtsError, settings: Settings | None, request: Request) -> str:
    """Return the message about a response of IAM, which refuses a login, an agency or a list of projects."""
    status = getattr(error, "status", 0)
    path = urlsplit(request.url).path
    if isinstance(error, ApiError) and status == 401:
        return _authentication(error, settings)
    if path.endswith("/securitytokens") and status in {400, 403, 404}:
        return (
            "IAM refused the agency: check extra agency_name and agency_domain_name, and that the user has "
            f"the role Agent Operator. {error}"
        )
    if path.endswith("/tokens") and status in {400, 403}:
        return f"{_LOGIN_REFUSED} {error}"
    if path.endswith("/projects") and status == 403:
        return (
            "IAM refused the list of projects: set extra project_id, or grant iam:projects:listProjects. "
            f"{error}"
        )
    is_busy = status == 429 or status >= 500
    remedy = "" if is_busy else f": check {_FIELDS['iam']}"
    return f"Unexpected response from IAM{remedy}. {error}"


# The gateway uses one code for all of these, so the text has to choose the advice. Only this advice ever
# depends on a text.
_ADVICE = {
    "ak not exist": "The access key is unknown: check login, and that the key belongs to this cloud.",
    "reach the limit": "The access key is locked after too many wrong signatures: wait five minutes.",
    "signature fail": "The secret key is wrong: check password, or extra signature on a private cloud.",
}


def _authentication(error: ApiError, settings: Settings | None) -> str:
    if error.clock_skew is not None and abs(error.clock_skew) > ALLOWED_CLOCK_SKEW:
        minutes = round(abs(error.clock_skew) / 60)
        direction = "behind" if error.clock_skew > 0 else "ahead"
        return f"The clock of this machine is {minutes} minutes {direction}; at most 15 are allowed. {error}"
    if error.code.partition(".")[2] in {"0204", "0207", "0210", "0212"}:
        return f"The credentials are valid, but not for this project: check project_id and region. {error}"
    for words, advice in _ADVICE.items():
        if words in error.message.lower():
            return f"{advice} {error}"
    if settings and settings.identity.auth == "password":
        return f"{_LOGIN_REFUSED} {error}"
    token = settings and settings.identity.security_token
    fields = "login, password and security_token" if token else "login and password"
    return f"The credentials were refused: check {fields}. {error}"
