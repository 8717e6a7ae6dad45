"""The addresses of proxies, and what of them is refused without being shown."""

from __future__ import annotations

from base64 import b64encode

import pytest

from airflow_provider_modelarts.exceptions import InvalidConnectionError
from airflow_provider_modelarts.transport.config import parse_proxy, split_address


def basic(pair: str) -> str:
    return f"Basic {b64encode(pair.encode()).decode()}"


@pytest.mark.parametrize(
    ("address", "url", "authorization"),
    [
        ("http://proxy.example:3128", "http://proxy.example:3128", ""),
        ("http://proxy.example:3128/", "http://proxy.example:3128", ""),
        ("http://me:se%2Fcret@proxy.example:3128", "http://proxy.example:3128", basic("me:se/cret")),
        ("https://me@proxy.example", "https://proxy.example", basic("me:")),
    ],
)
def test_config_parses_proxy(address: str, url: str, authorization: str) -> None:
    proxy = parse_proxy(address, origin="extra proxy")

    assert proxy.url == url
    assert proxy.authorization == authorization


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("proxy.example:3128", "begins with neither"),
        ("socks5://proxy.example", "begins with neither"),
        ("http://me:sec/ret@proxy.example", "invalid|continues"),
        ("http://me:sec#ret@proxy.example", "invalid|continues"),
        ("http://proxy.example:3128/path", "continues after host and port"),
        ("http://sec ret@proxy.example", "white space"),
        ("http://", "no host"),
        ("http://proxy.example:99999", "host or port is invalid"),
    ],
)
def test_config_refuses_proxy_without_showing_it(address: str, fault: str) -> None:
    with pytest.raises(InvalidConnectionError, match=fault) as refused:
        parse_proxy(address, origin="extra proxy")

    assert str(refused.value).startswith("Nothing was sent. extra proxy cannot be used: ")
    assert "sec" not in str(refused.value)
    assert not refused.value.may_have_been_processed


def test_config_splits_valid_address() -> None:
    assert split_address("https://modelarts.example/v1")[0] == ""
