"""Invalid and empty arguments: each is rejected before a request is sent."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.sensors.image import NotebookImageSensor
from airflow_provider_modelarts.simulator import Simulator
from tests.recorder import TaskInstance, context

ID = "6b1c2d3e-4f50-4a61-8b72-9c83ad94be05"
NOTHING = {"empty": "", "blanks": "  \n", "the word": "None"}
OPTIONAL = ["tag", "description", "workspace_id", "swr_instance_id", "swr_instance_domain"]

for_nothing = pytest.mark.parametrize("nothing", NOTHING.values(), ids=NOTHING)


@pytest.fixture(scope="module", params=["huaweicloud", "otc"])
def simulator(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    """Each cloud; on the second one name and namespace may be left out."""
    with Simulator(cloud=request.param) as simulator:
        yield simulator


@pytest.fixture(autouse=True)
def _connection(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    simulator.reset()
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(simulator.connection))


def operator(**arguments: Any) -> CreateNotebookImageOperator:
    given = {"task_id": "save", "notebook_id": ID, "name": "research", "namespace": "team", "tag": "nightly"}
    return CreateNotebookImageOperator(**{**given, **arguments})


def save(*, try_number: Any = 1, **arguments: Any) -> dict[str, Any]:
    return operator(**arguments).execute(context(TaskInstance(try_number=try_number)))


@for_nothing
@pytest.mark.parametrize("field", OPTIONAL)
def test_operator_treats_blank_optional_argument_as_not_given(
    field: str, nothing: str, simulator: Simulator
) -> None:
    save(**{field: nothing})

    (image,) = simulator.images
    sent = {key: image[key] for key in ("tag", "description", "workspace_id")}
    assert "None" not in json.dumps(sent)
    assert all(value.strip() for value in sent.values())
    assert (image["tag"] == "nightly") is (field != "tag")


@for_nothing
@pytest.mark.parametrize("field", ["notebook_id", "name", "namespace", "modelarts_conn_id"])
@pytest.mark.parametrize("try_number", [1, 2])
def test_operator_rejects_blank_argument(
    field: str, nothing: str, try_number: int, simulator: Simulator
) -> None:
    with pytest.raises(AirflowFailException, match=f"{field} must not be (nothing|the word None)"):
        save(try_number=try_number, **{field: nothing})

    assert simulator.journal == ()


@pytest.mark.parametrize("value", [None, 7, b"modelarts_default", {"conn_id": "x"}, ["x"]], ids=repr)
def test_tasks_reject_conn_id_that_is_not_text(value: Any, simulator: Simulator) -> None:
    """Such as the None of a skipped task: no retry would find that connection."""
    with pytest.raises(
        AirflowFailException, match="modelarts_conn_id must be the id of an Airflow connection"
    ):
        save(modelarts_conn_id=value)
    with pytest.raises(
        AirflowFailException, match="modelarts_conn_id must be the id of an Airflow connection"
    ):
        NotebookImageSensor(task_id="wait", image_id=ID, modelarts_conn_id=value).execute(
            context(TaskInstance())
        )

    assert simulator.journal == ()


@pytest.mark.parametrize("field", ["name", "namespace"])
def test_operator_treats_none_as_not_given(field: str, simulator: Simulator) -> None:
    if simulator.connection["extra"]["region"] == "eu-de":
        assert save(**{field: None})["tag"] == "nightly"
    else:
        with pytest.raises(AirflowFailException, match=f"{field} is mandatory"):
            save(**{field: None})
        assert simulator.journal == ()


@pytest.mark.parametrize(
    "value",
    [
        *(
            None,
            7,
            7.5,
            True,
            [ID],
            (ID,),
            {"notebook_id": ID},
            ID.encode(),
            "\udc80",
            f"{ID}\udc80",
            pytest.param(object(), id="an object"),
        ),
    ],
    ids=lambda value: f"{value!r:.30}".encode("ascii", "backslashreplace").decode(),
)
@pytest.mark.parametrize("tag", [None, "nightly"])
@pytest.mark.parametrize("try_number", [1, 2])
def test_operator_rejects_notebook_id_that_is_not_text(
    value: Any, tag: str | None, try_number: int, simulator: Simulator
) -> None:
    with pytest.raises(AirflowFailException, match="notebook_id"):
        save(try_number=try_number, notebook_id=value, tag=tag)

    assert simulator.journal == ()


@pytest.mark.parametrize("value", ["a/b", "..", "my notebook", "a?b"])
@pytest.mark.parametrize("try_number", [1, 2])
def test_operator_rejects_notebook_id_with_path(value: str, try_number: int, simulator: Simulator) -> None:
    with pytest.raises(AirflowFailException, match="notebook_id"):
        save(try_number=try_number, notebook_id=value)

    assert simulator.journal == ()


@pytest.mark.parametrize("field", ["name", "namespace", *OPTIONAL])
@pytest.mark.parametrize(
    "value", [7, True, ["x"], b"x", {"x": "y"}, "\udc80"], ids=lambda value: f"{value!a}"
)
def test_operator_rejects_arguments_of_wrong_type(field: str, value: Any, simulator: Simulator) -> None:
    with pytest.raises(AirflowFailException, match=field):
        save(**{field: value})

    assert simulator.journal == ()


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, True, timedelta.max, -1, 10**400], ids=lambda v: f"{v!r:.20}"
)
@pytest.mark.parametrize("argument", ["poll_interval", "timeout"])
def test_operator_rejects_invalid_times(argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=argument):
        operator(**{argument: value})


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, True, timedelta.max, -1, 10**400], ids=lambda v: f"{v!r:.20}"
)
@pytest.mark.parametrize("argument", ["poke_interval", "timeout"])
def test_sensor_rejects_invalid_times(argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=argument):
        NotebookImageSensor(task_id="wait", image_id="i", **{argument: value})


@pytest.mark.parametrize("value", [timedelta.max, timedelta(seconds=-1)])
def test_tasks_reject_invalid_execution_timeout(value: timedelta) -> None:
    with pytest.raises(ValueError, match="execution_timeout"):
        operator(execution_timeout=value)
    with pytest.raises(ValueError, match="execution_timeout"):
        NotebookImageSensor(task_id="wait", image_id="i", execution_timeout=value)


@pytest.mark.parametrize("value", ["skip", "", None, "FAIL", 1])
def test_operator_rejects_unknown_if_exists(value: Any, simulator: Simulator) -> None:
    with pytest.raises(AirflowFailException, match="if_exists must be 'fail' or 'adopt'"):
        save(if_exists=value)

    assert simulator.journal == ()


@pytest.mark.parametrize("field", ["notebook_id", "name", "tag", "image_id"])
def test_operator_does_not_check_templates_when_dag_is_parsed(field: str) -> None:
    for value in ("", "None", "{{ x }}", "a/b", None, 7):
        if field == "image_id":
            NotebookImageSensor(task_id="wait", image_id=value)  # type: ignore[arg-type]
        else:
            operator(**{field: value})


@pytest.mark.parametrize("value", [*NOTHING.values(), None, {"image_id": None}, {}], ids=repr)
@pytest.mark.parametrize("mode", [{}, {"mode": "reschedule"}, {"deferrable": True}], ids=str)
@pytest.mark.parametrize("soft_fail", [True, False])
def test_sensor_names_missing_image_id(
    value: Any, mode: dict[str, Any], soft_fail: bool, simulator: Simulator
) -> None:
    wait = NotebookImageSensor(task_id="wait", image_id=value, soft_fail=soft_fail, **mode)

    with pytest.raises(AirflowFailException, match="failed, was skipped"):
        wait.execute(context(TaskInstance()))

    assert simulator.journal == ()
