"""
Measure the CPU time and memory of renewing credentials, in a new and in a long-running triggerer.

A triggerer renews credentials for months. Here they are renewed a thousand times on one event loop, against
an in-process cloud, in a process that logs through Airflow's logging with its secrets masker. CPU time and
memory of the first ten renewals are compared with those of the last ten.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import os
import secrets
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

os.environ["AIRFLOW_HOME"] = os.environ.get("AIRFLOW_HOME") or tempfile.mkdtemp(prefix="modelarts-bench-")

from airflow.providers.common.compat.sdk import Connection
from airflow.sdk._shared.secrets_masker import mask_secret
from airflow.sdk.log import configure_logging

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.http_types import Request, Response
from airflow_provider_modelarts.hooks.clients import build_credentials, create_client
from airflow_provider_modelarts.hooks.connection import Settings, parse_connection

MOST_CPU = 3.0
"""Maximum ratio of the CPU time of the last ten renewals to that of the first ten."""
MOST_BYTES = 512.0
"""Maximum bytes that stay allocated after a renewal; a token alone is larger."""
TEN = 10
DAY = 86_400.0
TOKEN_LENGTH = 2_000
"""Characters; tokens of IAM have some thousand."""
LINES = 5
"""Log lines between two renewals."""

EXTRAS: dict[str, dict[str, str]] = {
    "token of a password": {"auth": "password", "domain_name": "account"},
    "keys of an agency": {"agency_name": "agency", "agency_domain_name": "account"},
}


class Cloud:
    """A transport with built-in responses, and its clock."""

    def __init__(self) -> None:
        self.now = time.time()
        self.renewals = 0

    def time(self) -> float:
        """Return the time in seconds since the epoch."""
        return self.now

    monotonic = time

    async def send(self, request: Request, *, timeout: float | None = None) -> Response:  # noqa: ARG002
        """Return a token, keys or an image."""
        expires_at = datetime.fromtimestamp(self.now + DAY, timezone.utc).isoformat()
        if request.service != "iam":
            return self._reply(200, {"id": "i", "status": "CREATING"})
        self.renewals += 1
        if request.url.endswith("securitytokens"):
            names = ("access", "secret", "securitytoken")
            keys = {name: secrets.token_urlsafe(TOKEN_LENGTH * 3 // 4) for name in names}
            return self._reply(201, {"credential": {**keys, "expires_at": expires_at}})
        token = {"expires_at": expires_at, "project": {"id": "p"}}
        return self._reply(
            201, {"token": token}, {"x-subject-token": secrets.token_urlsafe(TOKEN_LENGTH * 3 // 4)}
        )

    async def sleep(self, seconds: float) -> None:
        """Move the clock forward."""
        self.now += seconds

    def _reply(self, status: int, body: Any, headers: dict[str, str] | None = None) -> Response:
        return Response(status, headers or {}, json.dumps(body).encode())


def settings_with(extra: dict[str, str]) -> Settings:
    """Return the settings of a connection with these extras."""
    given = json.dumps({"region": "eu-de", "project_id": "p", **extra})
    return parse_connection(
        Connection(conn_id="bench", conn_type="modelarts", login="login", password="secret", extra=given)  # noqa: S106
    )


async def renew(extra: dict[str, str], renewals: int, done: Callable[[int], None]) -> None:
    """Poll once a day, so that each poll needs a renewal, and log as a busy triggerer does."""
    cloud = Cloud()
    settings = settings_with(extra)
    modelarts = create_client(settings, cloud, credentials=build_credentials(settings.identity), clock=cloud)
    log = logging.getLogger("airflow.bench")
    for number in range(1, renewals + 1):
        await modelarts.call(operations.show_image("i"))
        for line in range(LINES):
            log.info("Image %s is CREATING; line %s", "i", line)
        cloud.now += 2 * DAY
        done(number)
    if cloud.renewals != renewals:
        raise RuntimeError(f"{cloud.renewals} renewals instead of {renewals}: the benchmark is wrong")


def cpu_of(extra: dict[str, str], renewals: int) -> tuple[float, float]:
    """Return the CPU milliseconds of the first and of the last ten."""
    at: dict[int, float] = {}

    def note(number: int) -> None:
        if number in {TEN, renewals - TEN, renewals}:
            at[number] = time.process_time()

    began = time.process_time()
    asyncio.run(renew(extra, renewals, note))
    return 1000 * (at[TEN] - began), 1000 * (at[renewals] - at[renewals - TEN])


def bytes_of(extra: dict[str, str], renewals: int) -> float:
    """Return the bytes that stay allocated after each renewal between the first and the last ten."""
    at: dict[int, int] = {}

    def note(number: int) -> None:
        if number in {TEN, renewals - TEN}:
            gc.collect()
            at[number] = tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    asyncio.run(renew(extra, renewals, note))
    tracemalloc.stop()
    return (at[renewals - TEN] - at[TEN]) / (renewals - 2 * TEN)


def log_through_airflow() -> None:
    """Configure Airflow's logging, with its secrets masker, to write to the null device."""
    nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - as long as the process
    configure_logging(output=nowhere)
    mask_secret("a-secret-of-some-connection")


def main() -> int:
    """Measure, print a table and return 1 if the cost of a renewal grows."""
    parser = argparse.ArgumentParser(description=__doc__.strip().split("\n", maxsplit=1)[0])
    parser.add_argument("--renewals", type=int, default=1_000)
    # run.sh passes the same arguments to all benchmarks; ignore those of the others.
    renewals = max(100, parser.parse_known_args()[0].renewals)
    log_through_airflow()
    print(f"CPU ms of renewals 1-{TEN} and {renewals - TEN + 1}-{renewals}; bytes that one leaves\n")
    print(f"{'renewed':24} {'first':>8} {'last':>8} {'ratio':>6} {'bytes':>8}")
    failed = False
    for name, extra in EXTRAS.items():
        asyncio.run(renew(extra, TEN, lambda _: None))  # warm-up: loads and compiles modules
        first, last = cpu_of(extra, renewals)
        left_behind = bytes_of(extra, renewals)
        is_bad = last / first > MOST_CPU or left_behind > MOST_BYTES
        failed |= is_bad
        verdict = "  FAILED" if is_bad else ""
        print(f"{name:24} {first:8.1f} {last:8.1f} {last / first:6.2f} {left_behind:8.1f}{verdict}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
