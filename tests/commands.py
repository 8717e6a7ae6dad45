"""Runs commands to their end, and installs Debian's packages with them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

LOG_TAIL_LINES = 80


class CommandError(Exception):
    """A command failed, or what it needs is missing; the message has the remedy or the end of the output."""


def run_command(
    command: Sequence[str],
    *,
    seconds: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | str | None = None,
    **options: Any,
) -> str:
    """
    Run a command and return what it printed, errors included.

    :param seconds: after which it is ended.
    :param options: of :func:`subprocess.run`.
    """
    try:
        done = subprocess.run(
            command,
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
            **options,
        )
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"`{' '.join(command)}` did not end within {seconds:.0f} s.") from error
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-LOG_TAIL_LINES:])
        raise CommandError(f"`{' '.join(command)}` ended with code {done.returncode}:\n{tail}")
    return str(done.stdout)


def install_package(package: str, find: Callable[[], str | None], *, seconds: float) -> str:
    """
    Install a package of Debian and return what it was installed for.

    A server that the package starts is left alone and never used.

    :param find: returns the path that the package brings, or None without it.
    :param seconds: after which each command is ended.
    """
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise CommandError(
            f"{package} is not on this machine, and only root can install it, where apt-get is: "
            f"install Debian's package {package} (or run as root on Debian or Ubuntu)."
        )
    # A lock that another apt-get holds is waited for.
    apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120"]
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run_command([*apt, "update"], seconds=seconds, env=env)
    run_command([*apt, "install", "-y", "--no-install-recommends", package], seconds=seconds, env=env)
    found = find()
    if found is None:
        raise CommandError(f"The package {package} was installed, but brought nothing that is known here.")
    return found
