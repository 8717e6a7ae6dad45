"""
Every operation, every fault, both transports: how a task run ends, and how often an operation took effect.

A task run has up to three tries, each in a process of its own; the later ones check first whether the image
exists. In each scenario one operation decides the outcome, and that operation fails once or permanently.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.simulator import Fault, Simulator
from tests.reliability import document
from tests.reliability.fault_scenarios import (
    AGENCY,
    ANY,
    BRIEF,
    FAILED_AFTER,
    FAULTS,
    LIST_ONCE,
    LOST,
    NAMED,
    PASSWORD,
    READ_ONCE,
    RUNNERS,
    STRANGE,
    TURNED_AWAY,
    UNKNOWN,
    USER,
    Scenario,
    TaskRun,
    class_of_each,
    each,
    failed,
    saved,
)
from tests.reliability.notebook_scenarios import NOTEBOOK_SCENARIOS
from tests.reliability.operator_scenarios import OPERATOR_SCENARIOS
from tests.reliability.registry_scenarios import REGISTRY_SCENARIOS
from tests.transports import BlockingRunner


def _an_earlier_try_died(simulator: Simulator, scenario: Scenario) -> None:
    """Its create took effect, and the process ended before it read the response."""
    request = scenario.request(simulator)
    BlockingRunner().run(simulator, lambda m: m.call(operations.create_image(simulator.notebook_id, request)))


def _a_response_is_lost(simulator: Simulator, _scenario: Scenario) -> None:
    simulator.inject(Fault("reset", "CreateImage"))


def _an_earlier_save_failed(simulator: Simulator, scenario: Scenario) -> None:
    """Its record holds the tag."""
    request = scenario.request(simulator)
    simulator.add_image(**NAMED, tag=request.tag, description=request.description, status="CREATE_FAILED")


CREATE_PERMANENTLY = {
    **class_of_each(),
    # The save was processed: the image is found by its marker.
    **each(((*FAILED_AFTER, *LOST, *STRANGE), saved())),
}
SCENARIOS = [
    *(
        Scenario(
            "CreateImage",
            title=title,
            cloud=cloud,
            named=named,
            # After a refusal with an unknown code of the service, only the next try sends the request again.
            once=each((ANY, saved()), (("unknown code",), saved(2))),
            permanently=CREATE_PERMANENTLY,
        )
        for title, cloud, named in (
            ("Huawei Cloud", "huaweicloud", NAMED),
            ("Open Telekom Cloud", "otc", NAMED),
            ("Open Telekom Cloud without a name", "otc", {}),
        )
    ),
    Scenario(
        "ShowImage",
        once=each((ANY, saved())),
        permanently={
            **each((ANY, failed("WaitTimeoutError", effects=1))),
            "403 without a code": failed("PermissionDeniedError", effects=1),
        },
    ),
    *(
        Scenario(
            "ListImages",
            title=title,
            cloud=cloud,
            named=named,
            before=_an_earlier_try_died,
            is_retry=True,
            once=LIST_ONCE,
            permanently=class_of_each(effects=1),
        )
        for title, cloud, named in (
            ("Huawei Cloud", "huaweicloud", NAMED),
            ("Open Telekom Cloud without a name", "otc", {}),
        )
    ),
    Scenario(
        "ShowNotebook",
        before=_a_response_is_lost,
        once=READ_ONCE,
        # It is read only after an unusable response to create-image; the next try finds the image.
        permanently=each((ANY, saved(2))),
    ),
    Scenario(
        "DeleteImage",
        before=_an_earlier_save_failed,
        once={
            **each((ANY, saved(2))),
            **each(((*TURNED_AWAY, *BRIEF, *STRANGE, "response for another image"), saved())),
        },
        permanently={
            **class_of_each(),
            **each(((*FAILED_AFTER, *LOST), saved(2)), (STRANGE, saved())),
            # The body of a response to a delete is not read; this one comes instead of the deletion.
            "response for another image": failed("ApiError"),
        },
    ),
    Scenario("ListNotebooks", lists_notebooks=True, once=LIST_ONCE, permanently=class_of_each()),
    Scenario("CreateToken", fields={**PASSWORD, "extra": USER}, once=READ_ONCE, permanently=class_of_each()),
    Scenario(
        "CreateTemporaryAccessKey", fields={"extra": AGENCY}, once=READ_ONCE, permanently=class_of_each()
    ),
    Scenario(
        "ListProjects", fields={"extra": {"project_id": None}}, once=READ_ONCE, permanently=class_of_each()
    ),
    Scenario(
        "ShowSecurityKey",
        options={"metadata": "plain"},
        once=READ_ONCE,
        # The metadata service returns 404 if the host has no agency.
        permanently={**class_of_each(), "404 with HTML": failed("AuthenticationError")},
    ),
    Scenario(
        "CreateMetadataToken",
        options={"metadata": "token"},
        # Some hosts have no such tokens, so a refusal is ignored; this host needs a token.
        once={**READ_ONCE, **each((BRIEF, saved(2)))},
        # A token is any text that a header can contain, so that a wrong one is noticed only where it is used.
        permanently={
            **class_of_each(),
            **each(((*UNKNOWN, *BRIEF, "invalid JSON"), failed("AuthenticationError"))),
        },
    ),
    *OPERATOR_SCENARIOS,
    *NOTEBOOK_SCENARIOS,
    *REGISTRY_SCENARIOS,
]


@dataclass(frozen=True)
class Case:
    """One fault of one operation through one transport."""

    scenario: Scenario
    fault: str
    lasting: bool
    runner: str

    def __str__(self) -> str:
        return f"{self.scenario}-{self.fault}-{'permanently' if self.lasting else 'once'}-{self.runner}"

    @property
    def expected(self) -> TaskRun:
        return (self.scenario.permanently if self.lasting else self.scenario.once)[self.fault]

    def play(self) -> TaskRun:
        return self.scenario.play(self.fault, lasting=self.lasting, runner=RUNNERS[self.runner]())


def cases() -> Iterator[Case]:
    """Return all cases; a permanent timeout takes real time, so two operations stand for all."""
    for scenario in SCENARIOS:
        for fault in FAULTS:
            for lasting in (False, True):
                if not (lasting and fault == "timeout") or scenario.operation in {
                    "CreateImage",
                    "ShowImage",
                }:
                    for runner in RUNNERS:
                        yield Case(scenario, fault, lasting, runner)


def play_numbered(number: int) -> TaskRun:
    """Play one of :func:`cases` by its place among them."""
    return next(islice(cases(), number, None)).play()


def page(outcomes: dict[Case, TaskRun]) -> str:
    """Return the page's section for these outcomes."""
    runs = len(outcomes)
    successes = sum(outcome.is_success for outcome in outcomes.values())
    most = max(outcome.effects for outcome in outcomes.values())
    summary = (
        f"{runs} cases: {len(SCENARIOS)} scenarios, {len(FAULTS)} faults, each once and permanently (a "
        "permanent timeout only for create-image and ShowImage), through both transports with the same "
        f"outcome. In {successes} cases the image was saved, or the notebook or tag changed; the others "
        "ended with an error that names the cause. Requests of each save, start, stop, renewal, update, "
        f"registration, deletion and tag that took effect, per run: {most} at most, and exactly 1 where the "
        "run succeeded."
    )
    lines = [summary]
    for lasting, title in ((False, "Once"), (True, "Permanently")):
        lines += ["", f"**{title}**", "", "| operation | fault | outcome |", "| --- | --- | --- |"]
        alike: dict[tuple[tuple[str, str], ...], list[str]] = {}
        for scenario in SCENARIOS:
            by_outcome: dict[str, list[str]] = {}
            for case, outcome in outcomes.items():
                if case.scenario is scenario and case.lasting is lasting and case.runner == "worker":
                    by_outcome.setdefault(str(outcome), []).append(case.fault)
            rows = tuple(
                ("all" if len(by_outcome) == 1 else ", ".join(faults), end)
                for end, faults in by_outcome.items()
            )
            alike.setdefault(rows, []).append(str(scenario))
        lines += [
            f"| {'; '.join(scenarios)} | {faults} | {end} |"
            for rows, scenarios in alike.items()
            for faults, end in rows
        ]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="run.sh reliability fault-matrix", description=__doc__)
    parser.add_argument("--record", action="store_true", help="write the table into docs/reliability.md")
    given = parser.parse_args(arguments)
    logging.getLogger("airflow_provider_modelarts").setLevel(logging.ERROR)
    outcomes = {}
    wrong = 0
    every = list(cases())
    # Cases contain functions, which cannot be sent to another process; their numbers can.
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), get_context("fork")) as processes:
        played = processes.map(play_numbered, range(len(every)), chunksize=10)
        for case, outcome in zip(every, played, strict=True):
            outcomes[case] = outcome
            if outcome != case.expected:
                wrong += 1
                print(f"WRONG  {case}: {outcome!r}, expected {case.expected!r}")
            if len(outcomes) % 100 == 0:
                print(f"{len(outcomes)} cases, {wrong} wrong", flush=True)
    print(page(outcomes))
    print(f"\n{len(outcomes)} cases, {wrong} wrong")
    if given.record and not wrong:
        document.record("fault-matrix", page(outcomes))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
