"""The tests of a module are found by its path, and no file of tests is long."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "airflow_provider_modelarts"
TESTS = ROOT / "tests"
MAX_LINES = 500
"""Of a file of tests."""

ELSEWHERE = {
    "airflow_arguments": "operators/test_signatures",  # types only
    "provider_info": "test_packaging",
    "client/http_types": "client/test_client",  # values without behaviour
    "client/polled_resources": "client/test_poll_plan",
    "hooks/field_parser": "hooks/test_connection_values",
    "hooks/poll_wait": "hooks/test_poller_scenarios",
    "hooks/poller_pool": "hooks/test_poller_scenarios",
    "hooks/retention_methods": "operators/test_retention_prune",
    "tasks/notebook_wait": "operators/test_image_notebook_wait",
    "tasks/one_image": "operators/test_retention_one_image",
    "tasks/operator": "operators/test_signatures",
    "tasks/retention": "operators/test_retention_prune",
    # Each scenario of a transport runs through both, and so through all of their modules.
    "transport/*": "transport/test_limits",
    "triggers/deferral": "operators/test_image_waiting",
    "triggers/task_state": "triggers/test_image",
    # The simulator is tested by its responses.
    "simulator/*": "simulator/test_simulator",
}
"""Modules without a file of tests of their own, and where they are tested."""


def modules() -> list[str]:
    files = (file.relative_to(PACKAGE).with_suffix("") for file in PACKAGE.rglob("*.py"))
    return sorted(str(file) for file in files if not file.name.startswith("__"))


def own_tests(module: str) -> list[Path]:
    folder, stem = (TESTS / module).parent, Path(module).name
    return [*folder.glob(f"test_{stem}.py"), *folder.glob(f"test_{stem}_*.py")]


@pytest.mark.parametrize("module", modules())
def test_module_has_its_file_of_tests(module: str) -> None:
    elsewhere = [tests for pattern, tests in ELSEWHERE.items() if fnmatch(module, pattern)]

    assert own_tests(module) or elsewhere
    assert all((TESTS / f"{tests}.py").exists() for tests in elsewhere)


@pytest.mark.parametrize("pattern", ELSEWHERE)
def test_module_that_is_tested_elsewhere_exists(pattern: str) -> None:
    assert [module for module in modules() if fnmatch(module, pattern) and not own_tests(module)]


@pytest.mark.parametrize("file", sorted(TESTS.rglob("*.py")), ids=lambda file: str(file.relative_to(TESTS)))
def test_file_of_tests_is_short(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= MAX_LINES
