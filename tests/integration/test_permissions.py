"""
The tables of docs/permissions.md, executed.

With exactly the actions of a row every scenario of its task passes, and each action taken away makes the
scenarios fail that are named here.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_modelarts.exceptions import (
    InvalidResponseError,
    ModelArtsError,
    NotebookNotReadyError,
    ServerError,
    TagConflictError,
    TransportError,
)
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.sensors.image import NotebookImageSensor
from airflow_provider_modelarts.simulator import AfterReads, Fault, Simulator
from airflow_provider_modelarts.transport import BlockingTransport
from airflow_provider_modelarts.transport.async_transport import AsyncTransport
from tests.integration import hook_permissions, notebook_permissions
from tests.integration.hook_permissions import IMAGE
from tests.integration.permission_saves import (
    finish,
    lease_is_renewed,
    save,
    stopped_notebook_is_skipped,
)
from tests.integration.permission_tables import IN_SWR, NEEDS, OF_RETENTION, ROWS, TASKS, granted
from tests.recorder import TaskInstance, TaskStateStore, context

OPERATOR = "CreateNotebookImageOperator"
Scenario = Callable[[Simulator], object]


def test_permission_tables_are_parsed() -> None:
    """Otherwise the tests below would prove nothing."""
    assert len(ROWS) == len(TASKS) >= 14
    assert {action for actions in ROWS.values() for action in actions} == IN_SWR.keys()
    assert all(without for _, _, without in NEEDS)


# --- scenarios ---------------------------------------------------------------------------------------------


def plain_save(simulator: Simulator) -> None:
    result = save(simulator)
    assert (simulator.saves, result["adopted"]) == (1, False)


def retry_after_a_crash(simulator: Simulator) -> None:
    first = save(simulator)
    second = save(simulator, try_number=2)
    assert (second["image_id"], second["adopted"], simulator.saves) == (first["image_id"], True, 1)


def retry_that_remembers_its_image(simulator: Simulator) -> None:
    store = TaskStateStore()
    first = save(simulator, store=store)
    second = save(simulator, try_number=2, store=store)
    assert (second["image_id"], second["adopted"], simulator.saves) == (first["image_id"], True, 1)


def retry_after_a_try_that_was_never_sent(simulator: Simulator) -> None:
    result = save(simulator, try_number=2)
    assert (simulator.saves, result["adopted"]) == (1, False)


def stopped_notebook_is_reported(simulator: Simulator) -> None:
    simulator.set_notebook_status(simulator.notebook_id, "STOPPED")
    with pytest.raises(NotebookNotReadyError, match=r"ModelArts\.6327"):
        save(simulator)
    assert simulator.saves == 0


def busy_notebook_is_reported(simulator: Simulator) -> None:
    simulator.set_notebook_status(simulator.notebook_id, "SNAPSHOTTING")
    with pytest.raises(NotebookNotReadyError, match=r"ModelArts\.6357"):
        save(simulator)
    assert simulator.saves == 0


def busy_notebook_is_saved_when_it_runs(simulator: Simulator) -> None:
    busy_notebook_is_reported(simulator)
    simulator.set_notebook_status(simulator.notebook_id, "RUNNING")
    result = save(simulator, try_number=2)
    assert (simulator.saves, result["adopted"]) == (1, False)


def own_save_that_makes_the_notebook_busy(simulator: Simulator) -> None:
    first = save(simulator)
    second = save(simulator)
    assert (second["image_id"], simulator.saves) == (first["image_id"], 1)


def lost(fault: Fault) -> Scenario:
    """The response is lost after the save was accepted."""

    def lost_reply(simulator: Simulator) -> None:
        simulator.inject(fault)
        result = save(simulator)
        assert (result["image_id"], simulator.saves) == (simulator.images[0]["id"], 1)

    return lost_reply


def lost_request_is_sent_again(simulator: Simulator) -> None:
    simulator.inject(Fault("reset", "CreateImage"))
    result = save(simulator)
    assert (result["image_id"], simulator.saves) == (simulator.images[0]["id"], 1)


def own_tag_is_taken(simulator: Simulator) -> None:
    first = save(simulator)
    simulator.set_image_status(first["image_id"], "ACTIVE")
    second = save(simulator)
    assert (second["image_id"], second["adopted"], simulator.saves) == (first["image_id"], True, 1)


def tag_of_another_is_reported(simulator: Simulator) -> None:
    simulator.add_image(**IMAGE)
    with pytest.raises((AirflowFailException, TagConflictError), match="tag"):
        save(simulator)
    assert simulator.saves == 0


def tag_of_another_is_adopted(simulator: Simulator) -> None:
    image_id = simulator.add_image(**IMAGE)
    result = save(simulator, if_exists="adopt")
    assert (result["image_id"], result["adopted"], simulator.saves) == (image_id, True, 0)


def own_failed_image_is_replaced(simulator: Simulator) -> None:
    failed = save(simulator)["image_id"]
    simulator.set_image_status(failed, "CREATE_FAILED")
    result = save(simulator, try_number=2)
    assert result["image_id"] != failed
    assert simulator.saves == 2


def wait(simulator: Simulator) -> None:
    assert save(simulator, wait_for_completion=True)["status"] == "ACTIVE"


def deferred_wait(simulator: Simulator) -> None:
    assert save(simulator, wait_for_completion=True, deferrable=True)["status"] == "ACTIVE"


def sensor(**arguments: Any) -> Scenario:
    def wait_of_the_sensor(simulator: Simulator) -> None:
        image_id = simulator.add_image()
        if arguments.get("deferrable"):
            # The poll before the deferral fails, so that the trigger finds the result.
            simulator.inject(Fault("html", "ShowImage"))
        task = NotebookImageSensor(task_id="wait", image_id=image_id, poke_interval=1, **arguments)
        assert finish(task, context(TaskInstance())) is not None

    return wait_of_the_sensor


def tagged(simulator: Simulator) -> ModelArtsHook:
    simulator.add_image(**IMAGE)
    return ModelArtsHook()


def _check_verified(result: dict[str, Any]) -> None:
    for key, action in (("digest", "swr:repo:listRepoTags"), ("unchanged", "modelarts:image:list")):
        if key not in result:
            raise ModelArtsError(action)


def verified_save(simulator: Simulator) -> None:
    _check_verified(save(simulator, wait_for_completion=True, verify_in_registry=True, poll_interval=1))


def verified_sensor(simulator: Simulator) -> None:
    image_id = simulator.add_image(
        **IMAGE, description=f"[airflow:{'0' * 16} notebook:{simulator.notebook_id}]"
    )
    task = NotebookImageSensor(task_id="wait", image_id=image_id, verify_in_registry=True)
    _check_verified(finish(task, context(TaskInstance())))


def try_the_button(_: Simulator) -> None:
    succeeded, message = ModelArtsHook().test_connection()
    if not succeeded:
        raise ModelArtsError(message)


def project_by_its_name(simulator: Simulator) -> None:
    simulator.grant("modelarts:notebook:list")
    (notebook,) = ModelArtsHook().list_notebooks()
    assert notebook.id == simulator.notebook_id


SAVING: dict[str, Scenario] = {
    "a save": plain_save,
    "a retry after a crash": retry_after_a_crash,
    "a retry that remembers its image": retry_that_remembers_its_image,
    "a retry after a try that was never sent": retry_after_a_try_that_was_never_sent,
    "a stopped notebook": stopped_notebook_is_reported,
    "a busy notebook": busy_notebook_is_reported,
    "a busy notebook that then runs": busy_notebook_is_saved_when_it_runs,
    "a notebook that is busy with this task's own save": own_save_that_makes_the_notebook_busy,
    "a reply lost by a reset": lost(Fault("reset_after", "CreateImage")),
    "a reply lost by an end": lost(Fault("hang", "CreateImage", seconds=0, takes_effect=True)),
    "a reply lost by a gateway": lost(Fault("html", "CreateImage", takes_effect=True)),
    "a reply without a body": lost(Fault("empty", "CreateImage", status=201, takes_effect=True)),
    "a lost request": lost_request_is_sent_again,
    "a tag taken by this task": own_tag_is_taken,
    "a tag taken by another": tag_of_another_is_reported,
}
IN_REGISTRY: dict[str, Scenario] = {
    "list_tags": lambda simulator: tagged(simulator).list_tags("team", "research"),
    "delete_tag": lambda simulator: tagged(simulator).delete_tag("team", "research", "nightly"),
    "create_tag, on Huawei Cloud": lambda simulator: tagged(simulator).create_tag(
        "team", "research", source_tag="nightly", destination_tag="stable"
    ),
    "list_retention_rules": lambda simulator: tagged(simulator).list_retention_rules("team", "research"),
}
WAITING: dict[str, Scenario] = {"a wait": wait, "a deferred wait": deferred_wait}
SCENARIOS: dict[str, dict[str, Scenario]] = {
    f"{OPERATOR}, with any if_exists": SAVING | {"another's image to adopt": tag_of_another_is_adopted},
    f"{OPERATOR} with wait_for_completion": SAVING | WAITING,
    f"{OPERATOR} with wait_for_completion and verify_in_registry": {
        **{name: SAVING[name] for name in ("a save", "a retry after a crash", "a lost request")},
        "a verified save": verified_save,
    },
    f"{OPERATOR} that may replace its own failed image": SAVING
    | {"an own image that failed": own_failed_image_is_replaced},
    f'{OPERATOR} with if_not_running="skip"': {
        **{name: SAVING[name] for name in ("a save", "a retry after a crash", "a lost request")},
        "a stopped notebook to skip": stopped_notebook_is_skipped,
    },
    f"{OPERATOR} with min_lease": {
        **{name: SAVING[name] for name in ("a save", "a retry after a crash", "a lost request")},
        "a lease that ends soon": lease_is_renewed,
    },
    "NotebookImageSensor": {"a sensor": sensor(), "a deferred sensor": sensor(deferrable=True)},
    "NotebookImageSensor with verify_in_registry": {"a verified sensor": verified_sensor},
    **{f"ModelArtsHook.{name}": {name.partition(",")[0]: use} for name, use in IN_REGISTRY.items()},
    **hook_permissions.SCENARIOS,
    **notebook_permissions.SCENARIOS,
    "The test button": {"the test button": try_the_button},
    "No project_id, with access keys (in addition)": {"a project by name": project_by_its_name},
}
EXTRA = {"No project_id, with access keys (in addition)": {"project_id": None}}

LOST = {
    "a reply lost by a reset",
    "a reply lost by an end",
    "a reply lost by a gateway",
    "a reply without a body",
}
FAILS: dict[str, set[str]] = {
    "modelarts:image:create": {"a save", "create_image"},
    "modelarts:image:list": {
        *LOST,
        "a retry after a crash",
        "a retry after a try that was never sent",
        "a busy notebook that then runs",
        "a notebook that is busy with this task's own save",
        "a lost request",
        "a tag taken by this task",
        "another's image to adopt",
        "an own image that failed",
        "a stopped notebook to skip",
        "list_images",
        "the test button",
        "a verified save",
        "a verified sensor",
    },
    "modelarts:image:get": {
        *("a wait", "a deferred wait", "a sensor", "a deferred sensor", "get_image"),
        *("a verified save", "a verified sensor"),
    },
    "modelarts:image:register": {"register_image"},
    "modelarts:notebook:get": {
        *("a lost request", "a stopped notebook to skip", "a lease that ends soon"),
        *("get_notebook", "update_notebook"),
    },
    "modelarts:notebook:start": {"start_notebook"},
    "modelarts:notebook:stop": {"stop_notebook"},
    "modelarts:notebook:updateStopPolicy": {"renew_lease", "a lease that ends soon"},
    "modelarts:notebook:update": {"update_notebook"},
    "modelarts:image:delete": {"an own image that failed", "delete_image"},
    "modelarts:notebook:list": {"list_notebooks", "list_notebooks of both features"},
    "modelarts:notebook:listAllNotebooks": {"list_notebooks of all"},
    "swr:repo:listRepoTags": {"list_tags", "a verified save", "a verified sensor"},
    "swr:repo:deleteRepoTag": {"delete_tag"},
    "swr:repo:createRepoTag": {"create_tag"},
    "swr:repo:listRetentions": {"list_retention_rules"},
    "iam:projects:listProjects": {"a project by name"},
}
"""What fails without an action, of the scenarios of a row: the page lists the same."""
for action, of_notebooks in notebook_permissions.FAILS.items():
    FAILS[action] = FAILS[action] | of_notebooks

STAYS: dict[str, set[str]] = {
    "modelarts:image:list": {"a save", "a stopped notebook", "a busy notebook", "a tag taken by another"},
    "modelarts:image:get": {"a save", "a retry after a crash", "a retry that remembers its image"},
    "modelarts:notebook:get": {"a save", "a retry after a crash", "a stopped notebook", *LOST, *WAITING},
    "modelarts:image:delete": {"a save", "a retry after a crash", "a tag taken by this task"},
}
"""What works as usual without it."""
for action, of_notebooks in notebook_permissions.STAYS.items():
    STAYS[action] = STAYS[action] | of_notebooks

KEEPS_ITS_REFUSAL: dict[str, tuple[type[ModelArtsError], ...]] = dict.fromkeys(
    [*LOST, "a lost request"], (TransportError, ServerError, InvalidResponseError)
) | {
    "a notebook that is busy with this task's own save": (NotebookNotReadyError,),
    "a retry after a crash": (NotebookNotReadyError, TagConflictError),
    "a retry that remembers its image": (NotebookNotReadyError, TagConflictError),
    "a tag taken by this task": (TagConflictError,),
    "a stopped notebook to skip": (NotebookNotReadyError,),
    "another's image to adopt": (TagConflictError,),
    "an own image that failed": (TagConflictError,),
}
"""Errors in place of the denial: the first refusal, where the check of it is denied."""

ONLY_ONE_CLOUD = {
    row
    for row in SCENARIOS
    if re.search("replace|wait|if_not_running|min_lease|on Huawei Cloud", row)
    or row in notebook_permissions.SCENARIOS
}
CASES = [
    pytest.param(row, name, cloud, id=f"{row}-{name}-{cloud}")
    for row, of_row in SCENARIOS.items()
    for name in of_row
    # What the other rows of the operator add does not differ between the clouds.
    for cloud in (("huaweicloud",) if row in ONLY_ONE_CLOUD else ("huaweicloud", "otc"))
]
REMOVED = [
    pytest.param(row, action, id=f"{row}-{action}")
    for row in SCENARIOS
    if row in ROWS
    for action in granted(row)
]


@pytest.fixture(autouse=True)
def _time_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sleeps end at once: the simulator's clock moves with every poll."""

    async def sleep(_transport: object, _seconds: float) -> None:
        await asyncio.sleep(0)

    async def sleep_in_a_worker(_transport: object, _seconds: float) -> None:
        pass

    monkeypatch.setattr(AsyncTransport, "sleep", sleep)
    monkeypatch.setattr(BlockingTransport, "sleep", sleep_in_a_worker)


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run a scenario of a row with some of the actions that the page lists."""

    def play(row: str, name: str, *, without: str | None = None, cloud: str = "huaweicloud") -> None:
        grants = set(granted(row)) - {without}
        with Simulator(cloud=cloud, save=AfterReads(3), grants=grants) as simulator:
            connection = simulator.connection
            # To load the system's certificates takes longer than the scenario, which uses none.
            connection["extra"] |= {"verify": False, **EXTRA.get(row, {})}
            monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(connection))
            SCENARIOS[row][name](simulator)

    return play


def test_permissions_of_every_row_are_tested() -> None:
    """A row without an action is about a role."""
    rows = {row for row, actions in ROWS.items() if actions and not OF_RETENTION.match(row)}
    assert SCENARIOS.keys() == rows
    assert FAILS.keys() == IN_SWR.keys()


@pytest.mark.parametrize(("row", "name", "cloud"), CASES)
def test_permissions_of_row_suffice_for_each_scenario(
    row: str, name: str, cloud: str, play: Callable[..., None]
) -> None:
    play(row, name, cloud=cloud)


@pytest.mark.parametrize(("row", "action"), REMOVED)
def test_permissions_of_row_are_all_needed(row: str, action: str, play: Callable[..., None]) -> None:
    # An action in SWR that two of the row's depend on is missed by the first of them.
    missing = next(own for own in ROWS[row] if action in (own, *IN_SWR[own]))
    fails = FAILS[missing] & SCENARIOS[row].keys()
    stays = STAYS.get(action, set()) & SCENARIOS[row].keys()

    refusals = {name: refusal_of(lambda name=name: play(row, name, without=action)) for name in fails | stays}  # type: ignore[misc]

    assert fails
    assert {name for name, refusal in refusals.items() if refusal is not None} == fails
    for name in fails:
        kept, refusal = KEEPS_ITS_REFUSAL.get(name, ()), refusals[name]
        causes = (refusal, refusal.__cause__) if refusal else ()
        assert action in str(refusal) or any(isinstance(cause, kept) for cause in causes), name


def refusal_of(play: Callable[[], None]) -> Exception | None:
    """What a scenario ends with, if it is an error of ours; a claim of its own that fails is none."""
    try:
        play()
    except (ModelArtsError, AirflowFailException) as error:
        return error
    return None
