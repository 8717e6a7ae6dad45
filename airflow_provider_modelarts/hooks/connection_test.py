"""What the test button says: which layer is wrong, in one sentence, with the remedy."""

from __future__ import annotations

import re
from dataclasses import replace

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
"""Seconds; somebody waits in front of the test button, whatever patience the connection has at night."""

ALLOWED_CLOCK_SKEW = 15 * 60
"""Seconds by which the gateway lets clocks differ."""

_STAGES = {
    "dns": "No such host: check region, host and iam_endpoint, and this machine's name service.",
    "refused": "The host refuses connections: check host and port.",
    "timeout": "No answer in time: check host and port, and whether a firewall is in the way.",
    "tls": "TLS fails: check the certificate's name and date, or extra verify for a private authority.",
    "connection": "The connection broke: check whether something on the way interferes.",
}


def probe(settings: Settings) -> None:
    """
    List one image, which changes nothing and takes no longer than some seconds.

    :raises ModelArtsError: what :func:`diagnose` explains.
    """
    short = replace(settings.transport_config, connect_timeout=CONNECT_TIMEOUT, read_timeout=READ_TIMEOUT)
    # Credentials of its own: a token that is still good would say nothing of the password.
    who = build_credentials(settings.identity)
    modelarts = create_client(settings, BlockingTransport(short), credentials=who)
    block_on(modelarts.call(operations.list_images(limit=1), deadline=NO_RETRY))


def diagnose(error: ModelArtsError, settings: Settings | None) -> str:
    """Return what is wrong with a connection, from what its trial ended with."""
    if isinstance(error, (InvalidConnectionError, ConnectionLookupError)):
        return str(error)
    if getattr(error, "stage", "") == "proxy" or getattr(error, "status", 0) == 407:
        return f"{_proxy(settings)} {error}"
    if isinstance(error, TransportError):
        return f"{_STAGES[error.stage]} {error}"
    if isinstance(error, ApiError):
        return _refusal(error, settings)
    return f"ModelArts answers, but not as it should. {error}"


def _proxy(settings: Settings | None) -> str:
    """Return which proxy fails, without its user and password."""
    proxy = (settings and settings.transport_config.proxy_for(settings.endpoint)) or ""
    host = re.fullmatch(r"(?:[a-z]+://)?(?:.*@)?((?:[A-Za-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]+)?)/*", proxy)
    if settings is None or host is None:
        return "The proxy fails: check extra proxy, or the environment's proxies."
    source = "extra proxy" if settings.transport_config.proxy else "the environment's proxies"
    return f"The proxy fails: check {source} and what listens at {host[1]}."


def _refusal(error: ApiError, settings: Settings | None) -> str:
    # IAM has codes of its own, so that its 401 need not be one of ours.
    if isinstance(error, AuthenticationError) or error.status == 401:
        return _authentication(error, settings)
    if isinstance(error, PermissionDeniedError):
        return f"A permission is missing: the test needs modelarts:image:list. {error}"
    if error.status == 403:
        return (
            "Access is denied, and no known code says why: check the permissions (the test needs "
            f"modelarts:image:list), and whether a proxy or firewall on the way denies it. {error}"
        )
    if error.status == 404 and (not error.code or error.code.endswith(".0101")):
        return f"ModelArts is not offered at {settings.endpoint if settings else 'this host'}. {error}"
    if type(error) is ApiError:
        return f"ModelArts refuses, and no known code says why. {error}"
    return f"ModelArts answers, but not as it should. {error}"


# The gateway says all of this with one code, so the code cannot tell: here, and only here, the words
# do, and only to choose the advice.
_ADVICE = {
    "ak not exist": "The access key is unknown: check login, and that the key belongs to this cloud.",
    "reach the limit": "The access key is locked after too many wrong signatures: wait five minutes.",
    "signature fail": "The secret key is wrong: check password, or extra signature on a private cloud.",
}


def _authentication(error: ApiError, settings: Settings | None) -> str:
    if error.clock_skew is not None and abs(error.clock_skew) > ALLOWED_CLOCK_SKEW:
        minutes = round(abs(error.clock_skew) / 60)
        direction = "behind" if error.clock_skew > 0 else "ahead"
        return f"The clock of this machine is {minutes} minutes {direction}; 15 are allowed. {error}"
    if error.code.partition(".")[2] in {"0204", "0207", "0210", "0212"}:
        return f"The credentials are good, but not for this project: check project_id and region. {error}"
    for words, advice in _ADVICE.items():
        if words in error.message.lower():
            return f"{advice} {error}"
    if settings and settings.identity.auth == "password":
        return f"IAM refuses the log-in or its token: check login, password and domain_name. {error}"
    return f"The credentials are refused: check login and password. {error}"
