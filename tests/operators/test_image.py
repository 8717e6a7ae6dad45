"""What the operator does in every kind of weather, without a scheduler."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowTaskTimeout, TaskDeferred

from airflow_provider_modelarts.client import idempotent_create
from airflow_provider_modelarts.exceptions import (
    ImageFailedError,
    ModelArtsError,
    NotebookNotReadyError,
    QuotaExceededError,
    WaitTimeoutError,
)
from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.simulator import AfterReads, Fault, Simulator
from tests.recorder import TaskInstance, context

ID = "6b1c2d3e-4f50-4a61-8b72-9c83ad94be05"


def operator(**arguments: Any) -> CreateNotebookImageOperator:
    given = {"task_id": "save", "notebook_id": ID, "name": "research", "namespace": "team", "tag": "nightly"}
    return CreateNotebookImageOperator(**{**given, **arguments})


@pytest.mark.parametrize(
    ("arguments", "field", "rule"),
    [
        pytest.param({"notebook_id": "my notebook"}, "notebook_id", "a UUID such as", id="a name for an id"),
        pytest.param({"notebook_id": "../images"}, "notebook_id", "a UUID such as", id="a path for an id"),
        pytest.param({"name": None}, "name", "is mandatory", id="no name"),
        pytest.param(
            {"name": ""}, "name", "its template rendered to nothing", id="a name that rendered to nothing"
        ),
        pytest.param({"name": "Research"}, "name", "lower-case letters", id="an upper-case name"),
        pytest.param({"namespace": None}, "namespace", "is mandatory", id="no organization"),
        pytest.param(
            {"tag": "2026-11-21T02:00:00+00:00"}, "tag", "letters, digits, hyphens", id="a time as tag"
        ),
        pytest.param({"tag": "a,b"}, "tag", "letters, digits, hyphens", id="a comma in a tag"),
        pytest.param(
            {"description": "x" * 513}, "description", "at most 439 characters", id="a long description"
        ),
        pytest.param({"on_clear": "save"}, "on_clear", "'adopt' or 'save_again'", id="an unknown on_clear"),
        pytest.param({"if_exists": "overwrite"}, "if_exists", "'fail' or 'adopt'", id="an unknown if_exists"),
    ],
)
@pytest.mark.usefixtures("connection")
def test_bad_input_is_one_clear_error_and_nothing_is_sent(
    arguments: dict[str, Any], field: str, rule: str, simulator: Simulator
) -> None:
    """The field, the rule and the value; and no retry, which would not help."""
    with pytest.raises(AirflowFailException) as caught:
        operator(**arguments).execute(context(TaskInstance()))

    assert field in str(caught.value)
    assert rule in str(caught.value)
    assert simulator.journal == ()


@pytest.mark.usefixtures("connection")
def test_the_save_is_sent_as_it_was_asked_for(simulator: Simulator) -> None:
    """Every argument arrives; an absent one is not sent."""
    operator(
        description="after the course", workspace_id="0", swr_instance_id="i", swr_instance_domain="d"
    ).execute(context(TaskInstance()))

    (image,) = simulator.images
    assert (image["name"], image["namespace"], image["tag"]) == ("research", "team", "nightly")
    assert image["description"].startswith("after the course [airflow:")
    assert image["workspace_id"] == "0"


@pytest.mark.usefixtures("connection")
def test_links_and_id_are_there_before_the_wait(simulator: Simulator) -> None:
    """A deferred task shows where its notebook and its image are."""
    ti = TaskInstance()

    with pytest.raises(TaskDeferred):
        operator(wait_for_completion=True, deferrable=True).execute(context(ti))

    (image,) = simulator.images
    assert (ti.xcom["image_id"], ti.xcom["swr_path"]) == (image["id"], image["swr_path"])
    assert ti.xcom["modelarts_notebook_url"] == (
        "https://console-intl.huaweicloud.com/modelarts/?region=cn-north-4#/dev-container"
    )
    assert ti.xcom["modelarts_image_url"] == (
        "https://console-intl.huaweicloud.com/swr/?region=cn-north-4#/swr/warehouse/list/private"
    )


@pytest.mark.usefixtures("connection")
def test_a_deferral_looks_first_and_takes_only_plain_values_along(simulator: Simulator) -> None:
    """They are stored as they are in the metadata database, so there is no secret among them."""
    with pytest.raises(TaskDeferred) as deferred:
        operator(wait_for_completion=True, deferrable=True, poll_interval=20, timeout=600).execute(
            context(TaskInstance())
        )

    assert [entry.operation for entry in simulator.journal] == ["CreateImage", "ShowImage"]
    _, arguments = deferred.value.trigger.serialize()
    assert json.loads(json.dumps(arguments)) == arguments
    assert arguments["image_id"] == simulator.images[0]["id"]
    assert arguments["poll_interval"] == 20
    assert arguments["deadline"] == pytest.approx(simulator.now() + 600, abs=5)
    assert simulator.connection["password"] not in json.dumps(arguments)
    assert deferred.value.method_name == "execute_complete"
    assert deferred.value.timeout == timedelta(seconds=600 + 600)


@pytest.mark.usefixtures("connection")
def test_execution_timeout_bounds_the_deferral(simulator: Simulator) -> None:
    """Airflow 3 does not do it by itself."""
    save = operator(
        wait_for_completion=True, deferrable=True, timeout=600, execution_timeout=timedelta(seconds=60)
    )

    with pytest.raises(TaskDeferred) as deferred:
        save.execute(context(TaskInstance()))

    assert deferred.value.trigger.serialize()[1]["deadline"] == pytest.approx(simulator.now() + 60, abs=5)
    with pytest.raises(AirflowTaskTimeout):
        save.execute_complete(context(TaskInstance()), {"status": "timeout", "message": "still CREATING"})


@pytest.mark.parametrize("simulator", [AfterReads(1)], indirect=True, ids=["over"])
@pytest.mark.usefixtures("connection")
def test_what_is_over_at_the_first_look_is_not_deferred() -> None:
    """The triggerer is not bothered."""
    result = operator(wait_for_completion=True, deferrable=True).execute(context(TaskInstance()))

    assert result["status"] == "ACTIVE"


@pytest.mark.usefixtures("connection")
def test_a_look_that_fails_does_not_fail_the_deferral(simulator: Simulator) -> None:
    """The save is under way; the trigger will see how it goes."""
    simulator.inject(Fault("reset", "ShowImage"))

    with pytest.raises(TaskDeferred):
        operator(wait_for_completion=True, deferrable=True).execute(context(TaskInstance()))


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param(
            Fault("error", status=400, code="ModelArts.6327"), NotebookNotReadyError, id="not running"
        ),
        pytest.param(Fault("error", status=400, code="ModelArts.0113"), QuotaExceededError, id="a quota"),
    ],
)
@pytest.mark.usefixtures("connection")
def test_a_refusal_keeps_its_class(fault: Fault, error: type[ModelArtsError], simulator: Simulator) -> None:
    """So that a retry policy can tell them apart; a retry may help with all of these."""
    simulator.inject(fault)

    with pytest.raises(error):
        operator().execute(context(TaskInstance()))

    assert simulator.saves == 0


@pytest.fixture
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotent_create, "LOOKUP_INTERVAL", 0.01)


@pytest.mark.parametrize("kind", ["reset", "reset_after"])
@pytest.mark.usefixtures("connection", "_soon")
def test_a_lost_reply_is_looked_into(kind: str, simulator: Simulator) -> None:
    """Before or after its effect: one image, and its id is known."""
    simulator.inject(Fault(kind, "CreateImage"))

    result = operator().execute(context(TaskInstance()))

    assert simulator.saves == 1
    assert result["image_id"] == simulator.images[0]["id"]
    assert result["adopted"] is False


@pytest.mark.parametrize("tag", [None, "nightly"])
@pytest.mark.usefixtures("connection")
def test_a_retry_adopts_what_the_first_try_saved(tag: str | None, simulator: Simulator) -> None:
    """Its process was killed in the middle of the wait, say."""
    first = operator(tag=tag).execute(context(TaskInstance()))

    second = operator(tag=tag).execute(context(TaskInstance(try_number=2)))

    assert (second["image_id"], second["adopted"]) == (first["image_id"], True)
    assert simulator.saves == 1


@pytest.mark.usefixtures("connection")
def test_the_first_try_of_another_run_saves_again(simulator: Simulator) -> None:
    """Under a tag of its own, without anybody thinking of one."""
    for night in ("scheduled__2026-11-21", "scheduled__2026-11-22"):
        result = operator(tag=None).execute(context(TaskInstance(run_id=night)))
        simulator.set_image_status(result["image_id"], "ACTIVE")
        assert result["tag"].startswith(night)

    assert simulator.saves == 2


@pytest.mark.usefixtures("connection")
def test_a_description_leaves_room_for_the_mark(simulator: Simulator) -> None:
    """Its limit is the cloud's, less the mark."""
    with pytest.raises(AirflowFailException, match="description may have at most 439 characters"):
        operator(description="x" * 500).execute(context(TaskInstance()))

    assert simulator.journal == ()


