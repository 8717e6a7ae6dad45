"""The lease of a notebook whose own response does not show when it was last started."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from airflow_provider_modelarts.client.missing_lease import read_missing_lease, with_lease
from airflow_provider_modelarts.client.notebooks import Lease, Notebook
from airflow_provider_modelarts.exceptions import ServerError
from tests.client.fake_transport import FakeTransport, modelarts, reply, run

ID = "6b1c2d3e-4f50-4a61-8b72-9c83ad94be05"
TIMED = {"create_at": 1_000_000, "update_at": 2_000_000, "duration": 3_600_000, "enable": True}
REFUSED = reply({"error_code": "ModelArts.6309", "error_msg": "no permission"}, 403)


def notebook(lease: dict[str, Any] | None) -> Notebook:
    return Notebook.model_validate({"id": ID, "status": "RUNNING", "lease": lease})


@pytest.mark.parametrize(
    "lease",
    [TIMED, {**TIMED, "enable": False}, {**TIMED, "type": "idle"}, {**TIMED, "duration": -1}],
    ids=str,
)
def test_missing_lease_is_not_read_where_the_notebook_has_a_usable_one(lease: dict[str, Any]) -> None:
    transport = FakeTransport(reply(TIMED))

    assert run(read_missing_lease(modelarts(transport), notebook(lease))) is None
    assert transport.requests == []


@pytest.mark.parametrize("lease", [None, {**TIMED, "update_at": None}], ids=str)
def test_missing_lease_is_read_and_used(lease: dict[str, Any] | None) -> None:
    given = notebook(lease)

    found = run(read_missing_lease(modelarts(FakeTransport(reply(TIMED))), given))

    assert found is not None
    assert with_lease(given, found).lease == found
    assert with_lease(notebook(TIMED), Lease()).lease == notebook(TIMED).lease


def test_missing_lease_that_is_refused_leaves_the_decision_to_the_age(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)

    assert run(read_missing_lease(modelarts(FakeTransport(REFUSED)), notebook(None))) is None
    assert f"when notebook {ID} was last started, so only the age of its snapshots counts" in caplog.text


def test_missing_lease_of_a_failing_service_is_an_error() -> None:
    client = modelarts(FakeTransport(reply({"error_code": "ModelArts.0010"}, 500)))

    with pytest.raises(ServerError):
        run(read_missing_lease(client, notebook(None), deadline=0.0))
