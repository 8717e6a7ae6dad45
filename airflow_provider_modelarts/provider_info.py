"""The provider's metadata and its connection form, which Airflow reads before it imports other modules."""

from __future__ import annotations

from typing import Any

from airflow_provider_modelarts import __version__


def connection_fields() -> dict[str, Any]:
    """
    Return the connection form's fields for ``extra``, as JSON schemas.

    The only list of extras: every Airflow version's form and the parser of connections use it.
    """
    return {
        "region": _text("Region", "For example cn-north-4 or eu-de. Determines the cloud and its endpoints."),
        "project_id": _text(
            "Project ID", "Shown in the console under My Credentials. If empty, it is read from IAM."
        ),
        "project_name": _text(
            "Project name", "For the lookup of the project ID. Default: the region's project."
        ),
        "auth": _choice(
            "Credentials",
            "What the two fields for key and secret, or user and password, contain.",
            {
                "access_key": "Access key and secret key",
                "password": "IAM user and password",
                "host_agency": "None: the agency of the host",
            },
            default="access_key",
        ),
        "security_token": _secret("Security token", "Required with a temporary access key."),
        "domain_name": _text(
            "Account name", "Account (domain) of the IAM user. Required with user and password."
        ),
        "agency_name": _text("Agency", "Agency of another account to assume."),
        "agency_domain_name": _text("Agency's account", "Account (domain) that created the agency."),
        "workspace_id": _text("Workspace ID", "Default workspace for images."),
        "cloud": _choice(
            "Cloud",
            "Set only if it cannot be derived from the region.",
            {
                "huaweicloud": "Huawei Cloud",
                "huaweicloud-eu": "Huawei Cloud EU",
                "otc": "Open Telekom Cloud",
                "custom": "A private installation",
            },
            empty="Derived from the region",
        ),
        "iam_endpoint": _text("IAM endpoint", "Overrides the region's IAM endpoint; with or without /v3."),
        "swr_endpoint": _text(
            "SWR endpoint", "Overrides the region's SWR API endpoint. Required for SWR if Endpoint is set."
        ),
        "console_url": _text("Console", "Console URL for the links of tasks. Default: the cloud's console."),
        "signature": _choice(
            "Signature",
            "Format of the Authorization header of signed requests.",
            {
                "access": "Access (Huawei Cloud)",
                "credential": "Credential (Open Telekom Cloud)",
            },
            empty="Default of the cloud",
        ),
        "verify": _text("Verify TLS", "true (default), false, or the path of a CA bundle."),
        "proxy": _text(
            "Proxy", "For example http://proxy.example.com:3128. Default: the environment's proxy."
        ),
        "connect_timeout": _number("Connect timeout", "Seconds to establish a connection. Default: 10."),
        "read_timeout": _number("Read timeout", "Seconds to receive a complete response. Default: 60."),
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
                # The port field stays, and says why: the test button of Airflow 3.3 sends port 0 for an empty
                # one, and Airflow then refuses to test with the stored secrets ("Bad Request").
                "ui-field-behaviour": {
                    "hidden-fields": ["schema"],
                    "relabeling": {
                        "host": "Endpoint",
                        "login": "Access key, or IAM user",
                        "password": "Secret key, or password",
                        "port": "Port (fill in 443)",
                    },
                    "placeholders": {
                        "host": "empty: the region's, e.g. modelarts.eu-de.otc.t-systems.com",
                        "port": "443, or the endpoint's; Airflow 3.3 cannot test without a port",
                    },
                },
                "conn-fields": connection_fields(),
            }
        ],
        "extra-links": [
            "airflow_provider_modelarts.links.console.NotebookLink",
            "airflow_provider_modelarts.links.console.NotebookListLink",
            "airflow_provider_modelarts.links.console.ImageLink",
            "airflow_provider_modelarts.links.console.ImageListLink",
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
                "python-modules": [
                    "airflow_provider_modelarts.operators.image",
                    "airflow_provider_modelarts.operators.notebook",
                    "airflow_provider_modelarts.operators.notebook_list",
                    "airflow_provider_modelarts.operators.retention",
                ],
            }
        ],
        "sensors": [
            {
                "integration-name": "ModelArts",
                "python-modules": [
                    "airflow_provider_modelarts.sensors.image",
                    "airflow_provider_modelarts.sensors.notebook",
                ],
            }
        ],
        "triggers": [
            {
                "integration-name": "ModelArts",
                "python-modules": [
                    "airflow_provider_modelarts.triggers.image",
                    "airflow_provider_modelarts.triggers.image_events",
                    "airflow_provider_modelarts.triggers.notebook",
                    "airflow_provider_modelarts.triggers.wait",
                ],
            }
        ],
        "asset-uris": [_asset_uri()],
        # Airflow 2.11 reads this key.
        "dataset-uris": [_asset_uri()],
        # Airflow 3.4 lists it; every version accepts keys that it does not know.
        "retry-policies": [
            {
                "integration-name": "ModelArts",
                "python-modules": ["airflow_provider_modelarts.retry_policies"],
            }
        ],
    }


def _asset_uri() -> dict[str, Any]:
    return {
        "schemes": ["swr"],
        "handler": "airflow_provider_modelarts.assets.image.sanitize_uri",
        "factory": "airflow_provider_modelarts.assets.image.create_asset",
        "to_openlineage_converter": "airflow_provider_modelarts.assets.image.convert_asset_to_openlineage",
    }


def _field(label: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": schema}


def _text(label: str, description: str) -> dict[str, Any]:
    return _field(label, description, type=["string", "null"])


def _secret(label: str, description: str) -> dict[str, Any]:
    return _field(label, description, type=["string", "null"], format="password")


def _number(label: str, description: str) -> dict[str, Any]:
    return _field(label, description, type=["number", "null"], exclusiveMinimum=0)


def _choice(
    label: str, description: str, choices: dict[str, str], *, default: str | None = None, empty: str = ""
) -> dict[str, Any]:
    """Return a drop-down: with a default each choice is listed once, else ``empty`` stands for null."""
    if default is not None:
        schema: dict[str, Any] = {"enum": list(choices), "values_display": choices, "default": default}
    else:
        schema = {"enum": [None, *choices], "values_display": {"null": empty, **choices}}
    return _field(label, description, type=["string", "null"], **schema)
