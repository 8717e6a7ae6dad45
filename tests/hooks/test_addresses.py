"""The forms of an address that a connection accepts."""

from __future__ import annotations

import traceback
from collections.abc import Callable

import pytest
import requests
from aiohttp.helpers import strip_auth_from_url
from yarl import URL

from airflow_provider_modelarts.hooks.addresses import (
    PROXY_SCHEMES,
    read_address,
    read_console_address,
    read_iam_address,
    read_proxy,
)


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("modelarts.example.com", "https://modelarts.example.com"),
        ("HTTPS://ModelArts.Example.COM/", "https://modelarts.example.com"),
        ("http://modelarts.example.com//", "http://modelarts.example.com"),
        ("modelarts.example.com.", "https://modelarts.example.com"),
        ("modelarts.example.com:8443", "https://modelarts.example.com:8443"),
        ("modelarts.example.com:08443", "https://modelarts.example.com:8443"),
        ("https://modelarts.example.com:443", "https://modelarts.example.com"),
        ("http://modelarts.example.com:443", "http://modelarts.example.com:443"),
        ("http://modelarts.example.com:80/", "http://modelarts.example.com"),
        ("xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("my_gateway", "https://my_gateway"),
        ("10.1.2.3:8443", "https://10.1.2.3:8443"),
        ("::1", "https://[::1]"),
        ("http://::1", "http://[::1]"),
        ("[2001:DB8::1]:8443", "https://[2001:db8::1]:8443"),
    ],
)
def test_read_address_returns_normal_form(value: str, address: str) -> None:
    assert read_address(value) == address
    assert read_address(address) == address


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("h", "http://h:8080"),
        ("h:1", "http://h:1"),
        ("https://h", "https://h:8080"),
        ("::1", "http://[::1]:8080"),
    ],
)
def test_read_address_defaults_scheme_and_port(value: str, address: str) -> None:
    assert read_address(value, scheme="http", port="8080") == address


WRITTEN = """
    http:// https:// http: https: http HTTPS http:/ http:/h https:h http//h :// ://h //h /h : :443
    h: h:0 h:00 h:65536 h:99999 h:443:443 h:x h:-1 h:+1 h:٣ user:pw@ @h https://https://h
    ftp://h file:///h javascript:h h? h?a=b h# h#a h/? h\\ h\\a <h> h,g h;g h%2e *
    bücher.example h。example \uff48 . .. h.. .h h..g -h h- h-.example
    1.2.3 1.2.3.4.5 256.1.1.1 010.1.1.1 0x7f.1 example.1 2130706433
    [ [] [::1 ::1] [::1]x [::g] [1.2.3.4] fe80::1%eth0 [fe80::1%25eth0] [v1.x]
"""
NO_HOST = [*WRITTEN.split(), "h h", "h\nh", "h\x00", "a" * 64, "a." * 127 + "a"]


@pytest.mark.parametrize("value", NO_HOST)
@pytest.mark.parametrize("read", [read_address, read_iam_address, read_console_address, read_proxy])
def test_read_functions_reject_address_without_host(read: Callable[[str], str], value: str) -> None:
    assert refusal(read, value)


@pytest.mark.parametrize("value", ["h/v1", "h/v3", "user@h", "user:pw@h", "h/a/"])
def test_read_address_rejects_path_and_user(value: str) -> None:
    assert refusal(read_address, value)


@pytest.mark.parametrize("path", ["", "/", "/v3", "/v3/", "/v3//", "/v3.0", "/v3.0/"])
@pytest.mark.parametrize("host", ["iam.example.com", "v3", "v3.example.com:8443"])
def test_read_iam_address_drops_version(host: str, path: str) -> None:
    assert read_iam_address(host + path) == f"https://{host}"


@pytest.mark.parametrize(
    "value", ["iam/v2", "iam/v3/auth/tokens", "iam/v31", "iam/v3?x", "iam/v3.1", "user:pw@iam"]
)
def test_read_iam_address_rejects_other_path(value: str) -> None:
    assert refusal(read_iam_address, value)


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("console.example.com", "https://console.example.com"),
        ("http://console.example.com:8080/", "http://console.example.com:8080"),
        ("https://example.com/a%20b/console/", "https://example.com/a%20b/console"),
    ],
)
def test_read_console_address_keeps_path(value: str, address: str) -> None:
    assert read_console_address(value) == address


@pytest.mark.parametrize("value", ["h/a?b", "h/a#b", "h/a b", "h/\\", "h/é", 'h/"', "user:pw@h/a"])
def test_read_console_address_rejects_invalid_path(value: str) -> None:
    assert refusal(read_console_address, value)


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("proxy.example.com", "http://proxy.example.com"),
        ("proxy.example.com:3128", "http://proxy.example.com:3128"),
        ("HTTP://Proxy.example.com:3128/", "http://proxy.example.com:3128"),
        ("user:pw@proxy:3128", "http://user:pw@proxy:3128"),
        ("user:@proxy", "http://user:@proxy"),
        ("user@proxy", "http://user:@proxy"),
        ("http://user:p:w@proxy", "http://user:p:w@proxy"),
        ("http://user:%2F%23%3F%40%5C%25@[::1]:3128", "http://user:%2F%23%3F%40%5C%25@[::1]:3128"),
    ],
)
def test_read_proxy_returns_normal_form(value: str, address: str) -> None:
    assert read_proxy(value) == address


@pytest.mark.parametrize(
    "value",
    [
        *(f"http://user:SECRET{c}SECRET@proxy:3128" for c in '/#?\\@[]<>"|^`{} é€'),
        *(f"http://user:SECRET{c}SECRET@proxy:3128" for c in ("%0A", "%00", "%E9", "%E2%82%AC", "%7F")),
        *(
            "http://us/er:SECRET@proxy",
            "http://us%3Aer:SECRET@proxy",
            "http://:SECRET@proxy",
            "http://:@proxy",
        ),
        *("http://user:SECRET@", "http://user:SECRET@/", "http://user:SECRET", "user:SECRET@proxy:port"),
        *("user:SECRET@proxy/path", "http://proxy:3128/SECRET@x", "http://proxy:3128?SECRET@x"),
        *(
            f"{scheme}://user:SECRET@proxy"
            for scheme in ("socks4", "socks5", "socks5h", "ftp", "ws", "SECRET")
        ),
    ],
)
def test_read_proxy_rejects_address_that_transports_parse_differently(value: str) -> None:
    assert "SECRET" not in refusal(read_proxy, value)


@pytest.mark.parametrize("scheme", PROXY_SCHEMES)
@pytest.mark.parametrize(
    "user",
    [
        "user:pw",
        "user:",
        "user",
        "user:p:w",
        "user:p%2Fw%40",
        "u%20r:%C3%A9",
        "user:p%w",
        "u+r:p+w",
        "u~r:!$&'()*,;=",
    ],
)
def test_read_proxy_returns_address_that_transports_parse_alike(scheme: str, user: str) -> None:
    """Each with the parser of its library."""
    proxy = read_proxy(f"{scheme}://{user}@proxy.example.com:3128")

    address, login = strip_auth_from_url(URL(proxy))

    assert login is not None
    assert (login.login, login.password) == requests.utils.get_auth_from_url(proxy)
    assert str(address) == f"{scheme}://proxy.example.com:3128"


def refusal(read: Callable[[str], str], value: str) -> str:
    """Return the error message about an invalid value."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - parse_connection adds the message
        read(value)
    return "".join(traceback.format_exception(caught.value.with_traceback(None)))
