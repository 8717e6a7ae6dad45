"""The operators that prune, delete, tag and register images."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_modelarts.arguments import (
    check_conn_id,
    check_execution_timeout,
    check_flags,
    given,
    image_id_of,
    refuse_nothing,
)
from airflow_provider_modelarts.links.console import push_image_links
from airflow_provider_modelarts.tasks.one_image import OneImageTask
from airflow_provider_modelarts.tasks.operator import ModelArtsOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.sdk import XComArg
    from typing_extensions import Unpack

    from airflow_provider_modelarts.airflow_arguments import OperatorArguments, Templated


class PruneNotebookImagesOperator(ModelArtsOperator):
    """
    Remove the images of notebooks that a retention policy does not keep.

    ::

        PruneNotebookImagesOperator(
            task_id="prune", namespace="my-organization", name="research-*", keep_daily=7, keep_weekly=4
        )

    **Policy.** Every rule keeps images, and what any rule keeps is kept, with the words and the meaning of
    ``restic forget``. Images are grouped by registry, organization, name and the notebook that their marker
    names. The oldest image of a group is kept by every rule of the calendar that has counts left.

    **Protection.** Never removed, whatever the policy: the newest ACTIVE image of a group and the newest that
    SWR still has, one that a notebook uses, one whose content has a tag of ``keep_tags`` or of an image that
    is kept, one that matches ``protect`` or is younger than ``min_age``, one in an Enterprise registry, one
    that is not ACTIVE, one whose marker cannot be read and, without ``include_unmarked``, one without a
    marker.

    **What uses images** is read from the notebooks of all users, workspaces and features of the project, and
    again every 30 seconds between deletions. If that list is refused or incomplete, nothing is deleted.
    Training jobs and services are not checked.

    **Modes.** ``report`` changes nothing. ``unregister`` deletes the record in ModelArts; the tag in SWR
    stays, and a :class:`RegisterNotebookImageOperator` makes a new record of it. ``delete`` deletes the
    record and then the tag, for good. A retry goes on where a try was interrupted.

    **XCom.** ``return_value`` is a dict with ``mode``, ``kept``, ``deleted`` (in a report: what would be),
    ``skipped``, ``failed`` (lists of ``image_id``, ``swr_path``, ``tag``, ``created_at`` and ``reasons``),
    ``freed_bytes`` (at most, because images share layers) and ``notebooks_seen``. It is pushed even if the
    task then fails.

    :param namespace: glob of the SWR organization. (templated)
    :param name: glob of the image name. (templated)
    :param notebook_ids: ids of the notebooks that the images were saved of. (templated)
    :param all_of_project: all images of the workspace; instead of the three above, of which one is mandatory.
    :param workspace_id: ModelArts workspace of the images. Default: the connection's, else ``0``. (templated)
    :param mode: ``report``, ``unregister`` or ``delete``.
    :param keep_last: keep this many of the newest images.
    :param keep_hourly: keep the newest image of this many hours that have one.
    :param keep_daily: the same for days.
    :param keep_weekly: the same for weeks, from Monday.
    :param keep_monthly: the same for months.
    :param keep_yearly: the same for years.
    :param keep_within: keep images less than this older than the newest: a timedelta, or text such as ``30d``
        or ``2y5m7d3h``, where m is months. (templated)
    :param keep_tags: globs of tags whose content is kept, by whichever of its tags. (templated)
    :param protect: globs of addresses in SWR, with or without the registry and the tag, such as
        ``my-organization/research``. (templated)
    :param timezone: in which days begin, such as ``Europe/Berlin``. Default: the DAG's. (templated)
    :param min_age: how old an image must be: a timedelta, or text such as ``1d`` or ``12h``. (templated)
    :param max_deletions: images that one run removes at most, the oldest first.
    :param include_unmarked: also consider images that no task of Airflow saved.
    :param own_notebooks_only: list only the notebooks of the connection's user: your word that nobody
        else's notebooks matter.
    :param modelarts_conn_id: id of the Airflow connection. (templated)
    :raises ValueError: in the constructor: ``execution_timeout`` is out of range.
    :raises AirflowFailException: no retry can help, so Airflow does not retry: an argument or the connection
        is invalid, the credentials or a permission is refused, or the account is suspended
        (:data:`~airflow_provider_modelarts.exceptions.PERMANENT`).
    :raises PruneIncompleteError: some images could not be removed. Airflow retries, like all below.
    :raises ModelArtsError: images or notebooks cannot be listed, and nothing was deleted.
    """

    template_fields: Sequence[str] = (
        "namespace",
        "name",
        "notebook_ids",
        "workspace_id",
        "keep_within",
        "keep_tags",
        "protect",
        "timezone",
        "min_age",
        "modelarts_conn_id",
    )
    text_fields = template_fields
    metric = "prune"
    ui_color = "#f4d9d0"

    def __init__(
        self,
        *,
        namespace: Templated | None = None,
        name: Templated | None = None,
        notebook_ids: Sequence[Any] | XComArg | None = None,
        all_of_project: bool = False,
        workspace_id: Templated | None = None,
        mode: Literal["report", "unregister", "delete"] = "report",
        keep_last: int | None = None,
        keep_hourly: int | None = None,
        keep_daily: int | None = None,
        keep_weekly: int | None = None,
        keep_monthly: int | None = None,
        keep_yearly: int | None = None,
        keep_within: timedelta | Templated | None = None,
        keep_tags: Sequence[str] | XComArg = (),
        protect: Sequence[str] | XComArg = (),
        timezone: Templated | None = None,
        min_age: timedelta | Templated = "1d",
        max_deletions: int = 100,
        include_unmarked: bool = False,
        own_notebooks_only: bool = False,
        modelarts_conn_id: Templated = "modelarts_default",
        **kwargs: Unpack[OperatorArguments],
    ) -> None:
        super().__init__(**kwargs)
        check_execution_timeout(self.execution_timeout)
        self.namespace = namespace
        self.name = name
        self.notebook_ids = notebook_ids
        self.all_of_project = all_of_project
        self.workspace_id = workspace_id
        self.mode = mode
        self.keep_last = keep_last
        self.keep_hourly = keep_hourly
        self.keep_daily = keep_daily
        self.keep_weekly = keep_weekly
        self.keep_monthly = keep_monthly
        self.keep_yearly = keep_yearly
        self.keep_within = keep_within
        self.keep_tags = keep_tags
        self.protect = protect
        self.timezone = timezone
        self.min_age = min_age
        self.max_deletions = max_deletions
        self.include_unmarked = include_unmarked
        self.own_notebooks_only = own_notebooks_only
        self.modelarts_conn_id: Any = modelarts_conn_id  # a string once it is rendered
        self.arguments_given = tuple(name for name in self.template_fields if getattr(self, name) is not None)

    def _run_task(self, context: Context) -> dict[str, Any]:
        from airflow_provider_modelarts.tasks.retention import run_prune

        return run_prune(self, context)


class DeleteNotebookImageOperator(OneImageTask):
    """
    Delete an image, unless a notebook uses it.

    ::

        DeleteNotebookImageOperator(task_id="delete", image_id="{{ params.image_id }}")

    The notebooks of all users, workspaces and features of the project are checked for the image before
    anything is deleted; training jobs and services are not. An image that is gone already is a success.

    By default only the record in ModelArts is deleted: the tag in SWR stays, and a
    :class:`RegisterNotebookImageOperator` makes a new record of it.

    **XCom.** ``image_id``, ``swr_path`` and, as ``return_value``, a dict with both and ``changed`` (whether
    this task deleted anything).

    :param image_id: the image's id, or the result of the task that saved it. (templated)
    :param delete_swr_image: also delete the tag in SWR, after the record and for good. It stays if another
        image of the workspace has it too, or if the save of this one failed.
    :param own_notebooks_only: list only the notebooks of the connection's user: your word that nobody
        else's notebooks matter.
    :param modelarts_conn_id: id of the Airflow connection. (templated)
    :raises ValueError: in the constructor: ``execution_timeout`` is out of range.
    :raises AirflowFailException: no retry can help, so Airflow does not retry: an argument or the connection
        is invalid, the credentials or a permission is refused, a notebook uses the image, its tag got other
        content while its deletion was delayed, or the account is suspended
        (:data:`~airflow_provider_modelarts.exceptions.PERMANENT`).
    :raises ModelArtsError: any other error, or the image is being saved and its notebook will run it; the
        image, or its tag, is still there. Airflow retries.
    """

    template_fields: Sequence[str] = ("image_id", "modelarts_conn_id")
    text_fields = template_fields
    metric = "delete"

    def __init__(
        self,
        *,
        image_id: Templated | dict[str, Any],
        delete_swr_image: bool = False,
        own_notebooks_only: bool = False,
        modelarts_conn_id: Templated = "modelarts_default",
        **kwargs: Unpack[OperatorArguments],
    ) -> None:
        super().__init__(modelarts_conn_id=modelarts_conn_id, **kwargs)
        self.image_id: Any = image_id
        self.delete_swr_image = delete_swr_image
        self.own_notebooks_only = own_notebooks_only

    def _run_task(self, context: Context) -> dict[str, Any]:
        from airflow_provider_modelarts.results import push_image_xcoms
        from airflow_provider_modelarts.tasks.stored_plan import StoredPlan

        check_conn_id(self.modelarts_conn_id)
        check_flags(delete_swr_image=self.delete_swr_image, own_notebooks_only=self.own_notebooks_only)
        image_id = image_id_of(self.image_id)
        stored = StoredPlan(context)
        removal = self.hook.remove_image(
            image_id,
            delete_swr_image=self.delete_swr_image,
            own_notebooks_only=self.own_notebooks_only,
            earlier=stored.load(),
            store=stored.save,
        )
        stored.clear()
        push_image_links(context["ti"], self.hook.settings, removal.swr_path)
        done = "was deleted" if removal.is_changed else "is gone already, so nothing was deleted"
        tag = "" if self.delete_swr_image else "; its tag in SWR stays"
        self.log.info("Image %s %s%s. SWR address: %s", image_id, done, tag, removal.swr_path or "unknown")
        result = {"image_id": image_id, "swr_path": removal.swr_path, "changed": removal.is_changed}
        return push_image_xcoms(context, result)


class TagNotebookImageOperator(OneImageTask):
    """
    Give an image one more tag in its repository, such as ``stable``.

    ::

        TagNotebookImageOperator(task_id="promote", image_id=save.output, new_tag="stable")

    The content then has both tags. A prune with ``keep_tags=["stable"]`` keeps it. This works on Huawei
    Cloud; the SWR of Open Telekom Cloud has no such operation, and the task is refused there.

    **XCom.** ``image_id``, ``swr_path`` and, as ``return_value``, a dict with the image as after a save, and
    ``new_tag``, ``new_swr_path`` and ``digest``.

    **Assets.** The events of ``outlets`` that are the image's repository get the image with the new tag.

    :param image_id: the image's id, or the result of the task that saved it. It must be ACTIVE. (templated)
    :param new_tag: the tag. (templated)
    :param override: move the tag if other content has it. The tag of another image that a task saved is never
        moved, because its content would be lost.
    :param modelarts_conn_id: id of the Airflow connection. (templated)
    :raises ValueError: in the constructor: ``execution_timeout`` is out of range.
    :raises AirflowFailException: no retry can help, so Airflow does not retry: an argument or the connection
        is invalid, the credentials or a permission is refused, the cloud has
        no such operation, the image does not exist, other content has the tag, or the account is suspended
        (:data:`~airflow_provider_modelarts.exceptions.PERMANENT`).
    :raises ModelArtsError: any other error, or the image is not ACTIVE yet. Airflow retries.
    """

    template_fields: Sequence[str] = ("image_id", "new_tag", "modelarts_conn_id")
    text_fields = template_fields
    metric = "tag"

    def __init__(
        self,
        *,
        image_id: Templated | dict[str, Any],
        new_tag: Templated,
        override: bool = True,
        modelarts_conn_id: Templated = "modelarts_default",
        **kwargs: Unpack[OperatorArguments],
    ) -> None:
        super().__init__(modelarts_conn_id=modelarts_conn_id, **kwargs)
        self.image_id: Any = image_id
        self.new_tag: Any = new_tag
        self.override = override

    def _run_task(self, context: Context) -> dict[str, Any]:
        from airflow_provider_modelarts.results import (
            fill_outlet_events,
            push_image_xcoms,
            source_notebook,
        )

        check_conn_id(self.modelarts_conn_id)
        check_flags(override=self.override)
        refuse_nothing(new_tag=self.new_tag)
        tagged = self.hook.tag_image(image_id_of(self.image_id), self.new_tag, override=self.override)
        push_image_links(context["ti"], self.hook.settings, tagged.swr_path)
        digest = tagged.content.digest if tagged.content else None
        new = {"new_tag": self.new_tag, "new_swr_path": tagged.swr_path, "digest": digest}
        result = push_image_xcoms(context, {**tagged.image.to_xcom(), **new})
        notebook_id = source_notebook(tagged.image)
        event = {**result, "swr_path": tagged.swr_path, "tag": self.new_tag, "notebook_id": notebook_id}
        fill_outlet_events(context, self.outlets, event)
        self.log.info(
            "Image %s has the tag %s. SWR address: %s", tagged.image.id, self.new_tag, tagged.swr_path
        )
        return result


class RegisterNotebookImageOperator(OneImageTask):
    """
    Register an image that is in SWR, so that notebooks can run it.

    ::

        RegisterNotebookImageOperator(task_id="register", swr_path="{{ params.swr_path }}")

    This brings back what a prune with ``mode="unregister"`` removed, under a **new id**: a notebook that
    pointed to the old record still does not start. Give it the new image with a
    :class:`~airflow_provider_modelarts.operators.notebook.RestoreNotebookOperator`. If the workspace has a
    record of the address already, that one is returned.

    **XCom.** ``image_id``, ``swr_path`` and, as ``return_value``, a dict with the image as after a save, and
    ``adopted`` (whether the record existed already).

    :param swr_path: address of the image with its tag, such as
        ``swr.eu-de.otc.t-systems.com/team/research:v1``. (templated)
    :param description: description of the record. With the marker of the old record, it is again a snapshot
        of its notebook, which can be restored. It allows no stop of the notebook, as the date of the new
        record is not that of the save. (templated)
    :param arch: ``X86_64`` (the service's default) or ``AARCH64``, in any case. (templated)
    :param workspace_id: ModelArts workspace of the record. Default: the connection's, else ``0``. (templated)
    :param modelarts_conn_id: id of the Airflow connection. (templated)
    :raises ValueError: in the constructor: ``execution_timeout`` is out of range.
    :raises AirflowFailException: no retry can help, so Airflow does not retry: an argument or the connection
        is invalid, the credentials or a permission is refused, SWR has no
        such image, or the account is suspended
        (:data:`~airflow_provider_modelarts.exceptions.PERMANENT`).
    :raises ModelArtsError: any other error. Airflow retries.
    """

    template_fields: Sequence[str] = ("swr_path", "description", "arch", "workspace_id", "modelarts_conn_id")
    text_fields = template_fields
    metric = "register"

    def __init__(
        self,
        *,
        swr_path: Templated,
        description: Templated | None = None,
        arch: Templated | None = None,
        workspace_id: Templated | None = None,
        modelarts_conn_id: Templated = "modelarts_default",
        **kwargs: Unpack[OperatorArguments],
    ) -> None:
        super().__init__(modelarts_conn_id=modelarts_conn_id, **kwargs)
        self.swr_path: Any = swr_path
        self.description = description
        self.arch = arch
        self.workspace_id = workspace_id

    def _run_task(self, context: Context) -> dict[str, Any]:
        from airflow_provider_modelarts.results import end_with_image, source_notebook

        check_conn_id(self.modelarts_conn_id)
        refuse_nothing(swr_path=self.swr_path)
        image, adopted = self.hook.register_image_once(
            self.swr_path,
            description=given(self.description),
            arch=given(self.arch),
            workspace_id=given(self.workspace_id),
        )
        push_image_links(context["ti"], self.hook.settings, image.swr_path)
        how = "had a record already" if adopted else "is registered under a new id"
        self.log.info("%s. The address %s %s", image.describe(), self.swr_path, how)
        result = {**image.to_xcom(), "adopted": adopted}
        return end_with_image(self, context, result, notebook_id=source_notebook(image))
