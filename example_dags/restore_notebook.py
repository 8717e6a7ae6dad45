"""
Restore a notebook from one of its snapshots: choose *Trigger* in the UI and fill in the form.

The notebook gets the image and is started with the lease that it had. Without an image, the newest ACTIVE
snapshot of the notebook is restored. Files in ``/home/ma-user/work`` stay as they are. A notebook that runs
another image is stopped first, but only if what is installed in it is saved; otherwise the run fails, and
nothing is changed. It needs no Variables, only the connection ``modelarts_default``.
"""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_modelarts.operators.notebook import RestoreNotebookOperator

UUID = "[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
DURATION = r"(?=\d)(\d+d)?(\d+h)?(\d+min)?"

with DAG(
    dag_id="restore_notebook",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    max_active_runs=1,
    params={
        "notebook_id": Param(
            type="string",
            title="Notebook",
            description="ID of the notebook, as in the address of its JupyterLab.",
            pattern=f"^{UUID}$",
        ),
        "image_id": Param(
            None,
            type=["null", "string"],
            title="Image",
            description="ID of the image in ModelArts. Default: the newest snapshot of the notebook.",
            pattern=f"^({UUID})?$",
        ),
        "duration": Param(
            None,
            type=["null", "string"],
            title="Lease",
            description="Time until the notebook stops by itself, such as 2h or 1d12h. Default: the lease "
            "that it had.",
            pattern=f"^({DURATION})?$",
        ),
        "require_snapshot_within": Param(
            "2h",
            type="string",
            title="Age of the snapshot",
            description="A running notebook is stopped only if it was saved within this time.",
            pattern=f"^{DURATION}$",
        ),
    },
    doc_md=__doc__,
    tags=["modelarts"],
) as dag:
    # --8<-- [start:restore]
    RestoreNotebookOperator(
        task_id="restore_notebook",
        notebook_id="{{ params.notebook_id }}",
        image_id="{{ params.image_id }}",
        duration="{{ params.duration }}",
        stop_running=True,
        require_snapshot_within="{{ params.require_snapshot_within }}",
        deferrable=True,
        retries=2,
    )
    # --8<-- [end:restore]
