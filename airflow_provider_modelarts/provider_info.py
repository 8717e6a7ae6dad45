"""What Airflow asks of a provider before it imports anything else of it."""

from __future__ import annotations

from typing import Any

from airflow_provider_modelarts import __version__


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata, a literal."""
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
            {
                "integration-name": "ModelArts",
                "python-modules": ["airflow_provider_modelarts.sensors.image"],
            }
        ],
        "triggers": [
            {
                "integration-name": "ModelArts",
                "python-modules": ["airflow_provider_modelarts.triggers.image"],
            }
        ],
    }
