"""What Airflow asks of a provider before it imports anything else of it: literals only."""

from __future__ import annotations

from typing import Any

from airflow_provider_modelarts import __version__


def connection_fields() -> dict[str, Any]:
    """
    Return the fields of the connection form that go into ``extra``, as JSON schemas.

    The one source for the form of every Airflow version, and for which extras there are.
    """
    return {
        "region": _text("Region", "Such as cn-north-4 or eu-de; decides the cloud and its addresses."),
        "cloud": _choice(
            "Cloud",
            "Only where the region does not tell it.",
            "By the region",
            {
                "huaweicloud": "Huawei Cloud",
                "huaweicloud-eu": "Huawei Cloud EU",
                "otc": "Open Telekom Cloud",
                "custom": "A private installation",
            },
        ),
        "project_id": _text("Project ID", "From the console's My Credentials; without it IAM is asked."),
        "project_name": _text("Project name", "To look the ID up; by default the region's project."),
        "auth": _choice(
            "Credentials",
            "What login and password are.",
            "Access key and secret key (default)",
            {
                "access_key": "Access key and secret key",
                "password": "IAM user and password",
                "host_agency": "None: the agency of the host",
            },
        ),
        "security_token": _secret("Security token", "Of temporary access keys."),
        "domain_name": _text("Account name", "The IAM user's account (domain), for user and password."),
        "agency_name": _text("Agency", "Act as this agency of another account."),
        "agency_domain_name": _text("Agency's account", "The account that the agency belongs to."),
        "signature": _choice(
            "Signature",
            "Wire form of signatures.",
            "As usual on the cloud",
            {
                "access": "Access, as usual on Huawei Cloud",
                "credential": "Credential, as usual on Open Telekom Cloud",
            },
        ),
        "workspace_id": _text("Workspace ID", "Of images whose task names none."),
        "iam_endpoint": _text("IAM endpoint", "Only where it is not the region's; with /v3 or without."),
        "console_url": _text("Console", "Address that links of tasks lead to."),
        "verify": _text("Verify TLS", "true (default), false, or a file of CA certificates."),
        "proxy": _text("Proxy", "Such as http://proxy.example.com:3128; by default the environment's."),
        "connect_timeout": _number("Connect time-out", "Seconds until a connection stands; 10 by default."),
        "read_timeout": _number("Read time-out", "Seconds until a reply is complete; 60 by default."),
    }


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata."""
    return {
        "package-name": "airflow-provider-modelarts",
        "name": "ModelArts",
        "description": "Save ModelArts notebooks as images, on Huawei Cloud and Open Telekom Cloud.",
        "versions": [__version__],
        "connection-types": [
            {
                "connection-type": "modelarts",
                "hook-class-name": "airflow_provider_modelarts.hooks.modelarts.ModelArtsHook",
                "hook-name": "ModelArts",
                # The port stays: without one stored, Airflow 3.3.2's own test button is refused.
                "ui-field-behaviour": {
                    "hidden-fields": ["schema"],
                    "relabeling": {
                        "host": "Endpoint",
                        "login": "Access key, or IAM user",
                        "password": "Secret key, or password",
                    },
                    "placeholders": {
                        "host": "empty for the region's, such as modelarts.eu-de.otc.t-systems.com",
                        "port": "443",
                    },
                },
                "conn-fields": connection_fields(),
            }
        ],
        "extra-links": [
            "airflow_provider_modelarts.links.console.NotebookLink",
            "airflow_provider_modelarts.links.console.ImageLink",
        ],
        "integrations": [
            {
                "integration-name": "ModelArts",
                "external-doc-url": "https://support.huaweicloud.com/intl/en-us/modelarts/index.html",
                "tags": ["service"],
            }
        ],
        "hooks": [
            {
                "integration-name": "ModelArts",
                "python-modules": ["airflow_provider_modelarts.hooks.modelarts"],
            }
        ],
        "operators": [
            {
                "integration-name": "ModelArts",
                "python-modules": ["airflow_provider_modelarts.operators.image"],
            }
        ],
        "sensors": [
            {"integration-name": "ModelArts", "python-modules": ["airflow_provider_modelarts.sensors.image"]}
        ],
        "triggers": [
            {"integration-name": "ModelArts", "python-modules": ["airflow_provider_modelarts.triggers.image"]}
        ],
    }


def _field(label: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": schema}


def _text(label: str, description: str) -> dict[str, Any]:
    return _field(label, description, type=["string", "null"])


def _secret(label: str, description: str) -> dict[str, Any]:
    return _field(label, description, type=["string", "null"], format="password")


def _number(label: str, description: str) -> dict[str, Any]:
    return _field(label, description, type=["number", "null"], exclusiveMinimum=0)


def _choice(label: str, description: str, default: str, choices: dict[str, str]) -> dict[str, Any]:
    # The form shows null as "null" unless it is given words for it.
    words = {"null": default, **choices}
    return _field(label, description, type=["string", "null"], enum=[None, *choices], values_display=words)
