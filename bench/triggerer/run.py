"""
One measurement in a real triggerer: its supervisor in this process, its runner in a process that it forks.

Only what needs Airflow's database is replaced: the triggers come from a list, and their events are counted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections import Counter, deque
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import psutil
import structlog
from airflow.executors.workloads.task import TaskInstanceDTO
from airflow.executors.workloads.trigger import RunTrigger
from airflow.jobs.triggerer_job_runner import (
    TriggererJobRunner,  # noqa: F401 - what the command `airflow triggerer` imports
    TriggerLoggingFactory,
    TriggerRunner,
    TriggerRunnerSupervisor,
)
from airflow.models.trigger import Trigger

from bench.triggerer.cases import CASES, CONN_ID, Address, Setting
from bench.triggerer.service import control
from bench.triggerer.stalls import StallWatch

TIMEOUT = 120.0
"""Seconds after which a phase is given up."""
NIL = UUID(int=0)


class Events(deque[Any]):
    """The runner's events, with the time of each."""

    def __init__(self) -> None:
        super().__init__()
        self.times: dict[int, float] = {}

    def append(self, entry: Any) -> None:
        """Add an event."""
        self.times[entry.trigger_id] = time.time()
        super().append(entry)


class Runner(TriggerRunner):
    """The real runner, which notes the times of its events and its stalls."""

    report: Path

    async def arun(self) -> None:
        """Run until the supervisor ends it."""
        watch = StallWatch()
        self.events = events = Events()
        try:
            with watch.watching(asyncio.get_running_loop()):
                await super().arun()  # type: ignore[no-untyped-call,unused-ignore]
        finally:
            stalls = [{**asdict(stall), "ours": stall.ours} for stall in watch.stalls]
            self.report.write_text(json.dumps({"events": events.times, "stalls": stalls}), encoding="utf-8")


class Supervisor(TriggerRunnerSupervisor):
    """The real supervisor without Airflow's database."""

    # There is one supervisor in a process, and Airflow's class method makes it.
    messages: ClassVar[Counter[str]] = Counter()
    fired: ClassVar[dict[int, Any]] = {}
    expects_events: ClassVar = False

    @classmethod
    def run_in_process(cls) -> None:
        """Run the runner, in the forked process."""
        Runner().run()  # type: ignore[no-untyped-call,unused-ignore]

    def load_triggers(self) -> None:
        """Do nothing: the triggers are handed over once."""

    def heartbeat(self) -> None:
        """Do nothing: there is no job."""

    def clean_unused(self) -> None:
        """Do nothing: there is no database."""

    def metric_tags(self) -> dict[str, str]:
        """Return the tags of Airflow's metrics."""
        return {"hostname": "bench"}

    def on_trigger_event(self, trigger_id: int, event: Any) -> None:
        """Note an event."""
        self.fired[trigger_id] = event.payload
        if not self.expects_events:
            raise RuntimeError(f"trigger {trigger_id} fired before its image was ACTIVE: {event.payload}")

    def on_trigger_failure(self, trigger_id: int, exc: list[str] | None) -> None:
        """Give up: something else would be measured."""
        raise RuntimeError(f"trigger {trigger_id} failed: {''.join(exc or [])}")

    def _handle_request(self, msg: Any, log: Any, req_id: int) -> None:
        self.messages[type(msg).__name__] += 1
        super()._handle_request(msg, log, req_id)

    def run_for(self, seconds: float) -> None:
        """Do a supervisor's work for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._check()
            self.run_once()

    def run_until(self, condition: Any) -> None:
        """Do a supervisor's work until something has happened."""
        give_up = time.monotonic() + TIMEOUT
        while not condition():
            self._check()
            self.run_once()
            if time.monotonic() > give_up:
                raise RuntimeError(f"nothing in {TIMEOUT:.0f} s: something else was measured")

    def _check(self) -> None:
        if not self.is_alive():
            raise RuntimeError("the runner has died")


