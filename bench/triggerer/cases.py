"""The triggers that are compared: their arguments, and the connections that they use."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.triggerer.service import image_id

PROJECT_ID = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
ACCESS_KEY, SECRET_KEY = "AKBENCHMARK000000001", "secret-key-of-the-benchmark"
WEEK = 7 * 86_400


@dataclass(frozen=True)
class Address:
    """Where the service listens on loopback."""

    port: int
    tls_port: int


@dataclass(frozen=True)
class Setting:
    """
    What is measured.

    :param case: a key of :data:`CASES`.
    :param interval: seconds between two polls of a wait.
    :param settle: seconds from the start of the triggers to the start of the measurement, at least.
    :param seconds: of the measurement; 0 for the start only.
    :param detect: whether the images become ACTIVE at the end, spread over one interval.
    :param rate: requests per second that the service answers; 0 for all.
    :param page_cap: records of the service's largest page.
    """

    case: str
    waits: int
    interval: float
    settle: float
    seconds: float
    detect: bool = False
    rate: float = 0.0
    page_cap: int = 500


@dataclass(frozen=True)
class Case:
    """
    A trigger that waits.

    :param title: in tables.
    :param classpath: of the trigger.
    :param arguments: of the trigger for an image's number, with the interval.
    :param connection: that it uses, by its id.
    """

    title: str
    classpath: str
    arguments: Callable[[int, float, Address], dict[str, Any]]
    connection: Callable[[Address], dict[str, Any]] = lambda _: {}
    is_peer: bool = False


def modelarts_connection(port: int, project_id: str = PROJECT_ID) -> dict[str, Any]:
    """Return a connection to the service."""
    endpoint = f"http://127.0.0.1:{port}"
    extra = {"region": "eu-de", "cloud": "otc", "project_id": project_id, "iam_endpoint": endpoint}
    return {
        "conn_type": "modelarts",
        "host": endpoint,
        "login": ACCESS_KEY,
        "password": SECRET_KEY,
        "extra": extra,
    }


def _http(address: Address) -> dict[str, Any]:
    return {"conn_type": "http", "host": "127.0.0.1", "port": address.port, "schema": "http"}


CONN_ID = "bench"
CASES = {
    "idle": Case("idle (sleeps for ever)", "bench.triggerer.triggers.IdleTrigger", lambda _, __, ___: {}),
    "raw": Case(
        "raw: one aiohttp session, each image polled",
        "bench.triggerer.triggers.RawTrigger",
        lambda number, interval, address: {
            "image_id": image_id(number),
            "interval": interval,
            "poll": {
                "host": f"127.0.0.1:{address.port}",
                "project_id": PROJECT_ID,
                "access_key": ACCESS_KEY,
                "secret_key": SECRET_KEY,
            },
        },
    ),
    "http": Case(
        "http HttpSensorTrigger",
        "airflow.providers.http.triggers.http.HttpSensorTrigger",
        lambda number, interval, _: {
            "endpoint": f"peers/http/{number}",
            "http_conn_id": CONN_ID,
            "poke_interval": interval,
        },
        _http,
        is_peer=True,
    ),
    "databricks": Case(
        "databricks DatabricksExecutionTrigger",
        "airflow.providers.databricks.triggers.databricks.DatabricksExecutionTrigger",
        lambda number, interval, _: {
            "run_id": number + 1,
            "databricks_conn_id": CONN_ID,
            "polling_period_seconds": interval,
        },
        lambda address: {**_http(address), "conn_type": "databricks", "password": SECRET_KEY},
        is_peer=True,
    ),
    "dbt-cloud": Case(
        "dbt-cloud DbtCloudRunJobTrigger (TLS)",
        "airflow.providers.dbt.cloud.triggers.dbt.DbtCloudRunJobTrigger",
        lambda number, interval, _: {
            "conn_id": CONN_ID,
            "run_id": number + 1,
            "end_time": time.time() + WEEK,
            "poll_interval": interval,
            "account_id": 1,
        },
        lambda address: {
            "conn_type": "dbt_cloud",
            "host": f"127.0.0.1:{address.tls_port}",
            "login": "1",
            "password": SECRET_KEY,
        },
        is_peer=True,
    ),
    "ours": Case(
        "**ours: NotebookImageTrigger**",
        "airflow_provider_modelarts.triggers.image.NotebookImageTrigger",
        lambda number, interval, _: {
            "image_id": image_id(number),
            "modelarts_conn_id": CONN_ID,
            "poll_interval": interval,
            "deadline": time.time() + WEEK,
        },
        lambda address: modelarts_connection(address.port),
    ),
}
