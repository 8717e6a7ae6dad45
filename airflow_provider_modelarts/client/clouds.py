"""
The differences between the clouds: hosts, signatures, the rules of create-image, console addresses.

Above each set of rules stands the page that documents it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

CloudName = Literal["huaweicloud", "huaweicloud-eu", "otc", "custom"]
Signature = Literal["access", "credential"]
"""The two formats of a signature: ``Access=`` and ``Credential=``."""


@dataclass(frozen=True, slots=True)
class Rule:
    """
    The rule for one field of create-image.

    :param max_length: characters.
    :param pattern: regular expression that the whole value must match.
    :param message: the pattern in words, as text that follows the field's name.
    """

    mandatory: bool = False
    max_length: int | None = None
    pattern: str | None = None
    message: str = ""

    def violation(self, value: str | None) -> str | None:
        """Return how the value breaks the rule, as text that follows the field's name, or None."""
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
    One cloud and its differences from the others.

    :param domain: of its services, whose hosts are ``{service}.{region}.{domain}``; empty if the connection
        must set every endpoint.
    :param hosts: exceptions to that, by service and region.
    :param rules: of create-image by field; a field without a rule does not exist on this cloud.
    :param signature: the default format of signatures, ``access`` or ``credential``.
    :param console: the console's address.
    :param has_create_tag: whether its SWR can give an image another tag.
    :param image: path of the console's page of one image's repository, if the page is known.
    """

    name: CloudName
    display_name: str
    domain: str
    signature: Signature
    console: str
    rules: Mapping[str, Rule] = field(repr=False)
    hosts: Mapping[tuple[str, str], str] = field(default_factory=dict, repr=False)
    image: str = ""
    has_create_tag: bool = True

    # The console's lists of notebooks and of private images in SWR.
    notebooks = "/modelarts/?region={region}#/dev-container"
    images = "/swr/?region={region}#/swr/warehouse/list/private"

    def endpoint(self, service: str, region: str) -> str:
        """Return the address of a service in a region; empty if the connection must set it."""
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
    # Huawei Cloud's English page has "commas" where every other source has periods; a registry accepts no
    # comma, and no tag that starts with a period or hyphen.
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
    # The Enterprise edition of SWR: in the official SDK 3.1.219, not yet on the page.
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
    image="/swr/?region={region}#/swr/warehouse/detail/{account}/{namespace}/{name}/tag",
)
# The EU site's page (2025-05-30) has the older rules, which are Open Telekom Cloud's.
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
    # https://docs.otc.t-systems.com/software-repository-container/api-ref/apis/image_tag_management/
    has_create_tag=False,
    hosts={
        ("iam", "eu-ch2"): "iam-pub.eu-ch2.sc.otc.t-systems.com",
        ("modelarts", "eu-ch2"): "modelarts.eu-ch2.sc.otc.t-systems.com",
        ("swr-api", "eu-ch2"): "swr-api.eu-ch2.sc.otc.t-systems.com",
    },
)
# A private installation: the rules that the clouds' older pages share, and the registry fields.
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
    """Return the cloud that a region belongs to; an unknown region is Huawei Cloud's."""
    if region in {"eu-de", "eu-nl", "eu-ch2"}:
        return OPEN_TELEKOM_CLOUD
    if region.startswith("eu-west-1"):
        return HUAWEI_CLOUD_EU
    return HUAWEI_CLOUD
