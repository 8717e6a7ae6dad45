"""What is at the root of the repository for its visitors."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import shlex
from pathlib import Path

import pytest
import yaml

import airflow_provider_modelarts
from tests.matrix.cells import CELLS
from tests.matrix.run import parse

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
KINDS = {"operators": "Operator", "sensors": "Sensor", "triggers": "Trigger", "hooks": "Hook"}


def public_classes(kind: str) -> set[str]:
    """Return the import paths of the classes of one kind that users can name."""
    package = importlib.import_module(f"{airflow_provider_modelarts.__name__}.{kind}")
    found = set()
    for module_info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(module_info.name)
        found |= {
            f"{module.__name__}.{name}"
            for name, value in vars(module).items()
            if inspect.isclass(value)
            and value.__module__ == module.__name__
            and name.endswith(KINDS[kind])
            and not name.startswith("_")
        }
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_registry_file_lists_every_public_class(kind: str) -> None:
    registry = yaml.safe_load((ROOT / ".airflow-registry.yaml").read_text())

    assert {entry["module"] for entry in registry[kind]} == public_classes(kind)


def test_workflows_exist() -> None:
    assert {path.name for path in WORKFLOWS} == {"ci.yml", "release.yml"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflow_pins_every_action_by_hash(path: Path) -> None:
    uses = re.findall(r"uses: (.*)", path.read_text())

    assert uses
    for line in uses:
        assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_ci_workflow_runs_only_parts_that_run_sh_has() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    usage = (ROOT / "run.sh").read_text().partition("<<'USAGE'")[2].partition("\nUSAGE\n")[0]

    parts = {part.split()[0] for part in workflow["jobs"]["part"]["strategy"]["matrix"]["part"]}

    assert parts | {"matrix"} == set(re.findall(r"^  (\w+)  ", usage, re.MULTILINE)) - {"constraints"}


def test_ci_workflow_tests_the_built_wheel_in_every_cell_of_the_matrix(tmp_path: Path) -> None:
    job = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]["airflow"]
    (command,) = (step["run"] for step in job["steps"] if "run" in step)
    wheel = tmp_path / "any.whl"
    wheel.touch()
    cells = []
    for version in job["strategy"]["matrix"]["airflow"]:
        words = shlex.split(command.replace("dist/*.whl", str(wheel)).replace("$AIRFLOW", version))
        assert words[:3] == ["bash", "run.sh", "matrix"]
        options = parse(words[3:])
        assert options.wheel == wheel
        cells += options.cells

    assert sorted(cells, key=CELLS.index) == list(CELLS)
