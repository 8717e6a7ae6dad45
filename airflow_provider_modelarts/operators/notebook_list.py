"""The operator that lists notebooks, so that other tasks can be expanded over them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_modelarts.arguments import (
    check_conn_id,
    check_execution_timeout,
    check_flags,
    duration_of,
    given,
)
from airflow_provider_modelarts.exceptions import FieldViolation, RequestValidationError
from airflow_provider_modelarts.links.console import NotebookListLink, push_notebook_links
from airflow_provider_modelarts.tasks.failures import fail_without_retry
from airflow_provider_modelarts.tasks.operator import ModelArtsOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from typing_extensions import Unpack

    from airflow_provider_modelarts.airflow_arguments import OperatorArguments, Templated
    from airflow_provider_modelarts.client.notebook_filter import FoundNotebook, NotebookFilter

log = logging.getLogger(__name__)


class ListNotebooksOperator(ModelArtsOperator):
    """
    List the ModelArts notebooks that match all given filters.

    Other tasks, or a task group, can be expanded over the result::

        unsaved = ListNotebooksOperator(task_id="unsaved", status="RUNNING", not_saved_within="20h")
        CreateNotebookImageOperator.partial(task_id="save", namespace="my-organization").expand_kwargs(
            unsaved.output.map(lambda n: {"notebook_id": n["notebook_id"], "name": n["image_name"]})
        )
        StopNotebookOperator.partial(task_id="stop").expand(
            notebook_id=unsaved.output.map(lambda n: n["notebook_id"])
        )

    Free notebooks are included, where the region has them. Times are compared with the service's clock. An
    empty list is a success with one warning, and skips the tasks that are expanded over it.

    **Names.** Two notebooks may have the same name, and then have the same ``image_name``. Their images
    differ by a derived tag; a tag that you give must contain the notebook's id.

    **XCom.** ``return_value`` is a list of dicts, the oldest notebook first, each with ``notebook_id``,
    ``name``, ``image_name`` (the name made valid for an image), ``status``, ``owner``, ``flavor``,
    ``workspace_id``, ``image_id``, ``lease_ends_at``, ``last_snapshot_at`` and ``last_snapshot_id`` (times in
    ISO 8601, UTC). The last two are None unless ``not_saved_within`` is given, as only it reads images.

    :param status: one status, or a list of which a notebook has one, such as ``RUNNING``. (templated)
    :param name: a pattern of the whole name, such as ``team-*``; upper and lower case differ. (templated)
    :param owner_id: the id of the user who owns the notebook; of another user than the connection's it needs
        ``all_users``. (templated)
    :param flavor: the name of the flavor. (templated)
    :param workspace_id: the ModelArts workspace. Default: the connection's, else all that the service lists.
        (templated)
    :param all_users: list the notebooks of all users, which needs the permission
        ``modelarts:notebook:listAllNotebooks``.
    :param lease_ends_within: the notebook stops by itself within this time: a timedelta, or text such as
        ``1d``, ``2h``, ``45min`` or ``1d12h``. A lease that is disabled, unlimited or counts only the time
        without use does not end. (templated)
    :param not_saved_within: no ACTIVE snapshot of the notebook began within this time, so also if it was
        never saved. Snapshots are images of the notebook's own workspace or of the connection's whose marker
        names the notebook, and the saved image that it runs. Notebooks whose images ModelArts refuses to
        list count as not saved, with a warning. (templated)
    :param limit: the most notebooks that are returned. Airflow expands tasks over at most
        ``[core] max_map_length`` of them, 1024 by default.
    :param truncate: if more match, return those that need a save first (by the end of the lease, then the
        last snapshot) and log the others, instead of failing.
    :param modelarts_conn_id: id of the Airflow connection. (templated)
    :raises ValueError: in the constructor: ``limit`` or ``execution_timeout`` is out of range.
    :raises AirflowFailException: no retry can help, so Airflow does not retry: more than ``limit`` notebooks
        match, an argument or the connection is invalid, the credentials or a permission is refused, or the
        account is suspended (:data:`~airflow_provider_modelarts.exceptions.PERMANENT`).
    :raises ModelArtsError: any other error of ModelArts, of the network or of the connection lookup, also if
        a list cannot be read completely. Airflow retries.
    """

    template_fields: Sequence[str] = (
        "status",
        "name",
        "owner_id",
        "flavor",
        "workspace_id",
        "lease_ends_within",
        "not_saved_within",
        "modelarts_conn_id",
    )
    text_fields = template_fields
    operator_extra_links = (NotebookListLink(),)
    ui_color = "#f6e7c8"

    def __init__(
        self,
        *,
        status: Templated | Sequence[Templated] | None = None,
        name: Templated | None = None,
        owner_id: Templated | None = None,
        flavor: Templated | None = None,
        workspace_id: Templated | None = None,
        all_users: bool = False,
        lease_ends_within: timedelta | Templated | None = None,
        not_saved_within: timedelta | Templated | None = None,
        limit: int = 1000,
        truncate: bool = False,
        modelarts_conn_id: Templated = "modelarts_default",
        **kwargs: Unpack[OperatorArguments],
    ) -> None:
        super().__init__(**kwargs)
        check_execution_timeout(self.execution_timeout)
        if type(limit) is not int or limit < 1:
            raise ValueError(f"limit must be a whole number from 1, not {limit!r}")
        self.status: Any = status
        self.name: Any = name
        self.owner_id: Any = owner_id
        self.flavor: Any = flavor
        self.workspace_id: Any = workspace_id
        self.all_users = all_users
        self.lease_ends_within: Any = lease_ends_within
        self.not_saved_within: Any = not_saved_within
        self.limit = limit
        self.truncate = truncate
        self.modelarts_conn_id: Any = modelarts_conn_id

    def execute(self, context: Context) -> list[dict[str, Any]]:  # type: ignore[override]
        """Return the matching notebooks."""
        with fail_without_retry(self.non_retryable):
            return self._list(context)

    def _list(self, context: Context) -> list[dict[str, Any]]:
        check_conn_id(self.modelarts_conn_id)
        check_flags(all_users=self.all_users, truncate=self.truncate)
        wanted = self._filter()
        push_notebook_links(context["ti"], self.hook.settings)
        found = self.hook.find_notebooks(wanted, all_users=self.all_users)
        filters = f"{wanted.describe()}; all_users {self.all_users}"
        if not found:
            log.warning("No notebook matches, so that the list is empty: %s", filters)
        else:
            log.info("%d notebooks match: %s", len(found), filters)
        cloud = self.hook.settings.cloud
        return [item.notebook.to_xcom(cloud, item.last_snapshot) for item in self._limited(found, filters)]

    def _filter(self) -> NotebookFilter:
        """
        Return the filters; what rendered to nothing is not given.

        :raises RequestValidationError: a filter is invalid.
        """
        from airflow_provider_modelarts.client.models import text_rule
        from airflow_provider_modelarts.client.notebook_filter import NotebookFilter
        from airflow_provider_modelarts.client.notebooks import parse_statuses

        names = ("name", "owner_id", "flavor", "workspace_id")
        texts = {name: given(getattr(self, name)) for name in names}
        violations = [
            FieldViolation(name, rule, text)
            for name, text in texts.items()
            if text is not None and (rule := text_rule(text))
        ]
        if violations:
            raise RequestValidationError(violations)
        times = {
            name: None if given(value) is None else duration_of(name, value)
            for name, value in (
                ("lease_ends_within", self.lease_ends_within),
                ("not_saved_within", self.not_saved_within),
            )
        }
        statuses = None if given(self.status) is None else tuple(parse_statuses(self.status))
        return NotebookFilter(statuses, **texts, **times)  # type: ignore[arg-type]

    def _limited(self, found: list[FoundNotebook], filters: str) -> list[FoundNotebook]:
        """Return the notebooks, in the same order, without those beyond the limit."""
        if len(found) <= self.limit:
            return found
        if not self.truncate:
            raise AirflowFailException(
                f"{len(found)} notebooks match, more than limit={self.limit}, and none is returned, because "
                f"those beyond would be missed: {filters}. Narrow the filters, raise limit, or set "
                "truncate=True"
            )
        kept = {item.notebook.id for item in sorted(found, key=lambda item: item.urgency)[: self.limit]}
        beyond = [item.label for item in found if item.notebook.id not in kept]
        log.warning(
            "%d notebooks match, more than limit=%d. These %d are left out: %s",
            *(len(found), self.limit, len(beyond), ", ".join(beyond)),
        )
        return [item for item in found if item.notebook.id in kept]
