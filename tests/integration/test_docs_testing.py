"""The examples of docs/testing.md, run as the tests of a user's project."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_modelarts.pytest_plugin import modelarts_simulator
from airflow_provider_modelarts.simulator import AfterReads, RegistryBehaviour, Simulator
from tests import airflow_runs
from tests.fast_forward import FastForward

__all__ = ["modelarts_simulator"]

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()
CONFTEST, RUN, FAULT, REGISTRY = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def run(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(code, names)
    return names


def test_testing_page_names_plugin() -> None:
    assert run(CONFTEST)["pytest_plugins"] == [modelarts_simulator.__module__]


@pytest.mark.filterwarnings("default")
@pytest.mark.usefixtures("quick_polls")
def test_testing_page_runs_dag(
    modelarts_simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A whole run, because the page shows one."""
    airflow_runs.migrate()
    FastForward(monkeypatch)
    modes = Path(__file__).parents[1] / "dags" / "modes.py"
    code = RUN.replace("dags/snapshots.py", str(modes)).replace('["snapshots"]', '["save_blocking"]')

    run(code)["test_snapshot_is_saved_once"](modelarts_simulator)


@pytest.mark.parametrize(
    "modelarts_simulator", [{"cloud": "otc", "save": AfterReads(3)}], indirect=True, ids=["otc"]
)
def test_testing_page_injects_fault(modelarts_simulator: Simulator) -> None:
    test = run(FAULT)["test_full_quota_is_reported"]

    test(modelarts_simulator)

    (parameters,) = test.pytestmark
    assert parameters.args == ("modelarts_simulator", [{"cloud": "otc", "save": AfterReads(3)}])


@pytest.mark.parametrize(
    "modelarts_simulator", [{"registry": RegistryBehaviour(error_form="errors")}], indirect=True, ids=["swr"]
)
def test_testing_page_deletes_tag(modelarts_simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    FastForward(monkeypatch)
    test = run(REGISTRY)["test_deleted_tag_is_reported"]

    test(modelarts_simulator)

    (parameters,) = test.pytestmark
    assert parameters.args[1] == [{"registry": RegistryBehaviour(error_form="errors")}]
