"""The tables that the matrix prints and records in docs/compatibility.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.matrix.result import Result
from tests.reliability import document

PAGE = Path(__file__).resolve().parents[2] / "docs" / "compatibility.md"


def record_results(results: Sequence[Result]) -> None:
    """Write the tables into the page."""
    document.record("cells", cells_table(results), PAGE)
    document.record("features", features_table(results), PAGE)
    (newest,) = (result for result in results if result.cell.name == "3.3.2-py3.13")
    document.record("added", added_table(newest), PAGE)


def cells_table(results: Sequence[Result]) -> str:
    """Return how each cell went."""
    rows = [
        (
            f"{result.cell.airflow}{', lowest dependencies' if result.cell.lowest else ''}",
            result.python,
            f"{result.counts.collected:,}",
            f"{result.counts.passed:,}",
            f"{result.counts.skipped:,}",
            f"{result.seconds:.0f}",
            "FAILED" if result.problem else "passed",
        )
        for result in results
    ]
    rows.sort(key=lambda row: [int(part) for part in row[0].split(",")[0].replace("b", ".").split(".")])
    return _table(("Airflow", "Python", "collected", "passed", "skipped", "seconds", "result"), rows)


def features_table(results: Iterable[Result]) -> str:
    """Return what each Airflow offers."""
    by_version = {result.cell.airflow: result.features for result in results if not result.cell.lowest}
    versions = sorted(by_version)
    names = by_version[versions[-1]]
    rows = [(name, *("yes" if by_version[v][name] else "no" for v in versions)) for name in names]
    return _table(("what Airflow offers", *versions), rows)


def added_table(result: Result) -> str:
    """Return what ``pip install`` of the wheel added to an Airflow, with megabytes."""
    rows = [(name, version, _megabytes(size)) for name, (version, size) in sorted(result.added.items())]
    total = sum(size for _, size in result.added.values())
    return _table(("distribution", "version", "MB on disk"), [*rows, ("all", "", _megabytes(total))])


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.2f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
