"""The operations on the tags of a repository in SWR, the registry of images."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from airflow_provider_modelarts.client.clouds import Cloud
from airflow_provider_modelarts.client.http_types import Items, Operation
from airflow_provider_modelarts.client.models import Page, text_rule
from airflow_provider_modelarts.client.operations.validation import MAX_PAGE_BYTES
from airflow_provider_modelarts.client.registry import RegistryTag, RegistryTagPage, RetentionRule, total_of
from airflow_provider_modelarts.exceptions import FieldViolation, RequestValidationError

TAGS_PER_PAGE = 100
"""Tags of a page, unless the caller sets a limit."""
MAX_TAGS_PER_PAGE = 1000
"""The largest ``limit`` that SWR accepts."""
MIN_TAGS_PER_PAGE = 10
"""Tags of the smallest page that is requested after one that was too large."""


def list_tags(
    namespace: str, repository: str, *, offset: int = 0, limit: int = TAGS_PER_PAGE
) -> Operation[Page[RegistryTag]]:
    """
    List the tags of a repository, those that were set last first, one page per call.

    https://support.huaweicloud.com/intl/en-us/api-swr/swr_02_0035.html
    https://docs.otc.t-systems.com/software-repository-container/api-ref/apis/image_tag_management/querying_image_tags.html

    ``offset`` and ``limit`` are always sent together, as the pages demand. The number of all tags is in the
    header ``Content-Range``.

    :param namespace: the organization.
    :param repository: the name of the repository, without its organization; it may contain slashes.
    :param offset: tags to leave out.
    :param limit: tags of a page, at most 1000; fewer are requested if a page is too large.
    :raises RequestValidationError: a value cannot stand in a path, or a number is out of its range.
    """
    query = {
        "offset": str(_number("offset", offset, 0, None)),
        "limit": str(_number("limit", limit, 1, MAX_TAGS_PER_PAGE)),
        "order_column": "updated_at",
        "order_type": "desc",
    }

    def parse(data: Any) -> Page[RegistryTag]:
        items = _items(data)
        return RegistryTagPage.model_validate({"data": items.records, "total": total_of(items.content_range)})

    sizes = [limit]
    while sizes[-1] > MIN_TAGS_PER_PAGE:
        sizes.append(max(MIN_TAGS_PER_PAGE, sizes[-1] // 2))
    return Operation(
        "ListRepositoryTags",
        "GET",
        f"{_path(namespace, repository)}/tags",
        parse,
        query=query,
        max_bytes=MAX_PAGE_BYTES,
        page_sizes=tuple(sizes),
        subject=f"repository {namespace}/{repository}",
        service="swr",
    )


def delete_tag(namespace: str, repository: str, tag: str) -> Operation[None]:
    """
    Delete a tag, for good; other tags of the same content stay.

    https://support.huaweicloud.com/intl/en-us/api-swr/swr_02_0036.html
    https://docs.otc.t-systems.com/software-repository-container/api-ref/apis/image_tag_management/deleting_an_image_with_a_specified_tag.html

    :raises RequestValidationError: a value cannot stand in a path.
    """
    path = f"{_path(namespace, repository)}/tags/{_segment('tag', tag)}"
    subject = f"tag {namespace}/{repository}:{tag}"
    return Operation("DeleteRepoTag", "DELETE", path, _ignore, subject=subject, service="swr")


def create_tag(
    cloud: Cloud,
    namespace: str,
    repository: str,
    *,
    source_tag: str,
    destination_tag: str,
    override: bool = False,
) -> Operation[None]:
    """
    Give the content of a tag one more tag in the same repository.

    https://support.huaweicloud.com/intl/en-us/api-swr/swr_02_0076.html

    :param cloud: of the connection; the SWR of Open Telekom Cloud has no such operation.
    :param override: whether to move ``destination_tag`` if it exists.
    :raises RequestValidationError: the cloud has no such operation, or a value breaks a rule.
    """
    if not cloud.has_create_tag:
        raise RequestValidationError(
            f"Nothing was sent: {namespace}/{repository}:{source_tag} cannot get tag {destination_tag!r}, as "
            f"the SWR of {cloud.display_name} has no such operation. Use a container client: pull the image, "
            "tag it and push it"
        )
    if not isinstance(override, bool):
        raise RequestValidationError([FieldViolation("override", "must be True or False", override)])
    body = {
        "source_tag": _tag("source_tag", source_tag),
        "destination_tag": _tag("destination_tag", destination_tag),
        "override": override,
    }
    return Operation(
        "CreateRepoTag",
        "POST",
        f"{_path(namespace, repository)}/tags",
        _ignore,
        body=body,
        subject=f"tag {namespace}/{repository}:{destination_tag}",
        service="swr",
    )


def list_retention_rules(namespace: str, repository: str) -> Operation[list[RetentionRule]]:
    """
    List the rules by which SWR deletes the tags of a repository.

    https://support.huaweicloud.com/intl/en-us/api-swr/swr_02_0053.html
    https://docs.otc.t-systems.com/software-repository-container/api-ref/apis/image_retention_policy_management/querying_image_retention_policies.html

    :raises RequestValidationError: a value cannot stand in a path.
    """

    def parse(data: Any) -> list[RetentionRule]:
        rules: list[Any] = []
        for policy in _items(data).records:
            listed = policy.get("rules") if isinstance(policy, dict) else None
            # A policy that cannot be read still deletes tags.
            rules += listed if isinstance(listed, list) else [None]
        return [RetentionRule.model_validate(rule if isinstance(rule, dict) else {}) for rule in rules]

    return Operation(
        "ListRetentions",
        "GET",
        f"{_path(namespace, repository)}/retentions",
        parse,
        subject=f"repository {namespace}/{repository}",
        service="swr",
    )


def _path(namespace: str, repository: str) -> str:
    """Return the path of a repository, in which its slashes are dollar signs, as the pages demand."""
    segments = repository.split("/") if isinstance(repository, str) else [repository]
    name = "$".join(_segment("repository", segment) for segment in segments)
    return f"/namespaces/{_segment('namespace', namespace)}/repos/{name}"


def _segment(field: str, value: str) -> str:
    """Return a name as one path segment; one that would change the path is refused."""
    rule = text_rule("" if value is None else value)
    if not rule and (value.startswith(".") or any(c in "/\\?#%;$:@" or not "!" <= c <= "~" for c in value)):
        rule = "must be a name that SWR accepts: letters, digits, hyphens, underscores and periods"
    if rule:
        raise RequestValidationError([FieldViolation(field, rule, value)])
    return quote(value, safe="")


def _tag(field: str, value: str) -> str:
    _segment(field, value)
    return value


def _number(field: str, value: int, low: int, high: int | None) -> int:
    if type(value) is not int or value < low or (high is not None and value > high):
        end = "" if high is None else f" to {high}"
        raise RequestValidationError(
            [FieldViolation(field, f"must be a whole number from {low}{end}", value)]
        )
    return value


def _items(data: Any) -> Items:
    if isinstance(data, Items):
        return data
    raise ValueError("it is no list")


def _ignore(_: Any) -> None:
    """Return None for any response: the pages document none, and an empty one is as good."""
