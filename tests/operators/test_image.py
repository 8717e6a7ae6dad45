"""The operator, with and without failures of the service, without a scheduler."""

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
def test_operator_rejects_invalid_argument_before_sending(
    arguments: dict[str, Any], field: str, rule: str, simulator: Simulator
) -> None:
    """Without a retry, which would not help."""
    with pytest.raises(AirflowFailException) as caught:
        operator(**arguments).execute(context(TaskInstance()))

    assert field in str(caught.value)
    assert rule in str(caught.value)
    assert simulator.journal == ()


@pytest.mark.usefixtures("connection")
def test_operator_sends_every_argument_given(simulator: Simulator) -> None:
    operator(
        description="after the course", workspace_id="0", swr_instance_id="i", swr_instance_domain="d"
    ).execute(context(TaskInstance()))

    (image,) = simulator.images
    assert (image["name"], image["namespace"], image["tag"]) == ("research", "team", "nightly")
    assert image["description"].startswith("after the course [airflow:")
    assert image["workspace_id"] == "0"


@pytest.mark.usefixtures("connection")
def test_operator_pushes_links_and_id_before_waiting(simulator: Simulator) -> None:
    """They are shown while the task is deferred."""
    ti = TaskInstance()

    with pytest.raises(TaskDeferred):
        operator(wait_for_completion=True, deferrable=True).execute(context(ti))

    (image,) = simulator.images
    assert (ti.xcom["image_id"], ti.xcom["swr_path"]) == (image["id"], image["swr_path"])
    assert ti.xcom["modelarts_notebooks_url"] == (
        "https://console-intl.huaweicloud.com/modelarts/?region=cn-north-4#/dev-container"
    )
    assert ti.xcom["modelarts_images_url"] == (
        "https://console-intl.huaweicloud.com/swr/?region=cn-north-4#/swr/warehouse/list/private"
    )


@pytest.mark.usefixtures("connection")
def test_operator_polls_once_then_defers_with_plain_values(simulator: Simulator) -> None:
    """The metadata database stores them, so there must be no secret."""
    with pytest.raises(TaskDeferred) as deferred:
        operator(wait_for_completion=True, deferrable=True, poll_interval=20, timeout=600).execute(
            context(TaskInstance())
        )

    # The last one is for the warning that the lease ends too soon.
    sent = [entry.operation for entry in simulator.journal]
    assert sent == ["CreateImage", "ShowImage", "ShowNotebook"]
    _, arguments = deferred.value.trigger.serialize()
    assert json.loads(json.dumps(arguments)) == arguments
    assert arguments["image_id"] == simulator.images[0]["id"]
    assert arguments["poll_interval"] == 20
    assert arguments["deadline"] == pytest.approx(simulator.now() + 600, abs=5)
    assert simulator.connection["password"] not in json.dumps(arguments)
    assert deferred.value.method_name == "execute_complete"
    assert deferred.value.timeout == timedelta(seconds=600 + 600)


@pytest.mark.usefixtures("connection")
def test_operator_deferral_ends_at_execution_timeout(simulator: Simulator) -> None:
    """Airflow 3 does not enforce it for deferred tasks."""
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
def test_operator_does_not_defer_when_first_poll_is_final() -> None:
    result = operator(wait_for_completion=True, deferrable=True).execute(context(TaskInstance()))

    assert result["status"] == "ACTIVE"


@pytest.mark.usefixtures("connection")
def test_operator_defers_when_first_poll_fails(simulator: Simulator) -> None:
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
def test_operator_raises_refusal_with_its_class(
    fault: Fault, error: type[ModelArtsError], simulator: Simulator
) -> None:
    """So that a retry policy can distinguish them."""
    simulator.inject(fault)

    with pytest.raises(error):
        operator().execute(context(TaskInstance()))

    assert simulator.saves == 0


@pytest.fixture
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotent_create, "LOOKUP_INTERVAL", 0.01)


@pytest.mark.parametrize("kind", ["reset", "reset_after"])
@pytest.mark.usefixtures("connection", "_soon")
def test_operator_finds_image_after_lost_response(kind: str, simulator: Simulator) -> None:
    simulator.inject(Fault(kind, "CreateImage"))

    result = operator().execute(context(TaskInstance()))

    assert simulator.saves == 1
    assert result["image_id"] == simulator.images[0]["id"]
    assert result["adopted"] is False


@pytest.mark.parametrize("tag", [None, "nightly"])
@pytest.mark.usefixtures("connection")
def test_operator_retry_adopts_image_of_first_try(tag: str | None, simulator: Simulator) -> None:
    first = operator(tag=tag).execute(context(TaskInstance()))

    second = operator(tag=tag).execute(context(TaskInstance(try_number=2)))

    assert (second["image_id"], second["adopted"]) == (first["image_id"], True)
    assert simulator.saves == 1


