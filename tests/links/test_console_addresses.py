"""The addresses of notebooks, as links of the UI."""

from __future__ import annotations

import pytest

from airflow_provider_modelarts.links.console import without_token


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://[::1]:8888/lab?token=s", "http://[::1]:8888/lab"),
        ("https://user:s@[2001:DB8::1]/lab", "https://[2001:db8::1]/lab"),
        ("https://h/lab%3Ftoken=s", "https://h/lab"),
        ("https://h/lab%3btoken=s", "https://h/lab"),
        ("https://h/lab%23token=s", "https://h/lab"),
        ("https://h/a%20b/lab", "https://h/a%20b/lab"),
        ("https://[::1/lab", ""),
    ],
)
def test_address_without_token_stays_an_address(url: str, shown: str) -> None:
    assert without_token(url) == shown
