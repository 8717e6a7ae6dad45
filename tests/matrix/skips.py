"""
A plugin for pytest: skips what skips.txt lists for this cell of the matrix, and nothing else.

It is loaded before conftest.py configures Airflow, so it must not import Airflow.
"""

from __future__ import annotations

import importlib.util
import json
import platform
import re
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

LIST = Path(__file__).with_name("skips.txt")
REPORT = "MATRIX "
EVERYWHERE = "everywhere"


@dataclass(frozen=True)
class Skip:
    """
    An entry of the list.

    :param test: a file, or node ids, with ``*`` for any text.
    :param where: conditions such as ``airflow<3.3,python<3.11``, or ``everywhere``.
    """

    test: str
    where: str
    reason: str

    def covers(self, node_id: str) -> bool:
        """Whether a test, or a file of tests, is meant."""
        pattern = re.escape(self.test).replace(r"\*", ".*")
        return re.fullmatch(pattern, node_id, flags=re.DOTALL) is not None

    def applies(self, airflow: str, python: str) -> bool:
        """Whether an Airflow and a Python are meant."""
        if self.where == EVERYWHERE:
            return True
        versions = {"airflow": airflow, "python": python}
        for condition in self.where.split(","):
            found = re.fullmatch(r"(airflow|python)([<>=!]=?[\d.]+)", condition)
            if found is None:
                raise ValueError(f"{LIST.name}: {condition!r} is not a condition on airflow or python")
            if not SpecifierSet(found[2]).contains(versions[found[1]], prereleases=True):
                return False
        return True


def listed() -> list[Skip]:
    """Return the entries of the list."""
    lines = LIST.read_text(encoding="utf-8").splitlines()
    return [Skip(*line.split(" | ")) for line in lines if line and not line.startswith("#")]


class SkipPlugin:
    """Skips, counts and reports; the run fails for an entry that is not needed or missing."""

    def __init__(self, skips: list[Skip]) -> None:
        self._unused = list(skips)
        self._skips = skips
        self._counts = dict.fromkeys(("collected", "passed", "failed", "skipped"), 0)
        self._unlisted: list[str] = []

    def _find(self, node_id: str) -> Skip | None:
        found = next((skip for skip in self._skips if skip.covers(node_id)), None)
        self._unused = [skip for skip in self._unused if not skip.covers(node_id)]
        return found

    def pytest_pycollect_makemodule(
        self, module_path: Path, parent: pytest.Collector
    ) -> pytest.Module | None:
        """Skip a whole file without importing it."""
        skip = self._find(module_path.relative_to(parent.config.rootpath).as_posix())
        if skip is None:
            return None
        module: _SkippedModule = _SkippedModule.from_parent(parent, path=module_path)
        module.reason = skip.reason
        return module

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Skip single tests."""
        self._counts["collected"] += len(items)
        for item in items:
            if skip := self._find(item.nodeid):
                item.add_marker(pytest.mark.skip(reason=skip.reason))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Count the files that are skipped or cannot be imported."""
        if report.skipped:
            self._counts["collected"] += 1
            self._count_skip(report.nodeid)
        self._counts["failed"] += report.failed

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the tests."""
        if report.skipped:
            self._count_skip(report.nodeid)
        elif report.failed:
            self._counts["failed"] += 1
        elif report.when == "call":
            self._counts["passed"] += 1

    def _count_skip(self, node_id: str) -> None:
        self._counts["skipped"] += 1
        if self._find(node_id) is None:
            self._unlisted.append(node_id)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail for a skip that no entry covers, and for an entry that no test needs."""
        for node_id in self._unlisted:
            print(f"\n{node_id} was skipped, and no entry of {LIST.name} covers it")
        for skip in self._unused:
            print(f"\n{LIST.name}: no test is {skip.test!r}")
        if self._unlisted or self._unused:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        print(f"\n{REPORT}{json.dumps(self._counts)}")


class _SkippedModule(pytest.Module):
    reason = ""

    def collect(self) -> list[pytest.Item | pytest.Collector]:
        pytest.skip(self.reason, allow_module_level=True)


def pytest_configure(config: pytest.Config) -> None:
    """Start, in a cell of the matrix: where the package is the installed wheel."""
    package = importlib.util.find_spec("airflow_provider_modelarts")
    if package is None or not Path(str(package.origin)).is_relative_to(sys.prefix):
        raise pytest.UsageError("the tests would not run against the wheel that is installed here")
    versions = version("apache-airflow"), platform.python_version()
    here = [skip for skip in listed() if skip.applies(*versions)]
    config.pluginmanager.register(SkipPlugin(here), "matrix-skips")
