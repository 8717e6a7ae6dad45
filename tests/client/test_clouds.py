"""Regions, clouds and their addresses."""

from __future__ import annotations

import pytest

from airflow_provider_modelarts.client.clouds import CLOUDS, Cloud, cloud_for_region


@pytest.mark.parametrize(
    ("region", "cloud", "endpoint"),
    [
        ("eu-de", "otc", "https://modelarts.eu-de.otc.t-systems.com"),
        ("eu-nl", "otc", "https://modelarts.eu-nl.otc.t-systems.com"),
        ("eu-ch2", "otc", "https://modelarts.eu-ch2.sc.otc.t-systems.com"),
        ("eu-west-101", "huaweicloud-eu", "https://modelarts.eu-west-101.myhuaweicloud.eu"),
        ("cn-north-4", "huaweicloud", "https://modelarts.cn-north-4.myhuaweicloud.com"),
        ("eu-west-0", "huaweicloud", "https://modelarts.eu-west-0.myhuaweicloud.com"),
        ("xy-new-1", "huaweicloud", "https://modelarts.xy-new-1.myhuaweicloud.com"),
    ],
)
def test_cloud_for_region_returns_cloud_and_endpoint(region: str, cloud: str, endpoint: str) -> None:
    assert cloud_for_region(region).name == cloud
    assert cloud_for_region(region).endpoint("modelarts", region) == endpoint


def test_clouds_are_keyed_by_name() -> None:
    assert list(CLOUDS) == ["huaweicloud", "huaweicloud-eu", "otc", "custom"]
    assert {name: cloud.name for name, cloud in CLOUDS.items()} == {name: name for name in CLOUDS}


@pytest.mark.parametrize("cloud", CLOUDS.values(), ids=CLOUDS)
def test_console_paths_take_region_only(cloud: Cloud) -> None:
    for page in (cloud.notebooks, cloud.images):
        assert page.format(region="eu-de").startswith("/")
        assert "eu-de" in page.format(region="eu-de")
