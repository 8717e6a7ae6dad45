"""
Measure the CPU time that importing our modules adds to the parsing of a DAG file.

Each import runs in a fresh interpreter that has already imported ``DAG`` and ``BaseOperator``, as every DAG
file does, and that also measures that import: the ratio of both must not exceed its budget, so that a slow or
busy machine fails no sooner. Each round measures all modules, so that noise affects all of them alike.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

PACKAGE = "airflow_provider_modelarts"
ROOT = Path(__file__).resolve().parent.parent
TARGET = 30.0
"""Target: maximum CPU milliseconds that all that a DAG file may import adds, on an idle machine."""

MOST = 0.02
"""Maximum ratio to the cost of ``airflow.sdk`` in the same interpreter; more is a failure on any machine."""

ALL = "operators, sensors, exceptions and hook"
"""What a DAG file may import, in one figure."""

FLOOR = "from airflow.providers.common.compat.sdk import BaseOperator, BaseSensorOperator"
PEER = "import airflow.providers.standard.sensors.time_delta"
FORBIDDEN = {"aiohttp", "requests"}

CHILD = """
import json, sys, time
began = time.process_time()
from airflow.sdk import DAG, BaseOperator
floor = time.process_time() - began
before = set(sys.modules)
began = time.process_time()
{statement}
took = time.process_time() - began
print(json.dumps({{"floor": floor * 1000, "took": took * 1000, "loaded": sorted(set(sys.modules) - before)}}))
"""


@dataclass
class Measured:
    """The cost of importing one module, for each round."""

    statement: str
    is_judged: bool = False
    took: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    loaded: set[str] = field(default_factory=set)

    @property
    def heavy(self) -> list[str]:
        """The modules that it loads and that parsing a DAG file must not load."""
        triggers = f"{PACKAGE}.triggers."
        return sorted(name for name in self.loaded if name in FORBIDDEN or name.startswith(triggers))

    @property
    def ratio(self) -> float:
        """Its part of the cost of ``airflow.sdk``; the median of all rounds."""
        return median(self.ratios)


def main() -> int:
    """Measure, print a table and return 1 if a module is too slow or loads too much."""
    parser = argparse.ArgumentParser(description=__doc__.strip().split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    cases = {"floor: compat's base classes": Measured(FLOOR), "peer: standard's time_delta": Measured(PEER)}
    cases |= {name: Measured(f"import {PACKAGE}.{name}") for name in modules()}
    every = ", ".join(f"{PACKAGE}.{name}" for name in modules())
    cases[ALL] = Measured(f"import {every}", is_judged=True)
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "AIRFLOW_HOME": home}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # in production the bytecode is there
        for case in cases.values():
            measure(case, environment)  # writes bytecode, so it is not counted
            case.took.clear()
            case.ratios.clear()
        for _ in range(rounds):
            for case in cases.values():
                measure(case, environment)
    return report(cases, rounds)


def modules() -> list[str]:
    """Return the modules that a DAG file imports."""
    found = [
        f"{folder}.{path.stem}"
        for folder in ("operators", "sensors", "links")
        for path in sorted((ROOT / PACKAGE / folder).glob("[!_]*.py"))
    ]
    return [*found, "exceptions", "hooks.modelarts"]


def measure(case: Measured, environment: dict[str, str]) -> None:
    """Import the module once more, in a new interpreter."""
    child = [sys.executable, "-c", CHILD.format(statement=case.statement)]
    done = subprocess.run(child, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    result = json.loads(done.stdout.splitlines()[-1])
    case.took.append(result["took"])
    case.ratios.append(result["took"] / result["floor"])
    case.loaded |= set(result["loaded"])


def report(cases: dict[str, Measured], rounds: int) -> int:
    """Print a table; return 1 if the whole is too slow or a module loads too much."""
    print(f"CPU ms in addition to airflow.sdk, {rounds} rounds; target for all together: {TARGET:g}\n")
    print(f"{'module':40} {'median':>7} {'least':>7} {'of sdk':>7}  loads")
    failed = 0
    for name, case in cases.items():
        middle = median(case.took)
        is_ours = name == ALL or name in modules()
        is_bad = (case.is_judged and case.ratio > MOST) or (is_ours and case.heavy)
        failed += bool(is_bad)
        loads = ", ".join(case.heavy) or "-"
        missed = "  over the target" if case.is_judged and middle > TARGET else ""
        verdict = "  FAILED" if is_bad else missed
        print(f"{name:40} {middle:7.1f} {min(case.took):7.1f} {case.ratio:7.2%}  {loads}{verdict}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
