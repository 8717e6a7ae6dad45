"""The connection test: one request, and a message with the cause and the remedy if it fails."""

from __future__ import annotations

import re
from dataclasses import replace

import airflow

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.client import NO_RETRY
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
from airflow_provider_modelarts.transport import BlockingTransport, block_on

CONNECT_TIMEOUT, READ_TIMEOUT = 5.0, 10.0
"""Seconds; short whatever the connection's timeouts are, because a user waits for the test button."""

ALLOWED_CLOCK_SKEW = 15 * 60
"""Seconds; the gateway refuses a request whose clock differs by more."""

_STAGES = {
    "dns": "No such host: check region, host and iam_endpoint, and the DNS of this machine.",
    "refused": "The host refuses connections: check host and port.",
    "timeout": "No response in time: check host and port, and whether a firewall blocks the connection.",
    "tls": "TLS failed: check the certificate's name and date; set extra verify to the file of a private CA.",
    "connection": "The connection broke: check proxies and firewalls between this machine and the host.",
}


_SECRETS = ("login ", "password ", "auth password ", "extra security_token ")
"""How the problems begin that a secret which is stored, but not typed, may cause."""


def probe(settings: Settings) -> None:
    """
    List one image, which changes nothing and takes some seconds at most.

    :raises ModelArtsError: the request failed; :func:`diagnose` explains it.
    """
    short = replace(settings.transport_config, connect_timeout=CONNECT_TIMEOUT, read_timeout=READ_TIMEOUT)
    # New credentials, because a cached token would hide a wrong password.
    credentials = build_credentials(settings.identity)
    modelarts = create_client(settings, BlockingTransport(short), credentials=credentials)
    block_on(modelarts.call(operations.list_images(limit=1), deadline=NO_RETRY))


def diagnose(error: ModelArtsError, settings: Settings | None) -> str:
    """Return a message with the cause and the remedy for the error of a connection test."""
    if isinstance(error, InvalidConnectionError) and error.problems:
        return _problems(error.problems)
    if isinstance(error, (InvalidConnectionError, ConnectionLookupError)):
        return str(error)
    if getattr(error, "stage", "") == "proxy" or getattr(error, "status", 0) == 407:
        return f"{_proxy(settings)} {error}"
    if isinstance(error, TransportError):
        return f"{_STAGES[error.stage]} {error}"
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
        return f"IAM refused the login or its token: check login, password and domain_name. {error}"
    token = settings and settings.identity.security_token
    fields = "login, password and security_token" if token else "login and password"
    return f"The credentials were refused: check {fields}. {error}"
