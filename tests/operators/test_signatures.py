"""The arguments of all operators and sensors."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseOperator, BaseSensorOperator

from airflow_provider_modelarts import operators, sensors
from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.operators.notebook import (
    ListNotebooksOperator,
    RenewNotebookLeaseOperator,
    RestoreNotebookOperator,
    StartNotebookOperator,
    StopNotebookOperator,
)
from airflow_provider_modelarts.operators.retention import (
    DeleteNotebookImageOperator,
    PruneNotebookImagesOperator,
    RegisterNotebookImageOperator,
    TagNotebookImageOperator,
)
from airflow_provider_modelarts.sensors.notebook import NotebookStatusSensor

WAITS = {
    "wait_for_completion": True,
    "deferrable": False,
    "poll_interval": 10,
    "timeout": 3600,
    "modelarts_conn_id": "modelarts_default",
}
SIGNATURES: dict[type, dict[str, Any]] = {
    CreateNotebookImageOperator: {
        "notebook_id": ...,
        "name": None,
        "namespace": None,
        "tag": None,
        "description": None,
        "workspace_id": None,
        "swr_instance_id": None,
        "swr_instance_domain": None,
        "if_exists": "fail",
        "if_not_running": "fail",
        "on_clear": "adopt",
        "min_lease": None,
        **WAITS,
        "wait_for_completion": False,
        "wait_for_notebook": True,
        "verify_in_registry": False,
    },
    StartNotebookOperator: {"notebook_id": ..., "duration": None, **WAITS},
    StopNotebookOperator: {
        "notebook_id": ...,
        "image_id": None,
        "require_snapshot_within": "2h",
        "discard_environment": False,
        **WAITS,
    },
    RenewNotebookLeaseOperator: {
        "notebook_id": ...,
        "duration": ...,
        "modelarts_conn_id": "modelarts_default",
    },
    RestoreNotebookOperator: {
        "notebook_id": ...,
        "image_id": None,
        "start": True,
        "duration": None,
        "stop_running": False,
        "require_snapshot_within": "2h",
        "discard_environment": False,
        **WAITS,
    },
    ListNotebooksOperator: {
        "status": None,
        "name": None,
        "owner_id": None,
        "flavor": None,
        "workspace_id": None,
        "all_users": False,
        "lease_ends_within": None,
        "not_saved_within": None,
        "limit": 1000,
        "truncate": False,
        "modelarts_conn_id": "modelarts_default",
    },
    NotebookStatusSensor: {
        "notebook_id": ...,
        "status": "RUNNING",
        "poke_interval": None,
        "timeout": 3600,
        "deferrable": False,
        "modelarts_conn_id": "modelarts_default",
    },
    PruneNotebookImagesOperator: {
        "namespace": None,
        "name": None,
        "notebook_ids": None,
        "all_of_project": False,
        "workspace_id": None,
        "mode": "report",
        **dict.fromkeys(("keep_last", "keep_hourly", "keep_daily", "keep_weekly", "keep_monthly")),
        "keep_yearly": None,
        "keep_within": None,
        "keep_tags": (),
        "protect": (),
        "timezone": None,
        "min_age": "1d",
        "max_deletions": 100,
        "include_unmarked": False,
        "own_notebooks_only": False,
        "modelarts_conn_id": "modelarts_default",
    },
    DeleteNotebookImageOperator: {
        "image_id": ...,
        "delete_swr_image": False,
        "own_notebooks_only": False,
        "modelarts_conn_id": "modelarts_default",
    },
    TagNotebookImageOperator: {
        "image_id": ...,
        "new_tag": ...,
        "override": True,
        "modelarts_conn_id": "modelarts_default",
    },
    RegisterNotebookImageOperator: {
        "swr_path": ...,
        "description": None,
        "arch": None,
        "workspace_id": None,
        "modelarts_conn_id": "modelarts_default",
    },
}
NO_TEXT = {"start", "stop_running", "discard_environment", "wait_for_completion", "deferrable"}
NO_TEXT |= {"wait_for_notebook", "poll_interval", "poke_interval", "timeout"}
NO_TEXT |= {"all_users", "limit", "truncate", "verify_in_registry"}
NO_TEXT |= {
    "all_of_project",
    "max_deletions",
    "include_unmarked",
}
NO_TEXT |= {"own_notebooks_only", "delete_swr_image", "override"}
NO_TEXT |= {f"keep_{rule}" for rule in ("last", "hourly", "daily", "weekly", "monthly", "yearly")}


def classes() -> list[type]:
    """Return the public operators and sensors."""
    modules = [
        importlib.import_module(f"{package.__name__}.{module.name}")
        for package in (operators, sensors)
        for module in pkgutil.iter_modules(package.__path__)
    ]
    return [
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, BaseOperator) and value.__module__ == module.__name__
    ]


def mandatory_arguments(operator: type) -> dict[str, str]:
    """Return a value of each argument without a default."""
    values = dict.fromkeys(("notebook_id", "image_id", "new_tag", "swr_path"), "x") | {"duration": "2h"}
    return {n: values[n] for n, p in own_arguments(operator).items() if p.default is inspect.Parameter.empty}


def own_arguments(operator: type) -> dict[str, inspect.Parameter]:
    parameters = inspect.signature(operator).parameters.values()
    return {p.name: p for p in parameters if p.kind is not inspect.Parameter.VAR_KEYWORD}


@pytest.mark.parametrize("operator", classes(), ids=lambda operator: operator.__name__)
def test_argument_has_no_name_of_airflows_own(operator: type) -> None:
    """Airflow would fill it from the DAG's default_args, or it would hide an attribute."""
    base: type = BaseSensorOperator if issubclass(operator, BaseSensorOperator) else BaseOperator
    shared = {"poke_interval", "timeout"} if base is BaseSensorOperator else set()
    taken = {*inspect.signature(BaseOperator).parameters, *dir(BaseOperator), *dir(base)}
    taken |= {*inspect.signature(base).parameters, *vars(BaseOperator(task_id="x"))}

    assert own_arguments(operator).keys() & taken == shared


