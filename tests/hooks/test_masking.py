"""Secrets obtained at run time: masked in a worker, never logged in a triggerer."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import redact

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.credentials import EcsAgencyCredentials
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.exceptions import ModelArtsError
from airflow_provider_modelarts.hooks.masking import mask
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.hooks.pool import connection_cache
from airflow_provider_modelarts.simulator import Fault, Simulator

pytestmark = pytest.mark.usefixtures("quick_polls")

USER: dict[str, Any] = {"auth": "password", "domain_name": "research-account"}
AGENCY: dict[str, Any] = {"agency_name": "snapshot-agency", "agency_domain_name": "research-account"}
PASSWORD: dict[str, Any] = {"login": "snapshot-user", "password": "simulator-password"}
OBTAINING = [
    pytest.param({**PASSWORD, "extra": USER}, id="password"),
    pytest.param({"extra": AGENCY}, id="agency by access key"),
    pytest.param({**PASSWORD, "extra": {**USER, **AGENCY}}, id="agency by password"),
    pytest.param(
        {"login": None, "password": None, "extra": {"auth": "host_agency"}}, id="agency of the host"
    ),
]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(metadata="token") as simulator:
        yield simulator


@pytest.fixture
def image_id(simulator: Simulator) -> str:
    return simulator.add_image(name="research", namespace="team", tag="nightly", status="CREATING")


@pytest.fixture
def connect(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], None]:
    """What writes the connection, with the simulator's metadata service as the host's."""
    defaults = EcsAgencyCredentials.__init__.__kwdefaults__
    assert defaults
    monkeypatch.setitem(defaults, "endpoint", simulator.endpoint)

    def write(fields: dict[str, Any]) -> None:
        given = simulator.connection
        given |= {**fields, "extra": {**given["extra"], **fields["extra"]}}
        monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(given))

    return write


def masked() -> set[str]:
    """Return what all of Airflow's maskers in this process hide."""
    modules = [module for name, module in sorted(sys.modules.items()) if name.endswith("secrets_masker")]
    maskers = [module._secrets_masker() for module in modules if hasattr(module, "_secrets_masker")]
    assert maskers
    return {str(pattern) for masker in maskers for pattern in masker.patterns}


def test_secret_is_masked_in_worker() -> None:
    mask("learnt-in-a-worker")

    assert "learnt-in-a-worker" not in str(redact("it was learnt-in-a-worker"))


@pytest.mark.parametrize("fields", OBTAINING)
def test_renewal_in_triggerer_adds_nothing_to_masker(
    fields: dict[str, Any],
    simulator: Simulator,
    image_id: str,
    connect: Callable[[dict[str, Any]], None],
) -> None:
    """It would grow for months, and slow down with each."""
    connect(fields)

    async def renew(times: int) -> None:
        for _ in range(times):
            simulator.revoke_tokens()
            simulator.revoke_keys()
            await ModelArtsHook().acall(operations.show_image(image_id))

    async def run() -> tuple[set[str], set[str]]:
        async with connection_cache.use("modelarts_default"):
            await renew(1)
            before = masked()
            await renew(20)
            return before, masked()

    before, after = asyncio.run(run())

    obtaining = ("CreateToken", "CreateTemporaryAccessKey", "ShowSecurityKey")
    assert sum(entry.operation in obtaining for entry in simulator.journal) > 20
    assert after == before


class Everything(logging.Handler):
    """All that is ever logged, with its arguments, its traceback and the errors behind that."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += [record.getMessage(), str(record.msg), repr(record.args)]
        if record.exc_info and record.exc_info[1]:
            self.lines += traceback.format_exception(record.exc_info[1])
            self.lines.append(repr(record.exc_info[1]))


@pytest.fixture
def everything() -> Iterator[Everything]:
    """Whatever is logged at DEBUG, by ourselves, aiohttp, asyncio and Airflow."""
    root, handler = logging.getLogger(), Everything()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    logging.getLogger("asyncio").setLevel(logging.DEBUG)
    yield handler
    logging.getLogger("asyncio").setLevel(logging.NOTSET)
    root.setLevel(level)
    root.removeHandler(handler)


def polls(simulator: Simulator) -> int:
    return sum((entry.operation, entry.status) == ("ShowImage", 200) for entry in simulator.journal)


@pytest.mark.parametrize("fields", [pytest.param({"extra": {}}, id="access key"), *OBTAINING])
def test_triggerer_logs_no_secret(
    fields: dict[str, Any],
    simulator: Simulator,
    image_id: str,
    connect: Callable[[dict[str, Any]], None],
    everything: Everything,
) -> None:
    """At DEBUG, in asyncio's debug mode, through renewals and errors."""
    connect(fields)

    async def renew_until_done() -> Image:
        loop = asyncio.get_running_loop()
        loop.slow_callback_duration = 0.0  # each callback is logged
        waiting = asyncio.ensure_future(
            ModelArtsHook().awatch(
                operations.show_image(image_id),
                is_done=lambda image: image.is_active,
                poll_interval=0.05,
                deadline=time.time() + 60,
            )
        )
        for _ in range(2):
            seen = polls(simulator)
            while polls(simulator) == seen and not waiting.done():
                await asyncio.sleep(0.02)
            simulator.revoke_tokens()
            simulator.revoke_keys()
        await ModelArtsHook().acall(operations.show_notebook(simulator.notebook_id))
        simulator.set_image_status(image_id, "ACTIVE")
        return await waiting

    async def fail() -> None:
        for operation in ("CreateToken", "CreateTemporaryAccessKey", "ShowSecurityKey", "ShowImage"):
            for kind in ("html", "garbage", "reset", "error"):
                simulator.revoke_tokens()
                simulator.revoke_keys()
                options: dict[str, Any] = {"status": 401, "envelope": "iam"} if kind == "error" else {}
                simulator.inject(Fault(kind, operation, **options))
                try:
                    await ModelArtsHook().acall(operations.show_image(image_id), deadline=time.time())
                except ModelArtsError:
                    logging.getLogger("a.triggerer").exception("The trigger failed")

    assert asyncio.run(renew_until_done(), debug=True).is_active
    asyncio.run(fail(), debug=True)

    text = "\n".join(everything.lines)
    assert "refused, renewing it" in text or not fields["extra"]
    assert "Executing <" in text
    assert "The trigger failed" in text
    secrets = [secret for secret in simulator.secrets if len(secret) > 4]
    assert len(secrets) >= 3
    assert [secret for secret in secrets if secret in text or secret[:32] in text] == []
