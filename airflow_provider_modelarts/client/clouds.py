"""
What differs between the clouds: hosts, the rules of create-image, console addresses.

Each rule stands beside the page that states it, in the words that a user reads when it is broken.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

CloudName = Literal["huaweicloud", "huaweicloud-eu", "otc", "custom"]
Signature = Literal["access", "credential"]
"""Wire forms of signatures."""


@dataclass(frozen=True, slots=True)
class Rule:
    """
    What one field must be.

    :param pattern: what the whole value must match.
    :param message: the same, for a reader; it follows the field's name.
    """

    mandatory: bool = False
    max_length: int | None = None
    pattern: str | None = None
    message: str = ""

    def violation(self, value: str | None) -> str | None:
        """Return which part of the rule the value breaks, in words, or None."""
        if value is None:
            return "is mandatory on this cloud" if self.mandatory else None
        if self.max_length is not None and len(value) > self.max_length:
            return f"may have at most {self.max_length} characters, not {len(value)}"
        if self.pattern is not None and re.fullmatch(self.pattern, value) is None:
            return self.message
        return None


@dataclass(frozen=True, slots=True)
class Cloud:
    """
    One cloud, as far as this provider needs to know it.

    :param domain: of its services, which are at ``{service}.{region}.{domain}``; empty where every
        address must be written out.
    :param hosts: the services that are elsewhere, by service and region.
    :param rules: of create-image by field; a field that is not here does not exist on this cloud.
    :param signature: the usual wire form of signatures, ``access`` or ``credential``.
    :param console: the console's address.
    """

    name: CloudName
    display_name: str
    domain: str
    signature: Signature
    console: str
    rules: Mapping[str, Rule] = field(repr=False)
    hosts: Mapping[tuple[str, str], str] = field(default_factory=dict, repr=False)

    # Where a console lists notebooks, and one's own images in SWR. Pages of one notebook or image
    # need what the API does not tell, such as the account's name.
    notebooks = "/modelarts/?region={region}#/dev-container"
    images = "/swr/?region={region}#/swr/warehouse/list/private"

    def endpoint(self, service: str, region: str) -> str:
        """Return the address of a service in a region, or nothing where it must be written out."""
        if not self.domain or not region:
            return ""
        return f"https://{self.hosts.get((service, region), f'{service}.{region}.{self.domain}')}"


_UUID = Rule(
    mandatory=True,
    pattern=r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
    message="must be the notebook's id, a UUID such as 6fa459ea-ee8a-3ca4-894e-db77e160355e (not its name)",
)
_TAG = Rule(
    max_length=64,
    # The English page of Huawei Cloud says "commas" where every other source says periods; a registry
    # takes no comma, and no tag that starts with a period or hyphen.
    pattern=r"[A-Za-z0-9_][A-Za-z0-9_.-]*",
    message="must be letters, digits, hyphens, underscores and periods, and not start with a hyphen or "
    "period",
)
_DESCRIPTION = Rule(max_length=512)
_ANYTHING = Rule()

# https://support.huaweicloud.com/intl/en-us/api-modelarts/CreateImage.html (2025-08-20)
_HUAWEI_RULES: dict[str, Rule] = {
    "notebook_id": _UUID,
    "name": Rule(
        mandatory=True,
        max_length=128,
        pattern=r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?",
        message="must be lower-case letters, digits, hyphens, underscores and periods, "
        "and start and end with a letter or digit",
    ),
    "namespace": Rule(
        mandatory=True,
        max_length=64,
        pattern=r"[a-z][A-Za-z0-9._-]*",
        message="must be letters, digits, hyphens, underscores and periods, and start with a lower-case "
        "letter",
    ),
    "tag": _TAG,
    "description": _DESCRIPTION,
    "workspace_id": _ANYTHING,
    # The Enterprise edition of SWR: known to the official SDK 3.1.219, not yet to the page.
    "swr_instance_id": _ANYTHING,
    "swr_instance_domain": _ANYTHING,
}

# https://docs.otc.t-systems.com/modelarts/api-ref/development_environment_management/saving_a_running_instance_as_a_container_image.html
_OTC_RULES: dict[str, Rule] = {
    "notebook_id": Rule(mandatory=True),
    "name": Rule(
        max_length=512,
        pattern=r"[a-z0-9._-]+",
        message="must be lower-case letters, digits, hyphens, underscores and periods",
    ),
    "namespace": _ANYTHING,
    "tag": _TAG,
    "description": _DESCRIPTION,
    "workspace_id": _ANYTHING,
}

HUAWEI_CLOUD = Cloud(
    name="huaweicloud",
    display_name="Huawei Cloud",
    domain="myhuaweicloud.com",
    signature="access",
    console="https://console-intl.huaweicloud.com",
    rules=_HUAWEI_RULES,
)
# The EU site's page (2025-05-30) states the older rules, which are Open Telekom Cloud's.
HUAWEI_CLOUD_EU = Cloud(
    name="huaweicloud-eu",
    display_name="Huawei Cloud EU",
    domain="myhuaweicloud.eu",
    signature="access",
    console="https://console.eu.huaweicloud.com",
    rules=_OTC_RULES,
)
# https://docs.otc.t-systems.com/regions-and-endpoints/
OPEN_TELEKOM_CLOUD = Cloud(
    name="otc",
    display_name="Open Telekom Cloud",
    domain="otc.t-systems.com",
    signature="credential",
    console="https://console.otc.t-systems.com",
    rules=_OTC_RULES,
    hosts={
        ("iam", "eu-ch2"): "iam-pub.eu-ch2.sc.otc.t-systems.com",
        ("modelarts", "eu-ch2"): "modelarts.eu-ch2.sc.otc.t-systems.com",
    },
)
# An operator's own installation: what the clouds' older pages agree on, and the registry fields.
CUSTOM = Cloud(
    name="custom",
    display_name="this private installation",
    domain="",
    signature="access",
    console="",
    rules={**_OTC_RULES, "swr_instance_id": _ANYTHING, "swr_instance_domain": _ANYTHING},
)
CLOUDS: dict[str, Cloud] = {c.name: c for c in (HUAWEI_CLOUD, HUAWEI_CLOUD_EU, OPEN_TELEKOM_CLOUD, CUSTOM)}


def cloud_for_region(region: str) -> Cloud:
    """Return the cloud that a region belongs to; a region we never heard of is Huawei Cloud's."""
    if region in {"eu-de", "eu-nl", "eu-ch2"}:
        return OPEN_TELEKOM_CLOUD
    if region.startswith("eu-west-1"):
        return HUAWEI_CLOUD_EU
    return HUAWEI_CLOUD
