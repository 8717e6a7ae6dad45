"""The models of SWR, the registry that keeps the content of images."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from pydantic import AliasChoices, ConfigDict, Field, model_validator

from airflow_provider_modelarts.client.fields import Id, Integer, Text, Timestamp
from airflow_provider_modelarts.client.image_address import ImageAddress, parse_address
from airflow_provider_modelarts.client.models import MAX_LINE, Image, Page, ResponseModel
from airflow_provider_modelarts.exceptions import sanitize


class RegistryTag(ResponseModel):
    """
    A tag of a repository and the content that it names.

    Only the tag is mandatory.

    :param digest: of the content, such as ``sha256:…``; tags with the same digest name the same content.
    :param size_bytes: of the content. Images share layers, so sizes of several add up to more than they use.
    :param layers: the number of layers; None if the tag names a list of manifests, or its manifest cannot be
        read.
    :param path: its address, from outside of the cloud; ``internal_path`` is that from inside.
    :param created_at: when the tag was created, in milliseconds since the epoch.
    :param updated_at: when the tag was last set to other content, in milliseconds since the epoch.
    """

    model_config = ConfigDict(populate_by_name=True)

    tag: Id = Field(validation_alias=AliasChoices("Tag", "tag"))
    digest: Text = None
    size_bytes: Integer = Field(default=None, validation_alias=AliasChoices("size", "size_bytes"))
    layers: Integer = None
    path: Text = None
    internal_path: Text = None
    created_at: Timestamp = Field(default=None, validation_alias=AliasChoices("created", "created_at"))
    updated_at: Timestamp = Field(default=None, validation_alias=AliasChoices("updated", "updated_at"))

    @model_validator(mode="before")
    @classmethod
    def _count_layers(cls, record: Any) -> Any:
        if isinstance(record, dict) and isinstance(record.get("manifest"), str):
            return {**record, "layers": _layers(record["manifest"])}
        return record

    @property
    def domains(self) -> frozenset[str]:
        """The domains at which SWR has the tag; empty if it does not show them."""
        found = map(parse_address, (self.path, self.internal_path))
        return frozenset(address.domain for address in found if address and address.domain)

    @property
    def id(self) -> str:
        """The tag itself, of which a repository has each once."""
        return self.tag

    def to_xcom(self) -> dict[str, Any]:
        """Return digest, size and number of layers as plain JSON, without those that are not known."""
        facts = {"digest": self.digest, "size_bytes": self.size_bytes, "layers": self.layers}
        return {key: value for key, value in facts.items() if value is not None}


RegistryTagPage = Page[RegistryTag]
# Named, because pydantic drops a generic model that nothing refers to, and builds it again.


class RetentionRule(ResponseModel):
    """
    A rule by which SWR itself deletes the tags of a repository, at once and for good.

    :param template: ``date_rule`` or ``tag_rule``.
    :param days: of a ``date_rule``: tags that are older are deleted.
    :param num: of a ``tag_rule``: of more tags than this, the oldest are deleted.
    :param exceptions: the tags, and the regular expressions of tags, that the rule leaves alone.
    """

    template: Text = None
    days: Integer = None
    num: Integer = None
    exceptions: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _flatten(cls, rule: Any) -> Any:
        if not isinstance(rule, dict):
            return rule
        params = rule.get("params")
        selectors = rule.get("tag_selectors")
        listed = selectors if isinstance(selectors, list) else []
        patterns = [selector.get("pattern") for selector in listed if isinstance(selector, dict)]
        return {
            "template": rule.get("template"),
            **(params if isinstance(params, dict) else {}),
            "exceptions": tuple(p for p in patterns if isinstance(p, str)),
        }

    def describe(self) -> str:
        """Return the rule in words, as text that follows "SWR"."""
        if self.template == "date_rule" and self.days is not None:
            text = f"deletes tags older than {self.days} days"
        elif self.template == "tag_rule" and self.num is not None:
            text = f"keeps {self.num} tags and deletes the others"
        else:
            text = "deletes tags by an unknown rule"
        return sanitize(f"{text}, except {', '.join(self.exceptions)}" if self.exceptions else text, MAX_LINE)


def registry_address(image: Image) -> ImageAddress | None:
    """
    Return where the registry has an image, with its tag, or None if its record names no repository or tag.

    ``swr_path`` decides. Without it, namespace, name and tag of the record do, and the registry is empty.
    """
    address = parse_address(image.swr_path)
    # With a registry before it, because the organization of a name with slashes resembles one.
    named = parse_address(f"registry/{image.namespace or ''}/{image.name or ''}")
    if named is not None:
        if address is None:
            address = replace(named, registry="")
        elif f"{address.registry}/{address.path}" == named.path:
            address = replace(address, registry="", path=named.path)
    if address is None:
        return None
    tag = address.tag or image.tag
    return None if tag is None else ImageAddress(address.registry, address.path, tag, address.digest)


def is_in_enterprise_registry(image: Image) -> bool:
    """Whether an image is in an Enterprise registry, whose tags SWR's basic edition does not have."""
    address = parse_address(image.swr_path)
    return bool(image.swr_instance_id) or (address is not None and ".swr-pro." in f".{address.registry}")


def total_of(content_range: Any) -> int | None:
    """Return the number of all records from a ``Content-Range`` such as ``0-100/250``; None without one."""
    found = re.fullmatch(r".*/\s*([0-9]{1,18})\s*", content_range if isinstance(content_range, str) else "")
    return int(found[1]) if found else None


def _layers(manifest: str) -> int | None:
    """Return the number of layers in a manifest of either schema, or None if it cannot be read."""
    try:
        parsed = json.loads(manifest)
    except (ValueError, RecursionError):
        return None
    found = parsed.get("layers") or parsed.get("fsLayers") if isinstance(parsed, dict) else None
    return len(found) if isinstance(found, list) else None
