"""What was measured against what is required."""

from __future__ import annotations

from dataclasses import dataclass

from bench.report.table import markdown


@dataclass(frozen=True)
class Verdict:
    """
    One requirement.

    :param target: what the project wants to reach on a quiet machine with the recorded sizes.
    :param is_met: whether it was reached.
    :param has_failed: whether the benchmark fails; only ratios and counts may be the reason, because times
        depend on the machine.
    """

    measure: str
    target: str
    measured: str
    is_met: bool
    has_failed: bool = False

    @property
    def result(self) -> str:
        """What the table says about it."""
        if self.has_failed:
            return "FAILED"
        return "met" if self.is_met else "missed"


def report(verdicts: list[Verdict]) -> int:
    """Print a table of verdicts; return 1 if one has failed."""
    rows = [[verdict.measure, verdict.target, verdict.measured, verdict.result] for verdict in verdicts]
    print(markdown(["measure", "target", "measured", "result"], rows))
    return int(any(verdict.has_failed for verdict in verdicts))
