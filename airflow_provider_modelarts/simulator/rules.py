"""
The request rules of create-image, cloud by cloud, as the vendors' pages state them.

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
"""The error table's code for a bad parameter; which of its like the service picks is not documented."""


@dataclass(frozen=True)
class Field:
    """The rule of one body field."""

    mandatory: bool = False
    longest: int | None = None
    pattern: str = ".*"
    meaning: str = "any text"

    def judge(self, name: str, value: object) -> None:
        """Refuse a value that breaks the rule."""
        if not isinstance(value, str):
            raise invalid(name, "must be a string")
        if self.longest is not None and len(value) > self.longest:
            raise invalid(name, f"must not be longer than {self.longest} characters, has {len(value)}")
        if not re.fullmatch(self.pattern, value, re.DOTALL):
            raise invalid(name, f"must be {self.meaning}")


@dataclass(frozen=True)
class CloudRules:
    """What differs between the clouds."""

    region: str
    domain: str
    fields: Mapping[str, Field]
    ascend: bool
    keeps_used_images: bool
    """Whether its page says that an image in use cannot be deleted."""

    def registry(self, region: str) -> str:
        """Name the SWR host of a region."""
        return f"swr.{region}.{self.domain}"


# A tag may hold periods on the OTC page; the Huawei page says commas where the Chinese original
# says periods. SWR follows Docker, whose tags cannot hold a comma, so no cloud takes one here.
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
    # On no page, but in Huawei's SDK: where the Enterprise edition of SWR is.
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
    "otc": CloudRules("eu-de", "otc.t-systems.com", _OTC_FIELDS, ascend=False, keeps_used_images=False),
}


def invalid(name: str, complaint: str) -> Refusal:
    """Name the parameter that is wrong."""
    return Refusal(400, INVALID_PARAMETER, f"Invalid parameter: {name} {complaint}.")


def json_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object; no body at all counts as an empty one."""
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
    """Check the body of create-image against the page of a cloud."""
    document = json_object(body)
    for name in document:
        if name not in cloud.fields:
            raise invalid(name, "is not a parameter of this API")
    for name, rule in cloud.fields.items():
        if name in document:
            rule.judge(name, document[name])
        elif rule.mandatory:
            raise invalid(name, "is mandatory")
    return document
