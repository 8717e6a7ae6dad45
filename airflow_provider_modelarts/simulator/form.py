"""What to fill in in Airflow's form of connections, by the labels that a user sees there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LABELS = {
    "host": "Endpoint",
    "port": "Port",
    "login": "Access key, or IAM user",
    "password": "Secret key, or password",
    "region": "Region",
    "project_id": "Project ID",
    "security_token": "Security token",
    "cloud": "Cloud",
    "iam_endpoint": "IAM endpoint",
    "swr_endpoint": "SWR endpoint",
}
_CLOUDS = {
    "huaweicloud": "Huawei Cloud",
    "huaweicloud-eu": "Huawei Cloud EU",
    "otc": "Open Telekom Cloud",
}


def form_values(connection: Mapping[str, Any]) -> dict[str, str]:
    """
    Return the values by their labels, in the order of the form.

    :param connection: in JSON form, see :attr:`~airflow_provider_modelarts.simulator.Simulator.connection`.
    """
    given = {**connection, **connection["extra"]}
    given["cloud"] = _CLOUDS[given["cloud"]]
    values = {label: str(given[name]) for name, label in _LABELS.items() if name in given}
    return {"Connection ID": "modelarts_default", "Connection Type": "ModelArts", **values}
