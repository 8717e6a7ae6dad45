"""
Save one running notebook as an image, on demand: choose *Trigger* in the UI and fill in the form.

The form refuses values that ModelArts would refuse. It needs no Variables, only the connection
``modelarts_default``. The result of ``wait_until_active`` contains the address of the image.
"""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.sensors.image import NotebookImageSensor

with DAG(
    dag_id="snapshot_on_demand",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    # A second run of the same notebook would be refused while the first one saves it.
    max_active_runs=1,
    params={
        "notebook_id": Param(
            type="string",
            title="Notebook",
            description="ID of the running notebook, as in the address of its JupyterLab. It is unavailable "
            "for some minutes while it is saved.",
            pattern="^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$",
        ),
        "namespace": Param(
            type="string",
            title="SWR organization",
            description="Organization that will own the image: letters, digits, hyphens, underscores and "
            "periods, from a lower-case letter on.",
            pattern="^[a-z][A-Za-z0-9._-]*$",
            maxLength=64,
        ),
        "name": Param(
            "research-environment",
            type="string",
            title="Image name",
            description="Repository in SWR: lower-case letters, digits, hyphens, underscores and periods.",
            pattern="^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$",
            maxLength=128,
        ),
        "tag": Param(
            None,
            type=["null", "string"],
            title="Tag",
            description="Letters, digits, hyphens, underscores and periods. An existing tag is never "
            "overwritten. Default: derived from the run.",
            pattern="^[A-Za-z0-9_][A-Za-z0-9_.-]*$",
            maxLength=64,
        ),
        "description": Param(
            None,
            type=["null", "string"],
            title="Description",
            description="What is in this image, for those who choose one later.",
            maxLength=400,
        ),
    },
    doc_md=__doc__,
    tags=["modelarts"],
) as dag:
    save_notebook = CreateNotebookImageOperator(
        task_id="save_notebook",
        notebook_id="{{ params.notebook_id }}",
        name="{{ params.name }}",
        namespace="{{ params.namespace }}",
        tag="{{ params.tag }}",
        description="{{ params.description }}",
    )

    NotebookImageSensor(
        task_id="wait_until_active",
        image_id=save_notebook.output["image_id"],
        poke_interval=15,
        timeout=3600,
        deferrable=True,
    )
