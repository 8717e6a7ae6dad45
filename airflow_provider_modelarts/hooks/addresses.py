"""
Parses the addresses of services, consoles and proxies as people write them.

A parsed address means the same to both transports. No error quotes its input, which may contain a password.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import unquote

PROXY_SCHEMES = ("http", "https") if sys.version_info >= (3, 11) else ("http",)
"""Schemes of proxies that both transports support; asyncio has TLS within TLS since Python 3.11."""

_SCHEME = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*)://)?(.*)")
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]+))?(/.*)?")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_USER = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:%-]*")
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def read_address(value: str, *, scheme: str = "https", port: str | None = None) -> str:
    """
    Return scheme, host and port of a service's address.

    :param value: an address, or just a host name.
    :param scheme: used if the value has none.
    :param port: used if the value has none.
    :raises ValueError: the value is not such an address.
    """
    address, path = _web_address(value, scheme, port)
    if path.strip("/"):
        raise ValueError("a path")
    return address


def read_iam_address(value: str) -> str:
    """
    Return scheme, host and port of IAM's address; a path ``/v3`` or ``/v3.0`` is dropped.

    :raises ValueError: the value is not such an address.
    """
    address, path = _web_address(value)
    if path.rstrip("/") not in ("", "/v3", "/v3.0"):
        raise ValueError("a path")
    return address


def read_console_address(value: str) -> str:
    """
    Return the address of a console, which may have a path, without a slash at its end.

    :raises ValueError: the value is not such an address.
    """
    address, path = _web_address(value)
    if not re.fullmatch(r"[A-Za-z0-9._~!$&'()*+,;=:@%/-]*", path):
        raise ValueError("no path")
    return address + path.rstrip("/")


def read_proxy(value: str) -> str:
    """
    Return the address of a proxy, with its user and password if it has them.

    :raises ValueError: the value is not such an address, or user and password are not percent-encoded.
    """
    given, rest = _split(value)
    scheme = (given or "http").lower()
    user, at, rest = rest.rpartition("@")
    host, port, path = _authority(rest)
    if scheme not in PROXY_SCHEMES or path.strip("/") or (at and not _is_user(user)):
        raise ValueError("no proxy")
    if at and ":" not in user:
        user += ":"  # without a colon requests would drop the user
    return f"{scheme}://{user}{at}{host}{_port(port, scheme)}"


def read_port(value: str) -> str:
    """
    Return a port number without leading zeros.

    :raises ValueError: the value is not a port number.
    """
    if not re.fullmatch(r"0*[1-9][0-9]{0,4}", value) or int(value) > 65_535:
        raise ValueError("no port")
    return value.lstrip("0")


def _web_address(value: str, scheme: str = "https", port: str | None = None) -> tuple[str, str]:
    """Return scheme, host and port, and the path."""
    given, rest = _split(value)
    scheme = (given or scheme).lower()
    if scheme not in _DEFAULT_PORTS:
        raise ValueError("another scheme")
    host, own_port, path = _authority(f"[{rest}]" if _is_ipv6(rest) else rest)
    return f"{scheme}://{host}{_port(own_port or port, scheme)}", path


def _split(value: str) -> tuple[str | None, str]:
    """Return the scheme, or None, and the rest."""
    found = _SCHEME.fullmatch(value)
    if found is None:
        raise ValueError("a line break")
    return found[1], found[2]


def _authority(rest: str) -> tuple[str, str | None, str]:
    """Return host, port and path of an address without its scheme."""
    found = _AUTHORITY.fullmatch(rest)
    if found is None:
        raise ValueError("no host")
    return _host(found[1]), found[2] and read_port(found[2]), found[3] or ""


def _host(name: str) -> str:
    """Return a valid host name or IP address in lower case."""
    name = name.lower()
    if name.startswith("["):
        return f"[{_number(IPv6Address, name[1:-1])}]"
    labels = name.removesuffix(".").split(".")
    if labels[-1].isdecimal():
        return _number(
            IPv4Address, ".".join(labels)
        )  # a name that ends in a number is taken for an IP address
    # In http:// without a host, http would be taken for the host.
    is_name = all(map(_LABEL.fullmatch, labels)) and labels not in (["http"], ["https"])
    if not is_name or len(name) > 253:
        raise ValueError("no host")
    return ".".join(labels)


def _number(kind: Callable[[str], IPv4Address | IPv6Address], text: str) -> str:
    try:
        return str(kind(text))
    except AddressValueError:
        raise ValueError("no host") from None  # that error would quote the value


def _is_ipv6(text: str) -> bool:
    """Return whether a text is an IPv6 address without brackets, which an Airflow URI loses."""
    try:
        return bool(IPv6Address(text))
    except AddressValueError:
        return False


def _is_user(text: str) -> bool:
    """Return whether both transports send this user and password, and send them alike."""
    user, _, password = (unquote(part) for part in text.partition(":"))
    try:
        f"{user}:{password}".encode("latin-1")
    except UnicodeEncodeError:
        return False
    is_sent_alike = bool(user) and ":" not in user and (user + password).isprintable()
    return is_sent_alike and _USER.fullmatch(text) is not None


def _port(port: str | None, scheme: str) -> str:
    return "" if port in (None, _DEFAULT_PORTS[scheme]) else f":{port}"
