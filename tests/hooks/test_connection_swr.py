"""The address of SWR's API: derived, given, or missing."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_modelarts.exceptions import InvalidConnectionError
from tests.hooks.connections import settings

CUSTOM = {"cloud": "custom", "iam_endpoint": "iam.example.com"}


@pytest.mark.parametrize(
    ("fields", "extra", "endpoint"),
    [
        pytest.param({}, {"region": "eu-de"}, "https://swr-api.eu-de.otc.t-systems.com", id="otc"),
        pytest.param({}, {"region": "eu-ch2"}, "https://swr-api.eu-ch2.sc.otc.t-systems.com", id="otc, ch2"),
        pytest.param({}, {"region": "cn-north-4"}, "https://swr-api.cn-north-4.myhuaweicloud.com", id="cn"),
        pytest.param({}, {"region": "eu-west-101"}, "https://swr-api.eu-west-101.myhuaweicloud.eu", id="eu"),
        pytest.param(
            {}, {"swr_endpoint": "swr.example.com:8443"}, "https://swr.example.com:8443", id="given"
        ),
        pytest.param(
            {"host": "ma.example.com"},
            {"swr_endpoint": "http://swr.example.com/"},
            "http://swr.example.com",
            id="given beside a host",
        ),
        pytest.param(
            {"host": "ma.example.com"},
            {**CUSTOM, "swr_endpoint": "swr.example.com"},
            "https://swr.example.com",
            id="given for a custom cloud",
        ),
    ],
)
def test_require_swr_endpoint_returns_given_or_derived_address(
    fields: dict[str, Any], extra: dict[str, Any], endpoint: str
) -> None:
    assert settings(**fields, extra=extra).require_swr_endpoint() == endpoint


@pytest.mark.parametrize(
    ("fields", "extra"),
    [
        pytest.param({"host": "ma.example.com"}, {}, id="a host and a region"),
        pytest.param({"host": "https://modelarts.eu-de.otc.t-systems.com"}, {}, id="even the region's host"),
        pytest.param({"host": "ma.example.com"}, CUSTOM, id="a custom cloud"),
        pytest.param(
            {"host": "ma.example.com"}, {"region": None, "cloud": "huaweicloud"}, id="a host without region"
        ),
    ],
)
def test_require_swr_endpoint_refuses_registry_of_region_beside_host(
    fields: dict[str, Any], extra: dict[str, Any]
) -> None:
    """Another installation's credentials must not reach the public cloud."""
    found = settings(**fields, extra=extra)

    with pytest.raises(InvalidConnectionError, match="extra swr_endpoint of the connection is missing"):
        found.require_swr_endpoint()


@pytest.mark.parametrize(("scheme", "plain"), [("http", ("http://swr.example.com",)), ("https", ())])
def test_plaintext_endpoints_include_swr(scheme: str, plain: tuple[str, ...]) -> None:
    assert settings(extra={"swr_endpoint": f"{scheme}://swr.example.com"}).plaintext_endpoints == plain
