"""
The request rules of create-image on each cloud, from the vendors' pages.

Pages: "Saving a Running Instance as a Container Image" of Huawei Cloud (2025-08-20), of its EU
site (2025-05-30, with the rules of the OTC page) and of Open Telekom Cloud.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .exchange import Refusal

INVALID_PARAMETER = "ModelArts.0104"
"""The code for an invalid parameter; several fit, and which one the service uses is not documented."""


@dataclass(frozen=True)
class Field:
    """The rule for one field of the body."""

    mandatory: bool = False
    longest: int | None = None
    pattern: str = ".*"
    meaning: str = "any text"

    def check(self, name: str, value: object) -> None:
        """Raise Refusal for a value that breaks the rule."""
        if not isinstance(value, str):
            raise invalid(name, "must be a string")
        if self.longest is not None and len(value) > self.longest:
            raise invalid(name, f"must not be longer than {self.longest} characters, has {len(value)}")
        if not re.fullmatch(self.pattern, value, re.DOTALL):
            raise invalid(name, f"must be {self.meaning}")


@dataclass(frozen=True)
class CloudRules:
    """Region, domain and request rules of one cloud."""

    region: str
    domain: str
    fields: Mapping[str, Field]
    ascend: bool
    keeps_used_images: bool
    """Whether the cloud's page documents that an image in use cannot be deleted."""
    lease_range: tuple[int, int] = (3_600_000, 259_200_000)
    """Milliseconds of the shortest and the longest lease."""
    has_partial_update: bool = False
    """Whether the page's sample of an updated notebook lacks id and status."""
    has_create_tag: bool = True
    """Whether its SWR has the operation that gives an image another tag."""

    def registry(self, region: str) -> str:
        """Return the SWR host of a region."""
        return f"swr.{region}.{self.domain}"


# The OTC page allows periods in a tag; the Huawei page has commas where its Chinese original has periods.
# SWR uses Docker's tags, which cannot contain a comma, so no cloud accepts one here.
_TAG = Field(longest=64, pattern=r"[A-Za-z0-9._-]+", meaning="letters, digits, '-', '_' and '.'")
_SHARED = {"tag": _TAG, "description": Field(longest=512), "workspace_id": Field()}

_HUAWEI_FIELDS = {
    "name": Field(
        mandatory=True,
        longest=128,
        pattern=r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?",
        meaning="lower-case letters, digits, '-', '_' and '.', with a letter or digit at both ends",
    ),
    "namespace": Field(
        mandatory=True,
        longest=64,
        pattern=r"[a-z][A-Za-z0-9._-]*",
        meaning="letters, digits, '-', '_' and '.', beginning with a lower-case letter",
    ),
    **_SHARED,
    # Only in Huawei's SDK, on no page: the instance of SWR Enterprise.
    "swr_instance_id": Field(),
    "swr_instance_domain": Field(),
}

_OTC_FIELDS = {
    "name": Field(
        longest=512, pattern=r"[a-z0-9._-]+", meaning="lower-case letters, digits, '-', '_' and '.'"
    ),
    "namespace": Field(pattern=r".+", meaning="the name of an organization"),
    **_SHARED,
}

CLOUDS: Mapping[str, CloudRules] = {
    "huaweicloud": CloudRules(
        "cn-north-4", "myhuaweicloud.com", _HUAWEI_FIELDS, ascend=True, keeps_used_images=True
    ),
    "huaweicloud-eu": CloudRules(
        "eu-west-101", "myhuaweicloud.eu", _OTC_FIELDS, ascend=True, keeps_used_images=True
    ),
    # OTC's pages have no limits of a lease.
    "otc": CloudRules(
        "eu-de",
        "otc.t-systems.com",
        _OTC_FIELDS,
        ascend=False,
        keeps_used_images=False,
        lease_range=(1, 10**12),
        has_partial_update=True,
        has_create_tag=False,
    ),
}


def invalid(name: str, complaint: str) -> Refusal:
    """Return the refusal of an invalid parameter."""
    return Refusal(400, INVALID_PARAMETER, f"Invalid parameter: {name} {complaint}.")


def json_object(body: bytes) -> dict[str, Any]:
    """Parse a JSON object; an empty body counts as an empty object."""
    if not body:
        return {}
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal(400, INVALID_PARAMETER, "The request body is not JSON.") from None
    if not isinstance(document, dict):
        raise Refusal(400, INVALID_PARAMETER, "The request body is not a JSON object.")
    return document


def create_image_fields(cloud: CloudRules, body: bytes) -> dict[str, str]:
    """Validate the body of create-image by a cloud's rules and return its fields."""
    return _checked(json_object(body), cloud.fields)


_REGISTER_FIELDS = {
    "swr_path": Field(
        mandatory=True,
        longest=2048,
        pattern=r"[^\s/]+(/[^\s/:]+)+:[A-Za-z0-9._-]+",
        meaning="an address with a tag",
    ),
    "arch": Field(pattern="X86_64|AARCH64", meaning="X86_64 or AARCH64"),
    "description": Field(longest=512),
    "origin": Field(pattern="CUSTOMIZE|IMAGE_SAVE", meaning="CUSTOMIZE or IMAGE_SAVE"),
    "service_type": Field(
        pattern="COMMON|INFERENCE|TRAIN|DEV|UNKNOWN", meaning="COMMON, INFERENCE, TRAIN, DEV or UNKNOWN"
    ),
    "visibility": Field(pattern="PRIVATE|PUBLIC", meaning="PRIVATE or PUBLIC"),
    "workspace_id": Field(),
}


def register_image_fields(body: bytes) -> dict[str, str]:
    """
    Validate the body of RegisterImage and return its fields.

    Lists return ``arch`` in lower case, but only upper case is accepted.
    """
    return _checked(json_object(body), _REGISTER_FIELDS)


_UPDATE_FIELDS = {"image_id": Field(), "name": Field(longest=128), "flavor": Field(), "description": Field()}


def update_notebook_fields(body: bytes) -> dict[str, str]:
    """Validate the body of UpdateNotebook and return its fields, of which the simulator has four."""
    return _checked(json_object(body), _UPDATE_FIELDS)


def _checked(document: dict[str, Any], fields: Mapping[str, Field]) -> dict[str, str]:
    for name in document:
        if name not in fields:
            raise invalid(name, "is not a parameter of this API")
    for name, rule in fields.items():
        if name in document:
            rule.check(name, document[name])
        elif rule.mandatory:
            raise invalid(name, "is mandatory")
    return document
