"""
The asset of an image repository: ``swr://registry/namespace/name``.

All images of a repository share one asset. Which image an event is about is in the event's extra.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult

from airflow.providers.common.compat.sdk import Asset

from airflow_provider_modelarts.client.image_address import SCHEME
from airflow_provider_modelarts.exceptions import FieldViolation

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset

_REGISTRY = r"(?:[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?"
_SEGMENT = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_TEMPLATE_RULE = (
    "must be a string that is known when Airflow parses the DAG, not a template or the result of a task. "
    "Write the address itself, or use an AssetAlias as outlet, to which the task adds the repository of its "
    "image"
)
_REGISTRY_RULE = (
    "must be the host of the registry, with its port if it has one, such as swr.eu-de.otc.t-systems.com: "
    "without scheme, path and user"
)
_NAMESPACE_RULE = "must be the SWR organization: letters, digits, hyphens, underscores and periods"
_NAME_RULE = (
    "must be the name of the image: letters, digits, hyphens, underscores, periods and slashes, without a "
    "tag or digest, which are in the extra of each event"
)
_PATH_RULE = (
    "must be /namespace/name: letters, digits, hyphens, underscores and periods, without a tag or digest, "
    "which are in the extra of each event"
)
_QUERY_RULE = "must be empty: pass further values as the asset's extra"


def create_asset(*, registry: str, namespace: str, name: str, extra: dict[str, Any] | None = None) -> Asset:
    """
    Return the asset of an image repository.

    :param registry: host of the registry, with its port if it has one: the part of ``swr_path`` before the
        first slash.
    :param namespace: the SWR organization.
    :param name: the image's name, without a tag.
    :param extra: values that the asset itself has, as for any asset.
    :raises ValueError: an argument is not part of an image repository's address; each one is named.
    """
    host = _host(registry)
    _check(
        ("registry", host, _REGISTRY, _REGISTRY_RULE),
        ("namespace", namespace, _SEGMENT, _NAMESPACE_RULE),
        ("name", name, f"{_SEGMENT}(?:/{_SEGMENT})*", _NAME_RULE),
    )
    return Asset(uri=f"{SCHEME}://{host}/{namespace}/{name}", extra=extra)


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """
    Return the URI of an image repository in its only form; Airflow calls this for each ``swr://`` asset.

    :raises ValueError: it is no such URI; each part that is wrong is named.
    """
    host = _host(uri.netloc)
    path = uri.path.rstrip("/")
    _check(
        ("registry", host, _REGISTRY, _REGISTRY_RULE),
        ("path", path, f"(?:/{_SEGMENT}){{2,}}", _PATH_RULE),
        ("query", uri.query, "", _QUERY_RULE),
    )
    return uri._replace(netloc=host, path=path, fragment="")


def convert_asset_to_openlineage(asset: Asset, lineage_context: Any) -> Dataset:  # noqa: ARG001
    """Return the OpenLineage dataset of an asset; the OpenLineage provider calls this."""
    from airflow.providers.common.compat.openlineage.facet import Dataset

    namespace, _, name = asset.uri.removeprefix(f"{SCHEME}://").partition("/")
    return Dataset(namespace=f"{SCHEME}://{namespace}", name=name)


def _check(*fields: tuple[str, object, str, str]) -> None:
    """
    Check values against patterns.

    :param fields: name, value, pattern and rule of each.
    :raises ValueError: at least one value does not match.
    """
    violations = [
        FieldViolation(field, broken, value)
        for field, value, pattern, rule in fields
        if (broken := _broken_rule(value, pattern, rule))
    ]
    if violations:
        raise ValueError("Not an image repository: " + "; ".join(map(str, violations)))


def _broken_rule(value: object, pattern: str, rule: str) -> str:
    if not isinstance(value, str) or re.search(r"\{[{%]", value):
        return _TEMPLATE_RULE
    return "" if re.fullmatch(pattern, value) else rule


def _host(value: object) -> Any:
    """Return a host in lower case; whatever is before an ``@`` may be a password and is replaced."""
    if not isinstance(value, str):
        return value
    user, _, host = value.lower().rpartition("@")
    return f"***@{host}" if user else host
