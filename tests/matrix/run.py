"""
The compatibility matrix: ``bash run.sh matrix [CELL or Airflow version …]``.

The wheel is built once, or given. Each cell installs it into a new environment whose dependencies are
resolved as a user's installer resolves them, and runs unit tests, the nightly DAG and clears from a copy of
the tests, with no package beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email import message_from_bytes
from pathlib import Path
from zipfile import ZipFile

from packaging.requirements import Requirement

from tests.commands import CommandError, run_command
from tests.matrix import page
from tests.matrix.cells import ADDED_TO_3_3_2, CELLS, Cell
from tests.matrix.pythons import NoPythonError, find_python
from tests.matrix.result import Added, CellError, Counts, Result

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ROOT / ".venv-matrix"
COPIED = ("docs", "example_dags", "tests")
TOOLS = ("hypothesis>=6.120", "pytest>=9.0")
# What depends on no other package, or on this repository, or takes too long for each cell, stays out. Of the
# tests in Airflow, those of each mode are run.
ROOT_TESTS = ("test_arguments.py", "test_exceptions.py", "test_templates.py")
OUT = ("simulator",)
MODES = "integration/test_modes.py::test_{}_returns_same_result_in_every_mode"
IN_AIRFLOW = (
    MODES.format("operator_that_waits"),
    MODES.format("sensor"),
    "integration/test_example_dags_of_notebooks.py",
    "integration/test_example_nightly_fleet.py",
    "integration/test_listed_notebooks.py",
)
SCENARIOS = {"the nightly DAG": "nightly", "clears": "clearing"}
STEP_SECONDS = 1200.0
HANGING_SECONDS = 300


@dataclass(frozen=True)
class Run:
    """
    What all cells share.

    :param keep: leave the environments.
    """

    uv: str
    wheel: Path
    keep: bool = False
    env: dict[str, str] = field(default_factory=dict)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the selected cells and return the exit code."""
    options = parse(argv)
    uv = shutil.which("uv")
    if uv is None:
        print("The matrix needs uv: install it, or put it on PATH.", file=sys.stderr)
        return 1
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="matrix-wheel-") as folder:
        try:
            wheel = options.wheel or build_wheel(uv, Path(folder))
        except CommandError as error:
            print(error, file=sys.stderr)
            return 1
        print(f"{'given' if options.wheel else 'built'} {wheel.name}", flush=True)
        run = Run(uv, wheel, options.keep, clean_environment())
        with ThreadPoolExecutor(options.jobs) as pool:
            results = list(pool.map(lambda cell: run_cell(cell, run), options.cells))
    if not options.keep:
        shutil.rmtree(ENVIRONMENTS, ignore_errors=True)

    print(f"\n{page.cells_table(results)}")
    failed = sum(bool(result.problem) for result in results)
    print(f"\nThe matrix took {time.monotonic() - started:.0f} s.")
    if options.record and not failed:
        page.record_results(results)
        print(f"Recorded in {page.PAGE.relative_to(ROOT)}.")
    print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options, with the selected cells."""
    parser = argparse.ArgumentParser(
        prog="bash run.sh matrix", description="Test the wheel on each supported Airflow."
    )
    names = ", ".join(cell.name for cell in CELLS)
    parser.add_argument("wanted", nargs="*", metavar="CELL", help=f"cells or Airflow versions: {names}")
    parser.add_argument("--wheel", type=Path, metavar="PATH", help="test this wheel (default: build one)")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="cells at a time (default: 2)")
    parser.add_argument("--keep", action="store_true", help=f"leave the environments in {ENVIRONMENTS.name}")
    parser.add_argument("--record", action="store_true", help="write the tables of docs/compatibility.md")
    options = parser.parse_args(argv)
    if options.wheel and not (options.wheel.suffix == ".whl" and options.wheel.is_file()):
        parser.error(f"{options.wheel} is no wheel")
    known = {cell.name for cell in CELLS} | {cell.airflow for cell in CELLS}
    if unknown := [name for name in options.wanted if name not in known]:
        parser.error(f"there is no cell {', '.join(unknown)}; there are {names}")
    wanted = {*options.wanted}
    options.cells = [cell for cell in CELLS if not wanted or {cell.name, cell.airflow} & wanted]
    if options.record and len(options.cells) < len(CELLS):
        parser.error("only a run of all cells can be recorded")
    return options


def build_wheel(uv: str, folder: Path) -> Path:
    """Build the wheel from this checkout."""
    step([uv, "build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT)], clean_environment())
    (wheel,) = folder.glob("*.whl")
    return wheel


def run_cell(cell: Cell, run: Run) -> Result:
    """Make the environment of a cell, install the wheel, and run the tests and the scenarios there."""
    result = Result(cell)
    started = time.monotonic()
    folder = ENVIRONMENTS / cell.name
    shutil.rmtree(folder, ignore_errors=True)
    try:
        log(cell, f"installing Airflow {cell.airflow}")
        python = make_venv(cell, run, folder / "venv")
        code = "import platform; print(platform.python_version())"
        result.python = step([python, "-c", code], run.env).strip()
        result.added = install(cell, run, python)
        copy = folder / "cell"
        copy_tests(copy)
        # Each scenario has an Airflow of its own; so have the tests.
        env = run.env | {"HOME": str(copy), "AIRFLOW_HOME": str(copy / "airflow")}
        log(cell, "running the unit tests")
        result.counts = run_tests(python, copy, env)
        for title, module in SCENARIOS.items():
            log(cell, f"running {title}")
            step([python, "-m", f"tests.matrix.{module}"], env, cwd=copy)
        result.features = json.loads(last_line(step([python, "-m", "tests.matrix.features"], env, cwd=copy)))
    except (CommandError, NoPythonError) as error:
        result.problem = str(error)
        log(cell, result.problem)
    finally:
        if not run.keep:
            shutil.rmtree(folder, ignore_errors=True)
    result.seconds = time.monotonic() - started
    log(cell, f"{'FAILED' if result.problem else 'passed'} after {result.seconds:.0f} s: {result.counts}")
    return result


def make_venv(cell: Cell, run: Run, venv: Path) -> str:
    """Make the environment and return its Python."""
    found = find_python(cell.python)
    command = [run.uv, "venv", "--quiet", "--clear", "--python", found or cell.python, str(venv)]
    try:
        step(command, run.env)
    except CommandError as error:
        if found:
            raise
        raise NoPythonError(cell.python, str(error)) from error
    return str(venv / "bin" / "python")


def install(cell: Cell, run: Run, python: str) -> Added:
    """
    Install Airflow, then the wheel as a user does, then the tools of the tests; return what the wheel added.

    :raises CellError: The wheel changes what Airflow has installed.
    """
    uv_install = [run.uv, "pip", "install", "--quiet", "--python", python]
    if cell.lowest:
        step([*uv_install, str(run.wheel), *lowest_versions(run.wheel)], run.env)
        step([*uv_install, *TOOLS, *lowest_versions(run.wheel)], run.env)
        return {}
    step([*uv_install, "pip", f"apache-airflow=={cell.airflow}", *cell.pins], run.env)
    before = installed(run, python)
    step([python, "-m", "pip", "install", "--quiet", str(run.wheel)], run.env)
    after = installed(run, python)
    step([*uv_install, *TOOLS], run.env)
    changed = [name for name, (version, _) in before.items() if after.get(name, ("gone", 0))[0] != version]
    added = {name: found for name, found in after.items() if name not in before}
    if changed:
        raise CellError(f"pip install of the wheel changed {', '.join(changed)}")
    if cell.airflow == "3.3.2" and sorted(added) != sorted(ADDED_TO_3_3_2):
        # Python 3.10 needs some more for aiohttp.
        extra = set(added) - {*ADDED_TO_3_3_2, "async-timeout"}
        if extra or not set(ADDED_TO_3_3_2) <= set(added):
            raise CellError(f"pip install of the wheel added {', '.join(sorted(added))}")
    return added


def installed(run: Run, python: str) -> Added:
    """Return version and size of each installed distribution."""
    script = Path(__file__).with_name("distributions.py")
    found = json.loads(last_line(step([python, str(script)], run.env)))
    return {name: (version, size) for name, (version, size) in found.items()}


def lowest_versions(wheel: Path) -> list[str]:
    """Return the direct dependencies of a wheel, each pinned to its declared lower bound."""
    with ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = message_from_bytes(archive.read(name))
    pins = []
    for text in metadata.get_all("Requires-Dist", []):
        requirement = Requirement(text)
        if requirement.marker is None or "extra" not in str(requirement.marker):
            (lowest,) = (s.version for s in requirement.specifier if s.operator == ">=")
            pins.append(f"{requirement.name}=={lowest}")
    return pins


def copy_tests(folder: Path) -> None:
    """Copy what the tests read, but not the package."""
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(Path(__file__).with_name("cell.ini"), folder / "pytest.ini")


def run_tests(python: str, folder: Path, env: dict[str, str]) -> Counts:
    """Run the unit tests and return how many there were."""
    tests = folder / "tests"
    package = {path.name for path in (ROOT / "airflow_provider_modelarts").iterdir() if path.is_dir()}
    units = sorted(path.name for path in tests.iterdir() if path.name in package and path.name not in OUT)
    selected = [f"tests/{name}" for name in (*units, *ROOT_TESTS, *IN_AIRFLOW)]
    # A test that hangs shows where, and the run ends.
    options = ("-q", "-rfE", "--tb=short", "-o", f"faulthandler_timeout={HANGING_SECONDS}")
    printed = step([python, "-m", "pytest", *options, *selected], env, cwd=folder)
    report = next(line for line in printed.splitlines() if line.startswith("MATRIX "))
    return Counts(**json.loads(report.removeprefix("MATRIX ")))


def clean_environment() -> dict[str, str]:
    """Return this process's environment without settings of another Python or Airflow."""
    # Not PYTHONDONTWRITEBYTECODE: a new environment is imported by several processes in a row.
    dropped = {"PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV"}
    kept = {n: v for n, v in os.environ.items() if n not in dropped and not n.startswith("AIRFLOW")}
    # Where Airflow's home is another, the cache of uv is still the one of all cells.
    cache = os.environ.get("UV_CACHE_DIR") or str(
        Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "uv"
    )
    return {**kept, "UV_CACHE_DIR": cache, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


def step(command: Sequence[str], env: dict[str, str], cwd: Path | None = None) -> str:
    """Run one command of a cell and return what it printed."""
    return run_command(command, seconds=STEP_SECONDS, env=env, cwd=cwd)


def last_line(printed: str) -> str:
    """Return the last line of JSON; Airflow may print around it."""
    return [line for line in printed.splitlines() if line.startswith("{")][-1]


def log(cell: Cell, line: str) -> None:
    """Print one line of progress at once."""
    print(f"[{cell.name}] {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
