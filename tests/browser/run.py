"""
The browser tests on each given Airflow: ``bash run.sh browser [version …]``.

Each version has a venv of its own with the wheel of this project; the browser and the tests run in
``.venv``. Chromium is Debian's and is installed if it is missing, which needs root.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.commands import CommandError, install_package, run_command

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ("3.3.2", "2.11.2")
INSTALL_SECONDS = 900.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tests on the given versions, one after the other, and return the exit code."""
    parser = argparse.ArgumentParser(prog="bash run.sh browser", description="Use Airflow's UI in a browser.")
    parser.add_argument("versions", nargs="*", metavar="version", help=f"default: {' '.join(VERSIONS)}")
    parser.add_argument("--record", action="store_true", help="copy the screenshots of the docs")
    # What else is given goes to pytest.
    options, pytest_arguments = parser.parse_known_args(argv)
    results: list[tuple[str, bool, float]] = []
    for version in options.versions or VERSIONS:
        started = time.monotonic()
        try:
            passed = run(version, record=options.record, arguments=pytest_arguments)
        except CommandError as error:
            print(error, file=sys.stderr, flush=True)
            passed = False
        results.append((version, passed, time.monotonic() - started))
    print("\nAirflow | result | seconds\n------- | ------ | -------")
    for version, passed, seconds in results:
        print(f"{version:7} | {'passed' if passed else 'FAILED'} | {seconds:7.1f}")
    return 0 if all(passed for _, passed, _ in results) else 1


def run(version: str, *, record: bool, arguments: Sequence[str]) -> bool:
    """Run the tests on one version, and return whether they passed."""
    chromium = find_chromium() or install_package("chromium", find_chromium, seconds=INSTALL_SECONDS)
    log(version, "installing")
    python = make_venv(version)
    log(version, "running the tests")
    command = [
        *(sys.executable, "-m", "pytest", "tests/browser", "-p", "no:cacheprovider", *arguments),
        *(f"--airflow-version={version}", f"--airflow-python={python}", f"--chromium={chromium}"),
    ]
    return (
        subprocess.run([*command, *(["--record"] if record else [])], cwd=ROOT, check=False).returncode == 0
    )


def find_chromium() -> str | None:
    """Return the path of Chromium, or None."""
    return shutil.which("chromium")


def make_venv(version: str) -> Path:
    """Return the Python of a new venv with an Airflow and the wheel of this project."""
    uv = shutil.which("uv")
    if uv is None:
        raise CommandError("The browser tests need uv: install it, or put it on PATH.")
    venv = ROOT / ".venv-browser" / version
    python = venv / "bin" / "python"
    # Airflow 2 supports no Python after 3.12.
    is_too_new = version.startswith("2.") and sys.version_info >= (3, 13)
    env = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    venv_python = "3.12" if is_too_new else sys.executable
    run_command(
        [uv, "venv", "--quiet", "--clear", "--python", venv_python, str(venv)],
        seconds=INSTALL_SECONDS,
        env=env,
    )
    # Our tests have the pins of Airflow 3.3.2; other versions are resolved as a user's installer would.
    pins = ["-c", "constraints.txt"] if f"apache-airflow=={version}\n" in constraints() else []
    run_command(
        [
            *(uv, "pip", "install", "--quiet", "--python", str(python), *pins),
            *("--reinstall-package", "airflow-provider-modelarts", f"apache-airflow=={version}", str(ROOT)),
        ],
        seconds=INSTALL_SECONDS,
        env=env,
        cwd=ROOT,
    )
    return python


def constraints() -> str:
    """Return the pins of this project."""
    return (ROOT / "constraints.txt").read_text()


def log(version: str, line: str) -> None:
    """Print one line of progress at once."""
    print(f"[Airflow {version}] {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