class Meter:
    """The CPU time and the memory of the runner, and the CPU time of this process."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        # Linux' id of the clock of another process' CPU time: nanoseconds, with all of its threads.
        self._clock = (~pid << 3) | 2

    def read(self) -> dict[str, float]:
        """Return the seconds so far."""
        return {
            "at": time.time(),
            "runner": time.clock_gettime(self._clock),
            "supervisor": time.process_time(),
        }

    def memory(self) -> int:
        """Return the bytes that only the runner has."""
        return int(self._process.memory_full_info().uss)


def workloads(setting: Setting, address: Address, supervisor: Supervisor) -> list[RunTrigger]:
    """Return the triggers as the supervisor hands them over, each with a log of its own."""
    case = CASES[setting.case]
    found = []
    for number in range(setting.waits):
        ti = TaskInstanceDTO(
            id=UUID(int=number + 1),
            dag_version_id=NIL,
            task_id=f"wait_{number}",
            dag_id="bench",
            run_id="manual",
            try_number=1,
            pool_slots=1,
            priority_weight=1,
            queue="default",
        )
        supervisor.logger_cache[number + 1] = TriggerLoggingFactory(
            log_path=f"bench/{ti.task_id}.log",
            ti=ti,  # type: ignore[arg-type,unused-ignore] # as Airflow itself does
        )
        kwargs = Trigger.encrypt_kwargs(case.arguments(number, setting.interval, address))
        found.append(RunTrigger(id=number + 1, ti=ti, classpath=case.classpath, encrypted_kwargs=kwargs))
    return found


def measure(setting: Setting, address: Address) -> dict[str, Any]:
    """Start a triggerer, measure, and end it."""
    case, port = CASES[setting.case], address.port
    supervisor = Supervisor.start(capacity=setting.waits, logger=structlog.get_logger())
    try:
        # After the fork: the runner has to ask its supervisor for it, as for a connection in the database.
        connection = case.connection(address) or {"conn_type": "generic"}
        os.environ[f"AIRFLOW_CONN_{CONN_ID.upper()}"] = json.dumps(connection)
        # The first lookup loads Airflow's API, which takes seconds. A triggerer that runs has done that.
        supervisor.client.connections.get(CONN_ID)
        supervisor.run_until(lambda: supervisor.messages["TriggerStateChanges"] >= 3)
        meter = Meter(supervisor.pid)
        found = workloads(setting, address, supervisor)
        supervisor.messages.clear()
        memory = meter.memory()
        readings = [meter.read()]
        supervisor.creating_triggers.extend(found)
        supervisor.run_for(setting.settle)

        def is_settled() -> bool:
            polls = setting.case != "idle"
            return len(supervisor.running_triggers) == setting.waits and (
                not polls or control(port, "counters")["answered"] == setting.waits
            )

        supervisor.run_until(is_settled)
        readings.append(meter.read())
        lookups = supervisor.messages["GetConnection"]
        start = control(port, "counters")
        control(port, "reset")
        readings.append(meter.read())
        supervisor.run_for(setting.seconds)
        readings.append(meter.read())
        window = control(port, "counters")
        result = {
            "readings": readings,
            "memory": meter.memory() - memory,
            "lookups": lookups,
            "start": start,
            "window": window,
            "active_at": detect(supervisor, setting, port) if setting.detect else [],
            "ended_at": time.time(),
        }
    finally:
        supervisor.kill(escalation_delay=30, force=True)
    return {**result, **json.loads(Runner.report.read_text(encoding="utf-8"))}


def detect(supervisor: Supervisor, setting: Setting, port: int) -> list[float]:
    """Let the images become ACTIVE, and wait until all triggers have noticed."""
    Supervisor.expects_events = True
    active_at: list[float] = control(port, f"activate?over={setting.interval}")
    supervisor.run_until(lambda: len(supervisor.fired) == setting.waits)
    return active_at


def main() -> None:
    """Write the result into a file."""
    parser = argparse.ArgumentParser(description=__doc__.strip().split("\n", maxsplit=1)[0])
    parser.add_argument("--setting", required=True, help="JSON")
    parser.add_argument("--address", required=True, help="JSON")
    parser.add_argument("--folder", type=Path, required=True, help="for the result and what it needs")
    given = parser.parse_args()
    Runner.report = given.folder / "runner.json"
    result = measure(Setting(**json.loads(given.setting)), Address(**json.loads(given.address)))
    (given.folder / "result.json").write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