@pytest.mark.usefixtures("connection")
def test_operator_creates_new_image_in_another_run(simulator: Simulator) -> None:
    for run_id in ("scheduled__2026-11-21", "scheduled__2026-11-22"):
        result = operator(tag=None).execute(context(TaskInstance(run_id=run_id)))
        simulator.set_image_status(result["image_id"], "ACTIVE")
        assert result["tag"].startswith(run_id)

    assert simulator.saves == 2


@pytest.mark.usefixtures("connection")
def test_operator_limits_description_by_marker_length(simulator: Simulator) -> None:
    with pytest.raises(AirflowFailException, match="description may have at most 439 characters"):
        operator(description="x" * 500).execute(context(TaskInstance()))

    assert simulator.journal == ()


@pytest.mark.usefixtures("connection")
def test_operator_on_kill_logs_image_that_continues(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing can cancel a save."""
    save = operator()
    result = save.execute(context(TaskInstance()))

    save.on_kill()

    output = capsys.readouterr().out
    assert f"image {result['image_id']}" in output
    assert "ModelArts cannot cancel the save of notebook" in output


@pytest.mark.usefixtures("connection", "quick_polls")
def test_operator_retries_after_failed_image(simulator: Simulator) -> None:
    """The sensor does not: its retry would poll the same failed image."""
    simulator.inject(Fault("save_fails", message="too large"))

    with pytest.raises(ImageFailedError, match="too large"):
        operator(wait_for_completion=True, poll_interval=0.05).execute(context(TaskInstance()))


@pytest.mark.parametrize("status", ["INIT", "CREATING", "ACTIVE"])
@pytest.mark.usefixtures("connection")
def test_operator_adopts_image_with_same_name_organization_and_tag(status: str, simulator: Simulator) -> None:
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
def test_operator_raises_tag_conflict_without_adopt(
    if_exists: str, status: str, simulator: Simulator
) -> None:
    simulator.add_image(name="research", namespace="team", tag="nightly", status=status)

    with pytest.raises(AirflowFailException, match="choose another tag"):
        operator(if_exists=if_exists).execute(context(TaskInstance()))

    assert simulator.saves == 0


@pytest.mark.parametrize(
    ("event", "error", "match"),
    [
        pytest.param(None, ModelArtsError, "cannot be read", id="missing"),
        pytest.param({}, ModelArtsError, "status", id="empty"),
        pytest.param("success", ModelArtsError, "cannot be read", id="no dict"),
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
        pytest.param({"status": "timeout", "message": "late"}, WaitTimeoutError, "late", id="a timeout"),
    ],
)
def test_operator_rejects_event_that_is_no_success(
    event: Any, error: type[ModelArtsError], match: str
) -> None:
    """It was stored in a database, and another version may have written it."""
    with pytest.raises(error, match=match):
        operator().execute_complete(context(TaskInstance()), event)


def test_operator_ignores_unknown_fields_of_event() -> None:
    """A newer triggerer may have written it."""
    event = {
        "status": "success",
        "image": {"image_id": "i", "swr_path": "s", "digest": "d"},
        "added_later": "value",
    }

    result = operator().execute_complete(context(ti := TaskInstance()), event)

    assert result == {"image_id": "i", "swr_path": "s", "digest": "d"}
    assert ti.xcom == {"image_id": "i", "swr_path": "s"}


@pytest.mark.parametrize("argument", ["poll_interval", "timeout"])
@pytest.mark.parametrize("value", [0, -1, "15", None])
def test_operator_checks_times_when_dag_is_parsed(argument: str, value: Any) -> None:
    """They are not templated."""
    with pytest.raises(ValueError, match=f"{argument} must be a number of seconds"):
        operator(**{argument: value})


def test_operator_accepts_timedeltas() -> None:
    save = operator(poll_interval=timedelta(minutes=1), timeout=timedelta(hours=2))

    assert (save.poll_interval, save.timeout) == (60, 7200)


def test_operator_templates_every_text_argument() -> None:
    assert set(CreateNotebookImageOperator.template_fields) == {
        "notebook_id",
        "name",
        "namespace",
        "tag",
        "description",
        "workspace_id",
        "swr_instance_id",
        "swr_instance_domain",
        "min_lease",
        "modelarts_conn_id",
    }


@pytest.mark.parametrize(("argument", "sent"), [(None, "of-the-connection"), ("of-the-task", "of-the-task")])
def test_operator_defaults_to_workspace_of_connection(
    argument: str | None, sent: str, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = {**simulator.connection["extra"], "workspace_id": "of-the-connection"}
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps({**simulator.connection, "extra": extra}))

    operator(workspace_id=argument).execute(context(TaskInstance()))

    assert simulator.images[0]["workspace_id"] == sent
