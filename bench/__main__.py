"""
Run the benchmarks, one after the other.

Without arguments all of them run with small sizes, and fail on ratios and counts only. A name runs one of
them; what follows it are its own arguments. --record runs them with the sizes that docs/performance.md shows,
and writes what they print into that page: do that on a machine that has nothing else to do.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from tests.reliability.document import record

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "performance.md"
SMALL: dict[str, tuple[str, ...]] = {
    "call_path": (),
    "import_cost": ("--rounds", "3"),
    "poll": (),
    "prune": (),
    "renewals": (),
    "start": (),
    "waits": (),
}
"""All benchmarks, with the arguments of their small sizes."""
RECORDED: dict[str, tuple[str, ...]] = {
    "import_cost": ("--rounds", "9"),
    "poll": ("--rounds", "9", "--seconds", "5"),
    "prune": ("--images", "10000", "--notebooks", "300", "--deletions", "500"),
    "start": ("--rounds", "3", "--no-together"),
    "waits": (
        *("--waits", "1000", "--interval", "10", "--seconds", "40", "--rounds", "2"),
        *("--many", "5000", "--no-together"),
    ),
}
"""Those that the page shows, with the arguments of its figures."""
DISTRIBUTIONS = (
    *("apache-airflow", "aiohttp", "apache-airflow-providers-databricks"),
    *("apache-airflow-providers-dbt-cloud", "apache-airflow-providers-http"),
)


def run(name: str, arguments: tuple[str, ...]) -> tuple[int, str]:
    """Run a benchmark; return its exit code and what it printed."""
    print(f"--- {name} {' '.join(arguments)}", flush=True)
    began = time.monotonic()
    command = [sys.executable, "-m", f"bench.{name}", *arguments]
    with (
        tempfile.TemporaryDirectory(prefix="modelarts-bench-") as home,
        subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, "AIRFLOW_HOME": home}, stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        assert process.stdout is not None  # noqa: S101 - for mypy
        lines = []
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    verdict = "FAILED" if process.returncode else "passed"
    print(f"--- {name} {verdict} after {time.monotonic() - began:.0f} s\n", flush=True)
    return process.returncode, "".join(lines)


def section(name: str, arguments: tuple[str, ...], printed: str) -> str:
    """Return what the page shows of a benchmark: how to repeat it, and what it printed."""
    tables = printed if "\n| " in printed else f"```text\n{printed.rstrip()}\n```"
    return f"`bash run.sh bench {' '.join((name, *arguments))}`\n\n{tables}"


def machine() -> str:
    """Return what the figures depend on, in one sentence."""
    cores = len(os.sched_getaffinity(0))
    versions = ", ".join(f"{name} {version(name)}" for name in DISTRIBUTIONS)
    today = datetime.now(timezone.utc).date()
    return (
        f"Recorded on {today:%d %B %Y} with {cores} cores of {_processor()}, Linux {platform.release()}, "
        f"Python {platform.python_version()}, {versions}."
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.machine()


def main() -> int:
    """Run what was asked for; return 1 if a benchmark failed."""
    parser = argparse.ArgumentParser(
        prog="bash run.sh bench",
        description=__doc__.strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--record", action="store_true", help="write docs/performance.md")
    parser.add_argument("name", nargs="?", choices=SMALL, help="only this benchmark")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of that benchmark: try --help")
    given = parser.parse_args()
    sizes = RECORDED if given.record else SMALL
    if given.name:
        sizes = {given.name: tuple(given.arguments) or sizes.get(given.name, ())}
    failed = []
    for name, arguments in sizes.items():
        code, printed = run(name, arguments)
        if code:
            failed.append(name)
        if given.record and name in RECORDED and printed:
            record(name, section(name, arguments, printed), PAGE)
    if given.record:
        record("machine", machine(), PAGE)
    print(f"Failed: {', '.join(failed)}." if failed else "All passed.")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
