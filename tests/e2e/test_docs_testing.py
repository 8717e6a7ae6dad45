"""docs/testing.md, followed step by step in a project of its own, without the settings of these tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.commands import run_command
from tests.pages import ROOT, blocks

pytestmark = pytest.mark.e2e

PAGE = "docs/testing.md"
DAG_OF_USER = ("docs/recipes.md", "save_my_notebook")
SECONDS = 300.0


def test_testing_page_can_be_followed_in_a_new_project(tmp_path: Path) -> None:
    page, dag_id = DAG_OF_USER
    (dag,) = (block.code for block in blocks(page) if block.language == "python" and dag_id in block.code)
    conftest, *tests = (block.code for block in blocks(PAGE) if block.language == "python")
    (commands,) = (b.code for b in blocks(PAGE) if b.language == "bash" and "pytest" in b.code)
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "snapshots.py").write_text(dag.replace(dag_id, "snapshots"))
    (tmp_path / "conftest.py").write_text(conftest)
    for number, code in enumerate(tests):
        (tmp_path / f"test_{number}.py").write_text(code)

    output = run_command(["bash", "-euc", commands], cwd=tmp_path, env=environment(tmp_path), seconds=SECONDS)

    assert f"{len(tests)} passed" in output


def environment(home: Path) -> dict[str, str]:
    """Return this environment without any setting of Airflow, and with the commands of this Python."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    path = os.pathsep.join([str(Path(sys.executable).parent), inherited.get("PATH", os.defpath)])
    return {**inherited, "HOME": str(home), "PATH": path, "PYTHONPATH": str(ROOT)}
