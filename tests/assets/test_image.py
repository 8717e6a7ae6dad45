"""The asset of an image repository, as Airflow reads it from the provider info."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from airflow.providers.common.compat.sdk import Asset

from airflow_provider_modelarts.assets.image import create_asset, sanitize_uri

SWR = "swr.eu-de.otc.t-systems.com"


@pytest.mark.parametrize(
    ("arguments", "uri"),
    [
        pytest.param({}, f"swr://{SWR}/team/research", id="plain"),
        pytest.param(
            {"registry": "SWR.Example.com:5000"}, "swr://swr.example.com:5000/team/research", id="port"
        ),
        pytest.param({"registry": "[::1]:5000"}, "swr://[::1]:5000/team/research", id="IPv6"),
        pytest.param({"name": "base/research"}, f"swr://{SWR}/team/base/research", id="a slash in the name"),
        pytest.param({"namespace": "Team.1"}, f"swr://{SWR}/Team.1/research", id="case of the path is kept"),
    ],
)
def test_asset_is_created_from_parts(arguments: dict[str, Any], uri: str) -> None:
    asset = create_asset(**{"registry": SWR, "namespace": "team", "name": "research", **arguments})

    assert (asset.uri, asset.extra or {}) == (uri, {})
    assert getattr(asset, "name", uri) == uri  # a dataset of Airflow 2 has no name


def test_asset_keeps_extra() -> None:
    asset = create_asset(registry=SWR, namespace="team", name="research", extra={"owner": "us"})

    assert asset.extra == {"owner": "us"}


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        pytest.param("registry", f"https://{SWR}", "without scheme", id="a URL"),
        pytest.param("registry", f"{SWR}/team", "without scheme, path", id="a path"),
        pytest.param("registry", f"me:secret@{SWR}", "and user", id="a user"),
        pytest.param("registry", "", "must be the host", id="no registry"),
        pytest.param("registry", "{{ var.value.swr }}", "AssetAlias", id="a template"),
        pytest.param("namespace", "team/research", "SWR organization", id="two segments"),
        pytest.param("namespace", None, "must be a string", id="no organization"),
        pytest.param("name", "research:1.0", "without a tag", id="a tag"),
        pytest.param("name", "research@sha256:0", "without a tag or digest", id="a digest"),
        pytest.param("name", "/research", "name of the image", id="an empty segment"),
        pytest.param("name", "{% if x %}a{% endif %}", "not a template", id="a template's statement"),
    ],
)
def test_asset_refuses_other_parts(field: str, value: Any, rule: str) -> None:
    with pytest.raises(ValueError, match="Not an image repository") as caught:
        create_asset(**{"registry": SWR, "namespace": "team", "name": "research", field: value})

    assert f"{field} must" in str(caught.value)
    assert rule in str(caught.value)
    assert "secret" not in str(caught.value)


def test_asset_names_every_wrong_part() -> None:
    with pytest.raises(ValueError, match=r"registry must .*namespace must .*name must"):
        create_asset(registry="", namespace="", name="")


@pytest.mark.parametrize(
    ("uri", "sanitized"),
    [
        (f"swr://{SWR}/team/research", f"swr://{SWR}/team/research"),
        ("SWR://SWR.Example.com:5000/team/research/", "swr://swr.example.com:5000/team/research"),
        (f"swr://{SWR}/team/base/research#fragment", f"swr://{SWR}/team/base/research"),
    ],
)
def test_uri_has_one_form(uri: str, sanitized: str) -> None:
    once = urlunsplit(sanitize_uri(urlsplit(uri)))

    assert once == sanitized
    assert urlunsplit(sanitize_uri(urlsplit(once))) == once
    assert Asset(uri=uri).uri == sanitized


@pytest.mark.parametrize(
    ("uri", "field", "remedy"),
    [
        ("swr:///team/research", "registry", "such as swr."),
        (f"swr://me@{SWR}/team/research", "registry", "without scheme, path and user"),
        (f"swr://{SWR}", "path", "/namespace/name"),
        (f"swr://{SWR}/research", "path", "/namespace/name"),
        (f"swr://{SWR}/team//research", "path", "/namespace/name"),
        (f"swr://{SWR}/team/research:1.0", "path", "extra of each event"),
        (f"swr://{SWR}/team/research?tag=1", "query", "the asset's extra"),
        (f"swr://{SWR}/team/{{{{ ds }}}}", "path", "AssetAlias"),
        ("swr://{{ var.value.swr }}/team/research", "registry", "AssetAlias"),
    ],
)
def test_uri_of_something_else_is_refused(uri: str, field: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=f"{field} must") as caught:
        sanitize_uri(urlsplit(uri))

    assert remedy in str(caught.value)


def test_uri_of_something_else_is_refused_when_airflow_parses_dag() -> None:
    with pytest.raises(ValueError, match="path must be /namespace/name"):
        Asset(uri=f"swr://{SWR}/team/research:1.0")


def test_asset_factory_and_converter_are_registered() -> None:
    from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

    providers = ProvidersManagerTaskRuntime()
    asset = providers.asset_factories["swr"](registry=SWR, namespace="team", name="base/research")
    dataset = providers.asset_to_openlineage_converters["swr"](asset, None)

    assert (dataset.namespace, dataset.name) == (f"swr://{SWR}", "team/base/research")
