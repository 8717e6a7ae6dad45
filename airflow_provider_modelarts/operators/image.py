"""The operator that saves a notebook as an image."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow.providers.common.compat.sdk import conf

from airflow_provider_modelarts.arguments import check_execution_timeout, seconds
from airflow_provider_modelarts.links.console import ImageLink, ImageListLink, NotebookLink, NotebookListLink
from airflow_provider_modelarts.tasks.save import SaveTask

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from airflow_provider_modelarts.airflow_arguments import OperatorArguments, Templated


class CreateNotebookImageOperator(SaveTask):
    """
    Save a running ModelArts notebook as a container image in SWR.

    Without ``wait_for_completion`` the task ends as soon as ModelArts has accepted the create-image request,
    which is one request; a ``NotebookImageSensor`` can wait for the image::

        save = CreateNotebookImageOperator(
            task_id="save",
            notebook_id="6fa459ea-ee8a-3ca4-894e-db77e160355e",
            name="research-environment",
            namespace="my-organization",
        )
        wait = NotebookImageSensor(task_id="wait", image_id=save.output["image_id"], deferrable=True)

    While it is being saved, for minutes, the notebook is unavailable to its user, and ModelArts cannot cancel
    a save. Afterwards the notebook runs the saved image.

    **One save per run.** The image's description ends with a marker, such as
    ``[airflow:0123456789abcdef notebook:6fa459ea-ee8a-3ca4-894e-db77e160355e]``: a digest of DAG, task, run,
    map index and notebook, and the notebook's id. A retry, or a try that got no usable response to
    create-image, finds its image by the marker and reuses it instead of saving again.

    **Clearing** the task reuses the image of its run, on every Airflow. With ``on_clear="save_again"`` each
    clear saves once more: under a derived tag of its own, or under the given tag, with ``-`` and Airflow's
    ``max_tries`` appended if the image of an earlier clear has the tag. Retries of a cleared run reuse the
    image that was saved since the clear.

    **Before it stops.** A notebook that stops loses what is installed outside of its storage, also when its
    lease ends. ``min_lease`` lets the lease of the running notebook last long enough before it is saved; a
    lease that is disabled, unlimited or counts only the time without use stays as it is, and none is ever
    shortened. If the renewal fails, the log has a warning, and the notebook is saved all the same. A warning
    also names the end of a lease that ends before ``min_lease``, or else ``timeout``, is over: if the task
    waits, or has read the notebook for another reason.

    A stopped notebook has nothing new to save. With ``if_not_running="skip"`` the task is then skipped,
    unless its run has saved the notebook already. The log names the newest snapshot and its age, in a warning
    if the notebook was probably stopped unsaved: if it has no ACTIVE snapshot, or only such that began more
    than two hours before its last change.

    **After the image is ACTIVE.** With ``wait_for_completion`` the task also waits until the notebook runs
    again. The image decides: if the notebook has stopped or failed meanwhile, or may not be read, the task
    succeeds with a warning. Only a notebook that is still being saved after ``timeout`` fails the task; a
    retry reuses the image and waits for the notebook again.

    **Verified in the registry.** With ``verify_in_registry=True`` the task ends only when SWR lists the
    image's tag, and its result has ``digest``, ``size_bytes`` and ``layers`` (their number), as far as SWR
    returns them, and ``unchanged``: whether the newest earlier ACTIVE snapshot of the same notebook in the
    same repository has the same digest. Without permission to list the tags there is one warning and none of
    these keys. The extra of asset events has the same keys.

    **Validation.** The cloud decides which fields are mandatory, how long they may be and which characters
    they may contain. A value that breaks a rule fails the task before anything is sent. Templates always
    render to text. If one renders to nothing, to blanks or to the word ``None``, an optional argument counts
    as not given; ``notebook_id``, ``name`` and ``namespace`` are refused.

    **XCom.** ``image_id``, ``swr_path`` and, as ``return_value``, a dict with ``image_id``, ``swr_path``,
    ``notebook_id``, ``adopted`` (whether the image already existed), and, as far as ModelArts returns them,
    ``status``, ``name``, ``namespace``, ``tag``, ``workspace_id``, ``arch``, ``size`` (KB), ``created_at``
    and ``updated_at`` (ISO 8601, UTC). With ``wait_for_completion``, of an image that did not exist before,
    ``duration_seconds``: from the acceptance of create-image to the first poll that found the image ACTIVE.
    If the notebook was read before it was saved, which ``min_lease`` and ``if_not_running="skip"`` need,
    ``previous_image_id``: the image that it ran until then.

    **Assets.** With ``wait_for_completion`` the events of ``outlets`` that are the image's repository
    (``swr://registry/namespace/name``) or an AssetAlias get the image as ``extra``. Without it a ``swr://``
    outlet is refused, as the event would be sent too early.

    :param notebook_id: id of the notebook to save; it must be running. (templated)
    :param name: image name, which is the repository in SWR. Mandatory on Huawei Cloud. (templated)
    :param namespace: SWR organization of the image. Mandatory on Huawei Cloud. (templated)
    :param tag: image tag. An existing name and tag is never overwritten. Default: derived from the run. A
        retry reuses the image of an earlier try only if name and tag are still the same, so let neither
        depend on the time or on the number of the try. (templated)
    :param description: image description, at most 439 characters: ModelArts allows 512, of which a space
        and the marker take 73. (templated)
    :param workspace_id: ModelArts workspace of the image. Default: the connection's, else ``0``. (templated)
    :param swr_instance_id: id of an SWR Enterprise instance, on Huawei Cloud. (templated)
    :param swr_instance_domain: domain of that instance, on Huawei Cloud. (templated)
    :param if_exists: if another image has the name and tag, ``fail``, or ``adopt`` that image, provided that
        it is ACTIVE or being saved and its marker names no other notebook.
    :param if_not_running: if the notebook is STOPPED or STOPPING, ``fail``, or ``skip`` the task.
    :param on_clear: after the task was cleared, ``adopt`` the image of its run, or ``save_again``.
    :param min_lease: how long the notebook must not stop by itself, counted from its save: a timedelta, or
        text such as ``2h``, ``45min`` or ``1d12h``. A lease that ends sooner is renewed first, for at least
        an hour, but not by a retry that reuses an image. (templated)
    :param wait_for_completion: wait until the image is ACTIVE.
    :param wait_for_notebook: with ``wait_for_completion``, wait then until the notebook is RUNNING again.
    :param verify_in_registry: with ``wait_for_completion``, wait then until SWR lists the image's tag.
    :param deferrable: wait in the triggerer instead of a worker slot.
    :param poll_interval: seconds between polls, or a timedelta.
    :param timeout: seconds to wait, or a timedelta, for image and notebook together. The save continues after
        a timeout.
    :param modelarts_conn_id: id of the Airflow connection. (templated)
    :raises ValueError: in the constructor: ``poll_interval``, ``timeout`` or ``execution_timeout`` is out of
        range.
    :raises AirflowFailException: no retry can help, so Airflow does not retry: an argument or the connection
        is invalid, the credentials or a permission is refused, the notebook does not exist, another image
        has the tag, or the account is suspended (:data:`~airflow_provider_modelarts.exceptions.PERMANENT`).
    :raises AirflowSkipException: with ``if_not_running="skip"``: the notebook is stopped.
    :raises NotebookNotReadyError: the notebook is stopped or busy. Airflow retries, like all below.
    :raises ModelArtsError: any other error of ModelArts, of the network or of the connection lookup.
    :raises ImageFailedError: with ``wait_for_completion``: the image failed. A retry saves again.
    :raises ImageNotInRegistryError: with ``verify_in_registry``: the image is ACTIVE, but three checks, five
        seconds apart, found no tag in SWR. A retry reuses the image and checks again.
    :raises WaitTimeoutError: with ``wait_for_completion``: ``timeout`` is over. A retry reuses the image.
    :raises AirflowTaskTimeout: ``execution_timeout`` is over.
    """

    template_fields: Sequence[str] = (
        "notebook_id",
        "name",
        "namespace",
        "tag",
        "description",
        "workspace_id",
        "swr_instance_id",
        "swr_instance_domain",
        "min_lease",
        "modelarts_conn_id",
    )
    text_fields = template_fields
    operator_extra_links = (NotebookLink(), NotebookListLink(), ImageLink(), ImageListLink())
    ui_color = "#cfe5f7"

    def __init__(
        self,
        *,
        notebook_id: Templated,
        name: Templated | None = None,
        namespace: Templated | None = None,
        tag: Templated | None = None,
        description: Templated | None = None,
        workspace_id: Templated | None = None,
        swr_instance_id: Templated | None = None,
        swr_instance_domain: Templated | None = None,
        if_exists: Literal["fail", "adopt"] = "fail",
        if_not_running: Literal["fail", "skip"] = "fail",
        on_clear: Literal["adopt", "save_again"] = "adopt",
        min_lease: timedelta | Templated | None = None,
        wait_for_completion: bool = False,
        wait_for_notebook: bool = True,
        verify_in_registry: bool = False,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float | timedelta = 10,
        timeout: float | timedelta = 3600,
        modelarts_conn_id: Templated = "modelarts_default",
        **kwargs: Unpack[OperatorArguments],
    ) -> None:
        super().__init__(**kwargs)
        check_execution_timeout(self.execution_timeout)
        self.notebook_id = notebook_id
        self.name = name
        self.namespace = namespace
        self.tag = tag
        self.description = description
        self.workspace_id = workspace_id
        self.swr_instance_id = swr_instance_id
        self.swr_instance_domain = swr_instance_domain
        self.if_exists = if_exists
        self.if_not_running = if_not_running
        self.on_clear = on_clear
        self.min_lease = min_lease
        self.wait_for_completion = wait_for_completion
        self.wait_for_notebook = wait_for_notebook
        self.verify_in_registry = verify_in_registry
        self.deferrable = deferrable
        self.poll_interval = seconds("poll_interval", poll_interval)
        self.timeout = seconds("timeout", timeout)
        self.modelarts_conn_id: Any = modelarts_conn_id  # a string once it is rendered
