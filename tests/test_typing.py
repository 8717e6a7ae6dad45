"""A type checker finds the mistakes in a DAG, and no others, thanks to ``py.typed``."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RIGHT = ROOT / "tests" / "typing" / "right.py"
WRONG = ROOT / "tests" / "typing" / "wrong.py"
IGNORED = re.compile(r"  # type: ignore\[([a-z-]+)\].*")
MISTAKES = {
    number: mistake[1]
    for number, line in enumerate(WRONG.read_text().splitlines(), start=1)
    if (mistake := IGNORED.search(line))
}


@dataclass(frozen=True)
class Checked:
    """What mypy found, by file and line."""

    code: int
    output: str

    def found(self, file: Path) -> dict[int, str]:
        # Not by its folder: the cache reports where a file of this name and content was first checked.
        lines = re.findall(
            rf"^\S*/{re.escape(file.name)}:(\d+): error: .*\[([a-z-]+)\]$", self.output, re.MULTILINE
        )
        return {int(number): code for number, code in lines}


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of mistakes without the comments that silence mypy."""
    file = tmp_path_factory.mktemp("typing") / "mistakes.py"
    file.write_text(IGNORED.sub("", WRONG.read_text()))
    return file


@pytest.fixture(scope="module")
def checked(wrong: Path) -> Checked:
    """Both files, in one run of the mypy beside this interpreter, with the project's cache."""
    if find_spec("mypy") is None:
        pytest.skip("mypy is not installed beside this interpreter: dependency group lint")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-pretty", "--show-absolute-path"]
    mypy = subprocess.run(
        [*command, str(RIGHT), str(wrong)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert mypy.returncode in (0, 1), mypy.stdout + mypy.stderr
    return Checked(mypy.returncode, mypy.stdout)


def test_mypy_accepts_correct_dag(checked: Checked) -> None:
    assert checked.found(RIGHT) == {}
    assert str(RIGHT) not in checked.output


@pytest.mark.parametrize("line", MISTAKES)
def test_mypy_reports_each_mistake(line: int, checked: Checked, wrong: Path) -> None:
    assert checked.found(wrong).get(line) == MISTAKES[line]


def test_mypy_reports_no_other_mistake(checked: Checked, wrong: Path) -> None:
    assert checked.code == 1
    assert checked.found(wrong).keys() == MISTAKES.keys()
