"""What is prepared in the simulator for a run of an example DAG, and what must be true there afterwards."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_modelarts.simulator import Simulator
from tests.e2e.example_runs import EXAMPLE_DAGS, NAMESPACE, NIGHTLY, count_creates

PACKAGE = "numpy"
"""What is installed in the notebook of a demonstration."""


def dag_ids() -> list[str]:
    """Return the ids of all example DAGs, without importing them."""
    texts = (path.read_text(encoding="utf-8") for path in sorted(EXAMPLE_DAGS.glob("*.py")))
    return [dag_id for text in texts for dag_id in re.findall(r'^ +dag_id="(\w+)"', text, re.MULTILINE)]


@dataclass(frozen=True)
class Demonstration:
    """
    What is special about one example DAG.

    :param prepare: changes the simulator, and returns the params of the run.
    :param check: is called with the simulator and these params after a run that succeeded, and yields what is
        wrong.
    :param defers: whether a task must have been seen deferred.
    :param pools: slots by name of the pools that the DAG needs.
    """

    prepare: Callable[[Simulator], dict[str, Any]] = lambda _: {}
    check: Callable[[Simulator, dict[str, Any]], Iterator[str]] = lambda *_: iter(())
    defers: bool = True
    pools: Mapping[str, int] = field(default_factory=dict)


def demonstration_of(dag_id: str) -> Demonstration:
    """Return what is special about an example DAG; most need nothing."""
    return DEMONSTRATIONS.get(dag_id, Demonstration(defers=False))


def _expect(simulator: Simulator, notebook_id: str, status: str, **expected: object) -> Iterator[str]:
    """
    Yield what a notebook is not, although it should be.

    :param expected: properties of the simulator's view of the notebook, and ``creates``.
    """
    notebook = simulator.notebook(notebook_id)
    creates = expected.pop("creates", 1)
    if (found := count_creates(simulator, notebook_id)) != creates:
        yield f"{found} create-image requests were sent for notebook {notebook_id}, not {creates}."
    for name, value in {"status": status, **expected}.items():
        if (now := getattr(notebook, name)) != value:
            yield f"the {name} of notebook {notebook_id} is {now!r}, not {value!r}."


def _add_used_notebook(simulator: Simulator, lease: float) -> str:
    """Add a running notebook in which something is installed, and return its id."""
    notebook = simulator.notebook(simulator.add_notebook(name="research"))
    notebook.set_lease(seconds=lease)
    notebook.install(PACKAGE)
    return notebook.id


def _running(simulator: Simulator) -> dict[str, Any]:
    return {"notebook_id": _add_used_notebook(simulator, lease=4000)}


def _is_saved_and_stopped(simulator: Simulator, conf: dict[str, Any]) -> Iterator[str]:
    yield from _expect(
        simulator, conf["notebook_id"], "STOPPED", stops=1, starts=0, environment=frozenset({PACKAGE})
    )


def _stopped(simulator: Simulator) -> dict[str, Any]:
    notebook_id = simulator.add_notebook(name="stopped")
    simulator.notebook(notebook_id).stop()
    return {"notebook_id": notebook_id}


def _was_started_saved_and_stopped(simulator: Simulator, conf: dict[str, Any]) -> Iterator[str]:
    yield from _expect(simulator, conf["notebook_id"], "STOPPED", stops=1, starts=1)


def _with_snapshot(simulator: Simulator) -> dict[str, Any]:
    """Add a stopped notebook and its snapshot, which it does not have as its image."""
    given = _stopped(simulator)
    marker = f"[airflow:0123456789abcdef notebook:{given['notebook_id']}]"
    simulator.add_image(name="research", tag=given["notebook_id"], status="ACTIVE", description=marker)
    return given


def _is_restored(simulator: Simulator, conf: dict[str, Any]) -> Iterator[str]:
    notebook_id = conf["notebook_id"]
    (image_id,) = (image["id"] for image in simulator.images if image["tag"] == notebook_id)
    yield from _expect(simulator, notebook_id, "RUNNING", creates=0, starts=1, stops=0, image_id=image_id)


def _one_lease_ends(simulator: Simulator) -> dict[str, Any]:
    """Add two notebooks, of which one stops soon by itself; the DAG finds it without these params."""
    return {
        "ends_soon": _add_used_notebook(simulator, lease=1200),
        "ends_later": _add_used_notebook(simulator, lease=200_000),
    }


def _that_one_is_saved(simulator: Simulator, conf: dict[str, Any]) -> Iterator[str]:
    yield from _expect(simulator, conf["ends_soon"], "RUNNING", stops=0)
    yield from _expect(simulator, conf["ends_later"], "RUNNING", creates=0, stops=0)


def _fleet(simulator: Simulator) -> dict[str, Any]:
    """Add two running notebooks of one name and a stopped one; the DAG finds them without these params."""
    running = [_add_used_notebook(simulator, lease=200_000) for _ in range(2)]
    return {"running": running, **_stopped(simulator)}


def _fleet_is_saved(simulator: Simulator, conf: dict[str, Any]) -> Iterator[str]:
    for notebook_id in conf["running"]:
        yield from _expect(simulator, notebook_id, "RUNNING", stops=0)
    yield from _expect(simulator, conf["notebook_id"], "STOPPED", creates=0, starts=0)


def _first_notebook(simulator: Simulator) -> dict[str, Any]:
    return {"notebook_id": simulator.notebook_id, "namespace": NAMESPACE}


def _is_saved(simulator: Simulator, _: dict[str, Any]) -> Iterator[str]:
    yield from _expect(simulator, simulator.notebook_id, "RUNNING", starts=0, stops=0)


DEMONSTRATIONS = {
    NIGHTLY: Demonstration(check=_is_saved),
    "nightly_fleet": Demonstration(_fleet, _fleet_is_saved, pools={"modelarts_saves": 2}),
    "restore_notebook": Demonstration(_with_snapshot, _is_restored),
    "save_and_stop": Demonstration(_running, _is_saved_and_stopped),
    "save_and_stop_teardown": Demonstration(_stopped, _was_started_saved_and_stopped),
    "save_training_image": Demonstration(check=_is_saved),
    "snapshot_before_auto_stop": Demonstration(_one_lease_ends, _that_one_is_saved),
    "snapshot_on_demand": Demonstration(_first_notebook, _is_saved),
}