@pytest.mark.usefixtures("connection")
def test_a_kill_says_what_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing can cancel a save; the log says which image to look for."""
    save = operator()
    result = save.execute(context(TaskInstance()))

    save.on_kill()

    said = capsys.readouterr().out
    assert f"image {result['image_id']}" in said
    assert "ModelArts cannot cancel the save of notebook" in said


@pytest.mark.usefixtures("connection", "quick_polls")
def test_a_failed_save_can_be_retried(simulator: Simulator) -> None:
    """Unlike in the sensor, where a retry would look at the same failed image again."""
    simulator.inject(Fault("save_fails", message="too large"))

    with pytest.raises(ImageFailedError, match="too large"):
        operator(wait_for_completion=True, poll_interval=0.05).execute(context(TaskInstance()))


@pytest.mark.parametrize("status", ["INIT", "CREATING", "ACTIVE"])
@pytest.mark.usefixtures("connection")
def test_an_image_that_has_the_tag_can_be_adopted(status: str, simulator: Simulator) -> None:
    """If asked for, and only the one with this name, organization and tag."""
    simulator.add_image(name="research", namespace="others", tag="nightly", status="ACTIVE")
    simulator.add_image(name="research", namespace="team", tag="yesterday", status="ACTIVE")
    image_id = simulator.add_image(name="research", namespace="team", tag="nightly", status=status)

    result = operator(if_exists="adopt").execute(context(TaskInstance()))

    assert (result["image_id"], result["adopted"], result["status"]) == (image_id, True, status)
    assert simulator.saves == 0


@pytest.mark.parametrize(
    ("if_exists", "status"), [("fail", "ACTIVE"), ("adopt", "CREATE_FAILED"), ("adopt", "ERROR")]
)
@pytest.mark.usefixtures("connection")
def test_a_taken_tag_fails_otherwise(if_exists: str, status: str, simulator: Simulator) -> None:
    """Nothing is overwritten, and what failed is no snapshot."""
    simulator.add_image(name="research", namespace="team", tag="nightly", status=status)

    with pytest.raises(AirflowFailException, match="choose another tag"):
        operator(if_exists=if_exists).execute(context(TaskInstance()))

    assert simulator.saves == 0


@pytest.mark.parametrize(
    ("event", "error", "match"),
    [
        pytest.param(None, ModelArtsError, "cannot be understood", id="missing"),
        pytest.param({}, ModelArtsError, "status", id="empty"),
        pytest.param("success", ModelArtsError, "cannot be understood", id="no dict"),
        pytest.param({"status": "done"}, ModelArtsError, "status", id="an unknown status"),
        pytest.param(
            {"status": "success"}, ModelArtsError, "image_id and swr_path", id="a success without image"
        ),
        pytest.param({"status": "failed"}, ModelArtsError, "no reason", id="a failure without reason"),
        pytest.param(
            {"status": "failed", "error": "ImageFailedError", "message": "too large"},
            ImageFailedError,
            "too large",
            id="failed",
        ),
        pytest.param(
            {"status": "failed", "error": "FromTheFuture", "message": "new"},
            ModelArtsError,
            "new",
            id="a new class",
        ),
        pytest.param({"status": "timeout", "message": "late"}, WaitTimeoutError, "late", id="a time-out"),
    ],
)
def test_an_event_is_never_taken_for_a_success_that_it_is_not(
    event: Any, error: type[ModelArtsError], match: str
) -> None:
    """It has been through a database, and may come from another version."""
    with pytest.raises(error, match=match):
        operator().execute_complete(context(TaskInstance()), event)


def test_an_event_may_hold_more_than_we_know() -> None:
    """A newer triggerer may have written it."""
    event = {
        "status": "success",
        "image": {"image_id": "i", "swr_path": "s", "digest": "d"},
        "weather": "fair",
    }

    result = operator().execute_complete(context(ti := TaskInstance()), event)

    assert result == {"image_id": "i", "swr_path": "s", "digest": "d"}
    assert ti.xcom == {"image_id": "i", "swr_path": "s"}


@pytest.mark.parametrize("argument", ["poll_interval", "timeout"])
@pytest.mark.parametrize("value", [0, -1, "15", None])
def test_times_are_checked_when_the_dag_is_parsed(argument: str, value: Any) -> None:
    """They are not templated, so a mistake shows at once."""
    with pytest.raises(ValueError, match=f"{argument} must be a number of seconds"):
        operator(**{argument: value})


def test_times_may_be_timedeltas() -> None:
    """As in Airflow's own sensors."""
    save = operator(poll_interval=timedelta(minutes=1), timeout=timedelta(hours=2))

    assert (save.poll_interval, save.timeout) == (60, 7200)


def test_every_string_argument_is_templated() -> None:
    """All that is not a flag, a time or one of a few words."""
    assert set(CreateNotebookImageOperator.template_fields) == {
        "notebook_id",
        "name",
        "namespace",
        "tag",
        "description",
        "workspace_id",
        "swr_instance_id",
        "swr_instance_domain",
        "modelarts_conn_id",
    }


@pytest.mark.parametrize(("argument", "sent"), [(None, "of-the-connection"), ("of-the-task", "of-the-task")])
def test_a_workspace_of_the_connection_is_the_default(
    argument: str | None, sent: str, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task's own wins."""
    extra = {**simulator.connection["extra"], "workspace_id": "of-the-connection"}
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps({**simulator.connection, "extra": extra}))

    operator(workspace_id=argument).execute(context(TaskInstance()))

    assert simulator.images[0]["workspace_id"] == sent
