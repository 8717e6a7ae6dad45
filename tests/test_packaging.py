"""The distribution and its provider info, as Airflow and pip read them."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import re
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import entry_points, version
from inspect import getsourcelines
from pathlib import Path
from types import ModuleType

import airflow
import jsonschema
import pytest
from airflow.triggers.base import BaseTrigger

import airflow_provider_modelarts
from airflow_provider_modelarts.provider_info import get_provider_info

ROOT = Path(__file__).parents[1]
MAX_LINES = 400
"""Of a module."""
MAX_TRIGGER_LINES = 120
"""Of the class of a trigger."""
HEAVY = (
    "aiohttp",
    "openlineage",
    "requests",
    "airflow_provider_modelarts.transport",
    "airflow_provider_modelarts.triggers.",
    "airflow_provider_modelarts.client.models",
    "airflow_provider_modelarts.hooks.pool",
)


def modules() -> list[str]:
    walk = pkgutil.walk_packages(airflow_provider_modelarts.__path__, "airflow_provider_modelarts.")
    return sorted(module.name for module in walk if not module.name.endswith("__main__"))


def test_provider_is_found_by_entry_point() -> None:
    (found,) = (
        point
        for point in entry_points(group="apache_airflow_provider")
        if point.value.startswith("airflow_provider_modelarts")
    )

    assert found.load()() == get_provider_info()
    assert get_provider_info()["package-name"] == "airflow-provider-modelarts"


def test_provider_info_follows_airflow_schema() -> None:
    """Otherwise Airflow loads no provider at all."""
    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())

    jsonschema.validate(get_provider_info(), schema)


def named_in(info: object) -> set[str]:
    return set(re.findall(r"airflow_provider_modelarts\.[\w.]+", json.dumps(info)))


@pytest.mark.parametrize("name", sorted(named_in(get_provider_info())))
def test_provider_info_names_existing_modules_and_classes(name: str) -> None:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute)


@pytest.mark.parametrize("kind", ["operators", "sensors", "triggers", "hooks"])
def test_provider_info_lists_every_module(kind: str) -> None:
    announced = {name for entry in get_provider_info()[kind] for name in entry["python-modules"]}
    folder = importlib.import_module(f"airflow_provider_modelarts.{kind}")
    public = {
        f"{folder.__name__}.{module.name}"
        for module in pkgutil.iter_modules(folder.__path__)
        if any(_is_airflows(folder.__name__, module.name))
    }

    assert announced == public


def _is_airflows(package: str, name: str) -> list[bool]:
    module: ModuleType = importlib.import_module(f"{package}.{name}")
    bases = ("BaseOperator", "BaseSensorOperator", "BaseTrigger", "BaseHook")
    return [
        any(base.__name__ in bases for base in value.__mro__[1:])
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__
    ]


def test_versions_of_package_metadata_and_changelog_are_equal() -> None:
    heading = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert heading is not None
    assert airflow_provider_modelarts.__version__ == version("airflow-provider-modelarts") == heading[1]


@pytest.mark.parametrize("module", modules())
def test_source_file_stays_within_line_budget(module: str) -> None:
    file = importlib.import_module(module).__file__
    assert file is not None

    assert len(Path(file).read_text().splitlines()) <= MAX_LINES


def test_trigger_stays_within_line_budget() -> None:
    package = importlib.import_module("airflow_provider_modelarts.triggers")
    modules = [f"{package.__name__}.{found.name}" for found in pkgutil.iter_modules(package.__path__)]
    classes = {
        value
        for module in modules
        for value in vars(importlib.import_module(module)).values()
        if isinstance(value, type) and issubclass(value, BaseTrigger) and value.__module__ == module
    }

    assert len(classes) >= 3
    assert {cls.__name__ for cls in classes if len(getsourcelines(cls)[0]) > MAX_TRIGGER_LINES} == set()


def test_parsing_dag_imports_nothing_heavy() -> None:
    """In a separate interpreter."""
    kinds = ("operators", "sensors", "links", "exceptions")
    imported = [name for name in modules() if name.split(".")[1:2] and name.split(".")[1] in kinds]
    code = "\n".join(
        [
            "import json, sys",
            "from airflow.sdk import DAG, BaseOperator",
            "before = set(sys.modules)",
            *(f"import {name}" for name in [*imported, "airflow_provider_modelarts.hooks.modelarts"]),
            "print(json.dumps(sorted(set(sys.modules) - before)))",
        ]
    )

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    loaded = json.loads(ran.stdout.splitlines()[-1])
    assert [name for name in loaded if name.startswith(HEAVY)] == []


def test_deferrable_defaults_to_airflow_setting() -> None:
    code = """
from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.operators import notebook as operators
from airflow_provider_modelarts.sensors.image import NotebookImageSensor
from airflow_provider_modelarts.sensors.notebook import NotebookStatusSensor
kinds = [CreateNotebookImageOperator, operators.StartNotebookOperator, operators.StopNotebookOperator]
kinds += [operators.RestoreNotebookOperator, NotebookStatusSensor]
tasks = [kind(task_id='task', notebook_id='n') for kind in kinds]
tasks.append(NotebookImageSensor(task_id='wait', image_id='i'))
print({task.deferrable for task in tasks})
"""
    env = {**os.environ, "AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE": "True"}

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)

    assert ran.stdout.splitlines()[-1] == "{True}"


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The files of the source distribution."""
    from hatchling.builders.sdist import SdistBuilder

    folder = tmp_path_factory.mktemp("sdist")
    (built,) = SdistBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    with tarfile.open(built) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


@pytest.mark.parametrize(
    "path",
    [
        "run.sh",
        ".ci/run",
        "constraints.txt",
        "CONTRIBUTING.md",
        "bench/import_cost.py",
        "hatch_build.py",
        "mkdocs.yml",
        "tests/conftest.py",
    ],
)
def test_sdist_includes_files_of_its_tests(path: str, sdist: set[str]) -> None:
    assert path in sdist


def test_sdist_includes_files_linked_in_repository(sdist: set[str]) -> None:
    pages = [page for page in sdist if page.endswith(".md")]
    links = {
        os.path.normpath(Path(page).parent / link)
        for page in pages
        for link in re.findall(r"\]\(((?!http)[^)#\s]+)", (ROOT / page).read_text())
    }
    folders = {str(parent) for path in sdist for parent in Path(path).parents}

    assert links
    assert links <= sdist | folders


def test_wheel_includes_package_only(tmp_path: Path) -> None:
    from hatchling.builders.wheel import WheelBuilder

    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])

    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names} == {
        "airflow_provider_modelarts",
        f"airflow_provider_modelarts-{airflow_provider_modelarts.__version__}.dist-info",
    }
    assert "airflow_provider_modelarts/py.typed" in names
    assert "airflow_provider_modelarts/simulator/__main__.py" in names
