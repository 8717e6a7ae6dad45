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

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ("3.3.2", "2.11.2")
INSTALL_SECONDS = 900.0


class SetUpError(Exception):
    """Something that the browser tests need cannot be installed; the message includes its output."""


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
        except SetUpError as error:
            print(error, file=sys.stderr, flush=True)
            passed = False
        results.append((version, passed, time.monotonic() - started))
    print("\nAirflow | result | seconds\n------- | ------ | -------")
    for version, passed, seconds in results:
        print(f"{version:7} | {'passed' if passed else 'FAILED'} | {seconds:7.1f}")
    return 0 if all(passed for _, passed, _ in results) else 1


def run(version: str, *, record: bool, arguments: Sequence[str]) -> bool:
    """Run the tests on one version, and return whether they passed."""
    chromium = find_chromium()
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


def find_chromium() -> str:
    """Return the path of Chromium, installed if it is missing."""
    found = shutil.which("chromium")
    if found is None:
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise SetUpError(
                "chromium is missing: install Debian's package chromium, or run as root on Debian."
            )
        # A lock that another apt-get holds is waited for.
        apt = ("apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120")
        step([*apt, "update"])
        step([*apt, "install", "-y", "--no-install-recommends", "chromium"])
        found = shutil.which("chromium")
    if found is None:
        raise SetUpError("Debian's package chromium was installed, but there is no chromium on PATH.")
    return found


def make_venv(version: str) -> Path:
    """Return the Python of a new venv with an Airflow and the wheel of this project."""
    uv = shutil.which("uv")
    if uv is None:
        raise SetUpError("The browser tests need uv: install it, or put it on PATH.")
    venv = ROOT / ".venv-browser" / version
    python = venv / "bin" / "python"
    # Airflow 2 supports no Python after 3.12.
    is_too_new = version.startswith("2.") and sys.version_info >= (3, 13)
    step([uv, "venv", "--quiet", "--clear", "--python", "3.12" if is_too_new else sys.executable, str(venv)])
    # Our tests have the pins of Airflow 3.3.2; other versions are resolved as a user's installer would.
    pins = ["-c", "constraints.txt"] if f"apache-airflow=={version}\n" in constraints() else []
    step(
        [
            *(uv, "pip", "install", "--quiet", "--python", str(python), *pins),
            *("--reinstall-package", "airflow-provider-modelarts", f"apache-airflow=={version}", str(ROOT)),
        ]
    )
    return python


def constraints() -> str:
    """Return the pins of this project."""
    return (ROOT / "constraints.txt").read_text()


def step(command: Sequence[str]) -> None:
    """Run one command of the set-up."""
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    env.pop("VIRTUAL_ENV", None)
    try:
        done = subprocess.run(
            command,
            env=env,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SetUpError(f"{' '.join(command)} did not end within {INSTALL_SECONDS:.0f} s.") from error
    if done.returncode != 0:
        raise SetUpError(f"{' '.join(command)} ended with code {done.returncode}.\n{done.stdout[-4000:]}")


def log(version: str, line: str) -> None:
    """Print one line of progress at once."""
    print(f"[Airflow {version}] {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
