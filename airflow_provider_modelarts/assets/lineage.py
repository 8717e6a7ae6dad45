"""
OpenLineage of saves: the notebook is the input, the image's repository the output.

Only the OpenLineage provider, which the extra ``openlineage`` installs, has this module imported.
"""

from __future__ import annotations

from typing import Any

import attrs
from airflow.providers.openlineage.extractors import OperatorLineage
from openlineage.client.event_v2 import Dataset
from openlineage.client.facet_v2 import RunFacet

from airflow_provider_modelarts.client.image_address import SCHEME, parse_address
from airflow_provider_modelarts.results import ImageTask

RUN_FACET = "modelarts_image"
"""The key of our facet among those of a run."""
NOTEBOOKS = "modelarts"
"""The namespace of notebooks; their ids are unique everywhere."""


@attrs.define
class ModelArtsImageRunFacet(RunFacet):
    """
    The image of a run.

    :param size: as ModelArts returns it, in KB by its documentation.
    """

    id: str
    status: str | None = None
    tag: str | None = None
    digest: str | None = None
    size: int | None = None


def image_lineage(task: ImageTask, ti: Any) -> OperatorLineage[Any, Any]:
    """
    Return the lineage of a task that saved an image or waited for one; empty if the task failed.

    :param task: as it ran; a copy of it has no result, and then the XCom of ``ti`` is read.
    :param ti: the task instance.
    """
    result = task.ended_with or ti.xcom_pull(task_ids=ti.task_id, map_indexes=ti.map_index)
    if not isinstance(result, dict):
        return OperatorLineage()
    notebook_id, address = result.get("notebook_id"), parse_address(result.get("swr_path"))
    facet = ModelArtsImageRunFacet(
        id=result["image_id"],
        status=result.get("status"),
        tag=result.get("tag") or (address.tag if address else None),
        digest=result.get("digest") or (address.digest if address else None),
        size=result.get("size"),
    )
    lineage = OperatorLineage[Any, Any](run_facets={RUN_FACET: facet})
    if notebook_id:
        lineage.inputs.append(Dataset(namespace=NOTEBOOKS, name=f"notebooks/{notebook_id}"))
    if address and address.registry:
        lineage.outputs.append(Dataset(namespace=f"{SCHEME}://{address.registry}", name=address.path))
    return lineage
