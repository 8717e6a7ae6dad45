"""Airflow 2 on loopback, installed for another Python than the one that runs this."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import requests

from tests.e2e.components import Component, StackError
from tests.e2e.stack import DAG_SECONDS, POLL_SECONDS, AirflowStack

AIRFLOW_2_COMPONENTS = (
    Component("webserver", ("webserver", "--workers", "1"), health="metadatabase"),
    Component("scheduler", ("scheduler", "--skip-serve-logs"), health="scheduler"),
    Component("triggerer", ("triggerer", "--skip-serve-logs"), health="triggerer"),
)


class Airflow2Stack(AirflowStack):
    """The same as :class:`AirflowStack`, for Airflow 2: everyone is its administrator, without a login."""

    api = "/api/v1"

    def _environment(self, port: int) -> dict[str, str]:
        (self.home / "webserver_config.py").write_text("AUTH_ROLE_PUBLIC = 'Admin'\n")
        return {
            **super()._environment(port),
            "AIRFLOW__API__AUTH_BACKENDS": "airflow.api.auth.backend.default",
            "AIRFLOW__WEBSERVER__BASE_URL": self.url,
            "AIRFLOW__WEBSERVER__SECRET_KEY": "of-no-use-elsewhere",
            "AIRFLOW__WEBSERVER__WARN_DEPLOYMENT_EXPOSURE": "False",
            "AIRFLOW__WEBSERVER__WEB_SERVER_HOST": "127.0.0.1",
            # On a busy machine its monitor would take a slow gunicorn for a dead one, and end it.
            "AIRFLOW__WEBSERVER__WEB_SERVER_MASTER_TIMEOUT": "3600",
            "AIRFLOW__WEBSERVER__WEB_SERVER_WORKER_TIMEOUT": "3600",
            "AIRFLOW__WEBSERVER__WEB_SERVER_PORT": str(port),
            **self._extra_env,
        }

    def _health(self) -> dict[str, str | None]:
        try:
            reply = self._api.get(f"{self.url}/health", timeout=10)
        except requests.RequestException:
            return {}  # The webserver does not listen yet.
        return {key: part["status"] for key, part in reply.json().items()} if reply.ok else {}

    def _log_in(self) -> None:
        """Nothing to do: the public role is the administrator's."""

    def trigger_run(self, dag_id: str, conf: Mapping[str, Any] | None = None) -> str:
        """Start a run now and return its id."""
        body = {"conf": dict(conf or {})}
        return str(self.request("POST", f"/api/v1/dags/{quote(dag_id)}/dagRuns", body=body)["dag_run_id"])

    def wait_for_dag(self, dag_id: str, *, timeout: float = DAG_SECONDS) -> None:
        """Wait until the scheduler has stored a DAG; a DAG file that cannot be imported ends the wait."""
        deadline = time.monotonic() + timeout
        while True:
            self.check_alive()
            known = self.request("GET", "/api/v1/dags", dag_id_pattern=dag_id)["dags"]
            if any(dag["dag_id"] == dag_id for dag in known):
                return
            broken = self.request("GET", "/api/v1/importErrors")["import_errors"]
            if broken or time.monotonic() > deadline:
                texts = "\n".join(f"{item['filename']}:\n{item['stack_trace']}" for item in broken)
                raise StackError(f"DAG {dag_id} was not loaded.\n{texts}\n{self.processes.tail('scheduler')}")
            time.sleep(POLL_SECONDS)
