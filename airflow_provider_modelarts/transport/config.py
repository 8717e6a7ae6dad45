"""
The transport's configuration: timeouts, certificates and proxy.

An address is checked here before it is passed to a library, which quotes the value that it refuses in its
error and could thereby reveal a password.
"""

from __future__ import annotations

import os
import re
import ssl
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit
from urllib.request import getproxies_environment

from airflow_provider_modelarts.exceptions import InvalidConnectionError

_NOT_IN_URL = re.compile(r"[\x00-\x20\x7f\\]")


@dataclass(frozen=True, slots=True)
class Proxy:
    """
    A proxy, with its credentials apart from its address, so that no library can log them.

    :param authorization: value of ``Proxy-Authorization``; empty without credentials.
    """

    url: str
    authorization: str = field(default="", repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """The headers for the proxy itself."""
        return {"Proxy-Authorization": self.authorization} if self.authorization else {}


@dataclass(frozen=True, slots=True)
class TransportConfig:
    """
    Timeouts, certificates and proxy of a transport.

    :param connect_timeout: seconds to open a connection, including DNS lookup, proxy and TLS.
    :param read_timeout: seconds from then on until the response is complete.
    :param verify: whether to verify the service's certificate, or the file of CA certificates to verify it
        with.
    :param proxy: address of a proxy; None for the environment's proxies.
    """

    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    verify: bool | str = True
    proxy: str | None = field(default=None, repr=False)

    @property
    def ca_file(self) -> str:
        """The file of CA certificates that both transports use."""
        import certifi

        return self._given_ca_file or certifi.where()

    @property
    def _given_ca_file(self) -> str | None:
        if isinstance(self.verify, str):
            return self.verify
        return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE")

    def check_ca_file(self) -> None:
        """
        Check the file of CA certificates, if one is set.

        :raises InvalidConnectionError: the file cannot be used.
        """
        if self.verify is not False and self._given_ca_file:
            self.tls()

    def proxy_for(self, url: str, environment: Mapping[str, str] | None = None) -> str | None:
        """
        Return the address of the proxy for a URL; None for this machine's metadata service.

        :param environment: the environment's proxies, if they were read before.
        """
        # Not urllib's getproxies: on macOS that calls the system, which crashes in a forked task.
        from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

        parts = urlsplit(url)
        host = parts.hostname or ""
        if host.startswith("169.254."):
            return None
        if self.proxy:
            proxy: str | None = self.proxy
        else:
            proxies = getproxies_environment() if environment is None else environment
            if proxy_bypass_environment(host, proxies):
                return None
            proxy = proxies.get(parts.scheme) or proxies.get("all")
        return proxy if not proxy or "://" in proxy else f"http://{proxy}"

    def parsed_proxy_for(self, url: str, environment: Mapping[str, str]) -> Proxy | None:
        """
        Return the proxy for a URL, with its credentials apart from its address.

        :raises InvalidConnectionError: the proxy's address cannot be used.
        """
        address = self.proxy_for(url, environment)
        if not address:
            return None
        return parse_proxy(address, origin="Extra proxy" if self.proxy else "The environment's proxy")

    def tls(self) -> ssl.SSLContext:
        """
        Return the TLS context, which verifies certificates.

        All transports of a process share it, as reading the certificates takes some tens of milliseconds.

        :raises InvalidConnectionError: the file of CA certificates cannot be used.
        """
        if self.verify is False:
            return _unverified_context()
        try:
            state = Path(self.ca_file).stat()
            return _context(self.ca_file, state.st_mtime_ns, state.st_size)
        except (OSError, ssl.SSLError) as error:
            raise InvalidConnectionError(
                f"{self.ca_file!r} cannot be used as CA certificates ({error}): "
                "set extra verify to true, false or a PEM file on this machine"
            ) from error


class Routes:
    """
    The proxies of the services that a transport sends requests to, each chosen once.

    A proxy that the environment names after the transport was opened is not used.
    """

    def __init__(self, config: TransportConfig) -> None:
        self._config = config
        self._environment = getproxies_environment()
        self._proxies: dict[str, Proxy | None] = {}

    def __contains__(self, origin: str) -> bool:
        """Whether a request to this service was sent before, so that its address is valid."""
        return origin in self._proxies

    def proxy_for(self, origin: str) -> Proxy | None:
        """
        Return the proxy of a service; None for a direct connection.

        :param origin: scheme, host and port of the service.
        :raises InvalidConnectionError: the proxy's address cannot be used.
        """
        if origin not in self._proxies:
            self._proxies[origin] = self._config.parsed_proxy_for(origin, self._environment)
        return self._proxies[origin]


@lru_cache(maxsize=16)
def _context(ca_file: str, modified_at: int, size: int) -> ssl.SSLContext:  # noqa: ARG001 - parts of the key
    """Return the TLS context of a file of CA certificates, read again when the file has changed."""
    return ssl.create_default_context(cafile=ca_file)


@cache
def _unverified_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def parse_proxy(address: str, *, origin: str) -> Proxy:
    """
    Return the proxy of an address, which may contain a user name and a password.

    :param origin: the source of the address, for the message.
    :raises InvalidConnectionError: the address is invalid. The message does not contain it.
    """
    fault, parts = split_address(address)
    # A password with one of these characters unencoded is parsed as a path, a query or a fragment.
    if not fault and (parts.path not in {"", "/"} or "?" in address or "#" in address):
        fault = "it continues after host and port"
    if fault:
        raise not_sent(
            f"{origin} cannot be used: {fault}. It must be http://host:port or "
            "http://user:password@host:port, with every special character of both percent-encoded"
        )
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return Proxy(f"{parts.scheme}://{host}")
    name, _, password = user.partition(":")
    pair = unquote_to_bytes(name) + b":" + unquote_to_bytes(password)
    return Proxy(f"{parts.scheme}://{host}", f"Basic {b64encode(pair).decode()}")


def not_sent(what: str) -> InvalidConnectionError:
    """Return the error for a request that can never be sent; a retry cannot fix it."""
    error = InvalidConnectionError(f"Nothing was sent. {what}.")
    error.may_have_been_processed = False
    return error


def split_address(url: str) -> tuple[str, SplitResult]:
    """Return why a URL cannot be used, empty for a valid one, and its parts."""
    no_parts = SplitResult("", "", "", "", "")
    if _NOT_IN_URL.search(url):
        return "it contains white space, a control character or a backslash", no_parts
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "its host or port is invalid", no_parts
    if parts.scheme not in {"http", "https"}:
        return "it begins with neither http:// nor https://", no_parts
    if not host:
        return "it has no host", no_parts
    try:
        host.encode("idna")
    except UnicodeError:
        return "its host name is invalid", no_parts
    return "", parts