@pytest.mark.parametrize("operator", classes(), ids=lambda operator: operator.__name__)
def test_arguments_are_keyword_only_and_templated_where_they_are_text(operator: Any) -> None:
    arguments = own_arguments(operator)

    assert {argument.kind for argument in arguments.values()} == {inspect.Parameter.KEYWORD_ONLY}
    assert set(operator.template_fields) <= arguments.keys()
    assert operator.text_fields == operator.template_fields
    literals = {name for name, argument in arguments.items() if "Literal" in str(argument.annotation)}
    assert arguments.keys() - NO_TEXT - literals == set(operator.template_fields)


@pytest.mark.parametrize("operator", SIGNATURES, ids=lambda operator: operator.__name__)
def test_signature_is_the_documented_one(operator: type) -> None:
    found = {
        name: ... if argument.default is inspect.Parameter.empty else argument.default
        for name, argument in own_arguments(operator).items()
    }
    assert found == SIGNATURES[operator]


@pytest.mark.parametrize("operator", SIGNATURES, ids=lambda operator: operator.__name__)
def test_default_args_of_airflow_change_nothing(operator: Any) -> None:
    given = {"task_id": "task", **mandatory_arguments(operator)}
    plain = operator(**given)
    team = {"owner": "x", "retries": 2, "start_date": None, "pool": "saves"}

    task = operator(**given, default_args=team)

    assert task.owner == "x"
    for name in own_arguments(operator):
        assert getattr(task, name) == getattr(plain, name)


@pytest.mark.parametrize("operator", SIGNATURES, ids=lambda operator: operator.__name__)
@pytest.mark.parametrize("limit", [timedelta(-1), timedelta.max])
def test_execution_timeout_is_checked_when_dag_is_parsed(operator: Any, limit: timedelta) -> None:
    with pytest.raises(ValueError, match="execution_timeout must be"):
        operator(task_id="task", execution_timeout=limit, **mandatory_arguments(operator))


@pytest.mark.parametrize("operator", SIGNATURES, ids=lambda operator: operator.__name__)
def test_templates_are_not_judged_when_dag_is_parsed(operator: Any) -> None:
    fields = dict.fromkeys(operator.template_fields, "{{ params.x }}")
    assert operator(task_id="task", **fields).task_id == "task"


@pytest.mark.parametrize("operator", classes(), ids=lambda operator: operator.__name__)
def test_mapped_task_has_the_defaults_of_airflow(operator: Any) -> None:
    """Airflow reads them from the constructors of all classes between the operator and its own."""
    first = next(iter(own_arguments(operator)))

    mapped = operator.partial(task_id="task").expand(**{first: ["x"]})

    assert (mapped.inlets, mapped.outlets) == ([], [])
