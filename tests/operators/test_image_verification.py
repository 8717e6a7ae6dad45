"""The operator that also verifies that SWR has the image, in both modes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_modelarts.client import image_verification
from airflow_provider_modelarts.exceptions import ImageNotInRegistryError, WaitTimeoutError
from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.simulator import AfterReads, Fault, Simulator
from tests import task_runs
from tests.recorder import TaskInstance, context

VERIFIED = {"digest", "size_bytes", "layers", "unchanged"}
LIST_TAGS = "ListRepositoryTags"
ABSENT = Fault("error", LIST_TAGS, status=404, code="SVCSTG.SWR.4040115", envelope="swr", times=3)
in_every_mode = pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])
at_first_poll_or_later = pytest.mark.parametrize(
    "simulator", [AfterReads(1), AfterReads(3)], indirect=True, ids=["at the first poll", "later"]
)

pytestmark = pytest.mark.usefixtures("quick_polls", "connection")


@pytest.fixture(autouse=True)
def _checks_follow_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_verification, "CHECK_INTERVAL", 0.01)


def save(simulator: Simulator, **arguments: Any) -> CreateNotebookImageOperator:
    given = {"name": "research", "namespace": "team", "tag": "nightly", "poll_interval": 0.01}
    given |= {"wait_for_completion": True, "verify_in_registry": True, "timeout": 60}
    return CreateNotebookImageOperator(
        task_id="task", notebook_id=simulator.notebook_id, **{**given, **arguments}
    )


def listings(simulator: Simulator) -> int:
    return [entry.operation for entry in simulator.journal].count(LIST_TAGS)


@in_every_mode
@at_first_poll_or_later
def test_operator_returns_what_registry_has_in_every_mode(simulator: Simulator, deferrable: bool) -> None:
    result = task_runs.run(save(simulator, deferrable=deferrable))

    item = simulator.registry.tags("team", "research")["nightly"]
    assert {key: result[key] for key in VERIFIED} == {
        "digest": item["digest"],
        "size_bytes": item["size"],
        "layers": len(json.loads(item["manifest"])["layers"]),
        "unchanged": False,
    }
    assert (result["status"], result["notebook_id"]) == ("ACTIVE", simulator.notebook_id)
    assert result["duration_seconds"] >= 0
    assert listings(simulator) == 1


@in_every_mode
def test_operator_does_not_ask_registry_by_default(simulator: Simulator, deferrable: bool) -> None:
    result = task_runs.run(save(simulator, deferrable=deferrable, verify_in_registry=False))

    assert not VERIFIED & result.keys()
    assert listings(simulator) == 0


@in_every_mode
@at_first_poll_or_later
def test_operator_fails_retryably_for_image_that_registry_lacks(
    simulator: Simulator, deferrable: bool
) -> None:
    """The next try reuses the image, and checks again."""
    simulator.inject(ABSENT)
    with pytest.raises(ImageNotInRegistryError, match="3 checks"):
        task_runs.run(save(simulator, deferrable=deferrable))

    result = task_runs.run(save(simulator, deferrable=deferrable), TaskInstance(try_number=2))

    assert result["adopted"]
    assert result.keys() >= VERIFIED
    assert (simulator.saves, listings(simulator)) == (1, 4)


@in_every_mode
@at_first_poll_or_later
def test_operator_continues_after_transient_errors_of_registry(
    simulator: Simulator, deferrable: bool
) -> None:
    simulator.inject(Fault("html", LIST_TAGS, status=404, times=4), Fault("garbage", LIST_TAGS))

    assert task_runs.run(save(simulator, deferrable=deferrable)).keys() >= VERIFIED


@in_every_mode
def test_operator_times_out_if_registry_fails(simulator: Simulator, deferrable: bool) -> None:
    simulator.inject(Fault("html", LIST_TAGS, status=404, times=None))

    with pytest.raises(WaitTimeoutError, match=r"ACTIVE.*HTTP 404"):
        task_runs.run(save(simulator, deferrable=deferrable, timeout=0.3))


@in_every_mode
@at_first_poll_or_later
def test_operator_succeeds_with_one_warning_without_permission(
    simulator: Simulator, deferrable: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A save needs the permission too, but the organization may have a policy of its own."""
    denied = Fault("error", LIST_TAGS, status=403, code="SVCSTG.SWR.4037017", envelope="swr", times=None)
    simulator.inject(denied)

    result = task_runs.run(save(simulator, deferrable=deferrable))

    assert not VERIFIED & result.keys()
    assert caplog.text.count("Grant swr:repo:listRepoTags") == 1


@in_every_mode
def test_operator_sends_nothing_without_endpoint_of_registry(
    simulator: Simulator, deferrable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor to the region's SWR, beside another host of ModelArts."""
    given = simulator.connection
    given["extra"].pop("swr_endpoint")
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(given))

    with pytest.raises(AirflowFailException, match="swr_endpoint of the connection is missing"):
        task_runs.run(save(simulator, deferrable=deferrable))

    assert simulator.journal == ()


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"wait_for_completion": False}, "verify_in_registry needs wait_for_completion=True"),
        ({"verify_in_registry": "{{ x }}"}, "verify_in_registry must be"),
    ],
    ids=["without wait", "text"],
)
def test_operator_refuses_verification_that_cannot_be(
    simulator: Simulator, arguments: dict[str, Any], rule: str
) -> None:
    with pytest.raises(AirflowFailException, match=rule):
        task_runs.run(save(simulator, **arguments))

    assert simulator.journal == ()


@pytest.mark.parametrize("simulator", [AfterReads(3)], indirect=True)
def test_operator_passes_content_to_the_wait_for_the_notebook(simulator: Simulator) -> None:
    """The second deferral ends in another process, which knows the registry's answer from the first."""
    task = save(simulator, deferrable=True)
    given = context(TaskInstance())
    with pytest.raises(TaskDeferred) as first:
        task.execute(given)
    event = task_runs.run_trigger(first.value.trigger)
    simulator.notebook().set_status("SNAPSHOTTING")
    with pytest.raises(TaskDeferred) as second:
        task.resume_execution("execute_complete", {"event": event}, given)
    simulator.notebook().set_status("RUNNING")

    event = task_runs.run_trigger(second.value.trigger)
    result = save(simulator, deferrable=True).resume_execution("execute_complete", {"event": event}, given)

    assert result.keys() >= VERIFIED
    assert listings(simulator) == 1
