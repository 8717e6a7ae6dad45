"""
The nightly example DAG through ``dag.test()``: what each cell of the matrix runs in its own venv.

``dag.test()`` runs the trigger of the deferred sensor inline, in this process. Only a run proves an
Airflow version: some of them install, migrate and import without a word and then fail in the first task.
A warning that this provider causes, from parsing to resuming, fails the cell.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import pkgutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import airflow_provider_modelarts
from airflow_provider_modelarts.provider_info import connection_fields
from airflow_provider_modelarts.simulator import AfterSeconds, Simulator
from tests.matrix.own_warnings import OwnWarnings

EXAMPLE_DAGS = Path(__file__).resolve().parents[2] / "example_dags"


def main() -> None:
    """Migrate a fresh database, import the whole provider, run the DAG and check what it left behind."""
    with (
        tempfile.TemporaryDirectory(prefix="airflow-matrix-") as home,
        Simulator(save=AfterSeconds(1)) as cloud,
    ):
        configure(Path(home), cloud)
        subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True)
        own_warnings = OwnWarnings()
        own_warnings.watch()
        print(f"imported {import_provider()} modules of the provider")
        print(check_form())
        run_and_check(cloud)
        expect("deprecated things that the provider uses", own_warnings.found, [])


def configure(home: Path, cloud: Simulator) -> None:
    """Set the environment that Airflow reads when it is first imported, which must not have happened yet."""
    os.environ.update(
        {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLE_DAGS),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW_CONN_MODELARTS_DEFAULT": json.dumps(cloud.connection),
            "AIRFLOW_VAR_MODELARTS_NOTEBOOK_ID": cloud.notebook_id,
            "AIRFLOW_VAR_MODELARTS_NAMESPACE": "research",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }
    )


OPTIONAL = ("assets.lineage", "pytest_plugin", "retry_policies", "triggers.image_events")
"""Modules that need an extra, pytest or a later Airflow, and raise ImportError without."""


def import_provider() -> int:
    """Import every module of the provider and return their number."""
    prefix = airflow_provider_modelarts.__name__ + "."
    names = [
        module.name
        for module in pkgutil.walk_packages(airflow_provider_modelarts.__path__, prefix)
        if not module.name.endswith(".__main__")
    ]
    for name in names:
        with contextlib.suppress(*([ImportError] if name.endswith(OPTIONAL) else [])):
            importlib.import_module(name)
    return len(names)


def check_form() -> str:
    """Check the form that this Airflow draws from the hook, and return what was found."""
    if importlib.util.find_spec("flask_appbuilder") is None:
        return "no FAB here: the form is drawn from the provider info"
    from airflow.providers_manager import ProvidersManager
    from wtforms import Form

    manager = ProvidersManager()
    found = [
        (key, widget) for key, widget in manager.connection_form_widgets.items() if "__modelarts__" in key
    ]
    form = type("ConnectionForm", (Form,), {widget.field_name: widget.field for _, widget in found})()
    fields = connection_fields()
    secrets = {name for name, field in fields.items() if field["schema"].get("format") == "password"}
    expect(
        "labels of the form",
        {f.name: str(f.label.text) for f in form},
        {name: field["label"] for name, field in fields.items()},
    )
    expect("fields that hide what is typed", {f.name for f in form if 'type="password"' in str(f())}, secrets)
    expect("hidden fields", manager.field_behaviours["modelarts"]["hidden_fields"], ["schema"])
    return f"the form has {len(found)} fields of ours"


def run_and_check(cloud: Simulator) -> None:
    """Run the DAG once; raise if its state, its XComs or the number of create requests is not right."""
    dag = load_example("nightly_notebook_snapshot").save_notebook.dag
    run = dag.test()

    expect("state of the run", str(run.state), "success")
    creates = [entry for entry in cloud.journal if entry.operation == "CreateImage"]
    expect("create requests", len(creates), 1)
    issued = {image["id"]: image["swr_path"] for image in cloud.images}
    for task_id in ("save_notebook", "wait_until_active"):
        task = run.get_task_instance(task_id)
        image_id = task.xcom_pull(task_ids=task_id, key="image_id")
        swr_path = task.xcom_pull(task_ids=task_id, key="swr_path")
        expect(f"XCom of {task_id}", {image_id: swr_path}, issued)
        print(f"{task_id}: {image_id} {swr_path}")


def load_example(name: str) -> ModuleType:
    """Import one file of ``example_dags/``."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLE_DAGS / f"{name}.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(f"there is no example {name} in {EXAMPLE_DAGS}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def expect(what: str, found: object, wanted: object) -> None:
    """Raise if something is not as it should be."""
    if found != wanted:
        raise SystemExit(f"{what}: expected {wanted!r}, found {found!r}")


if __name__ == "__main__":
    main()
