"""Finds the Pythons of the matrix: on PATH, in pyenv; otherwise uv has to install them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path


class NoPythonError(Exception):
    """
    There is no such Python, and uv could not install one.

    :param cause: what uv printed.
    """

    def __init__(self, version: str, cause: str) -> None:
        super().__init__(
            f"There is no Python {version}: not on PATH, not in pyenv, and uv cannot install it. Install it, "
            f"for example with `uv python install {version}` or `pyenv install {version}`.\n{cause}"
        )


def find_python(version: str) -> str | None:
    """Return the path of a Python of a minor version such as ``3.12``, None if there is none yet."""
    return next((found for candidate in _candidates(version) if (found := _path(candidate, version))), None)


def _candidates(version: str) -> Iterator[str]:
    yield sys.executable
    # The shims of version managers exist without an installed version.
    yield f"python{version}"
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from map(str, sorted(root.glob(f"versions/{version}.*/bin/python"), reverse=True))


def _path(candidate: str, version: str) -> str | None:
    code = "import sys; print('%d.%d' % sys.version_info[:2], sys._base_executable)"
    try:
        done = subprocess.run(
            [candidate, "-c", code], capture_output=True, text=True, timeout=60, check=False
        )
    except OSError:
        return None
    found, _, path = done.stdout.strip().partition(" ")
    return path if done.returncode == 0 and found == version else None
