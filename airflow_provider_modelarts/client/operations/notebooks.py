"""The operations on notebooks and their leases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal

from airflow_provider_modelarts.client.http_types import Operation
from airflow_provider_modelarts.client.models import Page
from airflow_provider_modelarts.client.notebooks import NO_AUTO_STOP, Lease, LeaseType, Notebook, NotebookPage
from airflow_provider_modelarts.client.operations.validation import (
    MAX_PAGE_BYTES,
    choice,
    flag,
    given,
    identifier,
    milliseconds,
    path_segment,
)
from airflow_provider_modelarts.exceptions import FieldViolation, RequestValidationError

NOTEBOOK_PAGES = (50, 20, 10)
"""The only values of ``limit`` that the API accepts for notebooks."""


def show_notebook(notebook_id: str) -> Operation[Notebook]:
    """
    Return one notebook.

    https://docs.otc.t-systems.com/modelarts/api-ref/development_environment_management/querying_details_of_a_notebook_instance.html

    :raises RequestValidationError: the id cannot stand in a path.
    """
    return _notebook_operation("ShowNotebook", "GET", notebook_id, "", _notebook_parser(notebook_id))


def list_notebooks(
    *,
    feature: Literal["NOTEBOOK", "DEFAULT"] | None = "NOTEBOOK",
    name: str | None = None,
    owner: str | None = None,
    pool_id: str | None = None,
    status: str | None = None,
    workspace_id: str | None = None,
    sort_dir: Literal["ASC", "DESC"] | None = None,
    sort_key: str | None = None,
    all_users: bool = False,
    limit: Literal[10, 20, 50] = 50,
) -> Operation[Page[Notebook]]:
    """
    List notebooks, one page per call.

    https://docs.otc.t-systems.com/modelarts/api-ref/development_environment_management/querying_notebook_instances.html
    https://docs.otc.t-systems.com/modelarts/api-ref/development_environment_management/querying_all_notebook_instances.html

    :param feature: ``DEFAULT`` lists the free CodeLab notebooks. None sends no such filter, which the pages
        define as ``NOTEBOOK``: who needs all notebooks lists both.
    :param name: a part of the name, as this filter is always fuzzy.
    :param all_users: whether to list all users' notebooks, which needs
        ``modelarts:notebook:listAllNotebooks``.
    :param limit: notebooks of a page; fewer are requested if a page is too large.
    :raises RequestValidationError: a filter is blank or has another type.
    """
    query = {
        "feature": feature,
        "name": name,
        "owner": owner,
        "pool_id": pool_id,
        "status": status,
        # Huawei Cloud's SDK and Open Telekom Cloud's page spell it differently: both are sent.
        "workspace_id": workspace_id,
        "workspaceId": workspace_id,
        "sort_dir": sort_dir,
        "sort_key": sort_key,
        "limit": str(limit),
    }
    name_and_path = ("ListNotebooks", "/notebooks")
    if flag("all_users", all_users) == "true":
        name_and_path = ("ListAllNotebooks", "/notebooks/all")
    return Operation(
        name_and_path[0],
        "GET",
        name_and_path[1],
        _parse_page,
        query=given(query),
        max_bytes=MAX_PAGE_BYTES,
        page_sizes=_notebook_pages(limit),
    )


def list_notebooks_of_all_features(**filters: Any) -> tuple[Operation[Page[Notebook]], ...]:
    """
    Return the lists that together have the notebooks of every feature, some of them twice.

    https://support.huaweicloud.com/intl/en-us/api-modelarts/ListNotebooks.html
    https://docs.otc.t-systems.com/modelarts/api-ref/development_environment_management/querying_notebook_instances.html

    A list without the filter has all of them, or, as the pages define it, only the billed ones.

    :param filters: of :func:`list_notebooks`, without ``feature``.
    :raises RequestValidationError: a filter is blank or has another type.
    """
    return list_notebooks(feature=None, **filters), list_notebooks(feature="DEFAULT", **filters)


def start_notebook(
    notebook_id: str,
    *,
    duration: timedelta | None = None,
    type: LeaseType | None = None,  # noqa: A002
) -> Operation[Notebook]:
    """
    Start a stopped notebook; it is STARTING in the response, and runs some minutes later.

    https://support.huaweicloud.com/intl/en-us/api-modelarts/StartNotebook.html
    https://docs.otc.t-systems.com/modelarts/api-ref/development_environment_management/starting_a_notebook_instance.html

    :param duration: until it stops by itself, or :data:`NO_AUTO_STOP`. By default the service's, one hour.
    :param type: of the lease: ``timing`` (the default) or ``idle``.
    :raises RequestValidationError: the id cannot stand in a path, or the duration is not positive.
    """
    query: dict[str, str] = {}
    if duration is not None:
        is_endless = duration == NO_AUTO_STOP
        query["duration"] = str(-1 if is_endless else milliseconds("duration", duration))
    if type is not None:
        query["type"] = _lease_type(type)
    # Two signers of Open Telekom Cloud sign the query of a POST without a body as its body.
    return _notebook_operation(
        "StartNotebook", "POST", notebook_id, "/start", _notebook_parser(notebook_id), query=query, body={}
    )


def stop_notebook(notebook_id: str) -> Operation[Notebook]:
    """
    Stop a running notebook, which discards all that was installed outside of its storage.

    https://support.huaweicloud.com/intl/en-us/api-modelarts/StopNotebook.html
    https://docs.otc.t-systems.com/modelarts/api-ref/development_environment_management/stopping_a_notebook_instance.html

    It is STOPPING in the response.

    :raises RequestValidationError: the id cannot stand in a path.
    """
    return _notebook_operation(
        "StopNotebook", "POST", notebook_id, "/stop", _notebook_parser(notebook_id), body={}
    )


def show_lease(notebook_id: str) -> Operation[Lease]:
    """
    Return the lease of a running notebook; that of a stopped one is only in its ShowNotebook.

    https://support.huaweicloud.com/intl/en-us/api-modelarts/ShowLease.html
    https://docs.otc.t-systems.com/modelarts/api-ref/development_environment_management/querying_the_available_duration_of_a_running_notebook_instance.html

    :raises RequestValidationError: the id cannot stand in a path.
    """

    def parse(data: Any) -> Lease:
        if not isinstance(data, dict) or not data.keys() & {"create_at", "duration", "enable", "type"}:
            raise ValueError("it is no lease")
        return Lease.model_validate(data)

    return _notebook_operation("ShowLease", "GET", notebook_id, "/lease", parse)


def renew_lease(
    notebook_id: str,
    duration: timedelta,
    *,
    type: LeaseType | None = None,  # noqa: A002
) -> Operation[None]:
    """
    Let the lease of a running notebook end a duration from now.

    https://support.huaweicloud.com/intl/en-us/api-modelarts/RenewLease.html
    https://docs.otc.t-systems.com/modelarts/api-ref/development_environment_management/prolonging_a_notebook_instance.html

    There is no result, as the response may be empty (204) or repeat the request: read the lease again.

    :param type: of the lease: ``timing`` (the default) or ``idle``.
    :raises RequestValidationError: the id cannot stand in a path, or the duration is not positive.
    """
    body: dict[str, Any] = {"duration": milliseconds("duration", duration)}
    if type is not None:
        body["type"] = _lease_type(type)
    return _notebook_operation("RenewLease", "PATCH", notebook_id, "/lease", _ignore, body=body)


def update_notebook(notebook_id: str, *, image_id: str) -> Operation[None]:
    """
    Let a stopped notebook run another image from its next start on.

    https://support.huaweicloud.com/intl/en-us/api-modelarts/UpdateNotebook.html
    https://docs.otc.t-systems.com/modelarts/api-ref/development_environment_management/updating_a_notebook_instance.html

    There is no result, as the response may lack the id, status and image: read the notebook again.

    :raises RequestValidationError: an id cannot stand in a path.
    """
    body = {"image_id": identifier("image_id", image_id)}
    return _notebook_operation("UpdateNotebook", "PUT", notebook_id, "", _ignore, body=body)


def _notebook_operation(
    name: str,
    method: str,
    notebook_id: str,
    path: str,
    parse: Callable[[Any], Any],
    *,
    query: dict[str, str] | None = None,
    body: dict[str, Any] | None = None,
) -> Operation[Any]:
    """Return an operation on one notebook; its path is below that of the notebook."""
    segment = path_segment("notebook_id", notebook_id)
    return Operation(
        name,
        method,
        f"/notebooks/{segment}{path}",
        parse,
        query=query or {},
        body=body,
        subject=f"notebook {notebook_id}",
    )


def _notebook_parser(notebook_id: str) -> Callable[[Any], Notebook]:
    """Return a parser that refuses another notebook."""

    def parse(data: Any) -> Notebook:
        notebook = Notebook.model_validate(data)
        if notebook.id.lower() != notebook_id.lower():
            raise ValueError(f"it is about notebook {notebook.id}")
        return notebook

    return parse


def _ignore(_: Any) -> None:
    """Return None for any response, even an empty one."""


def _lease_type(type: str) -> str:  # noqa: A002 - the API's name
    # Leases are returned in upper case, but the service accepts only lower case.
    return choice("type", type, ("timing", "idle"))


def _parse_page(data: Any) -> Page[Notebook]:
    """Return a page; its notebooks share the date of the response, which dates their leases."""
    if isinstance(data, dict) and isinstance(data.get("data"), list):
        date = {"response_date": data.get("response_date")}
        records = [{**item, **date} if isinstance(item, dict) else item for item in data["data"]]
        data = {**data, "data": records}
    return NotebookPage.model_validate(data)


def _notebook_pages(limit: int) -> tuple[int, ...]:
    """Return the page sizes of a list of notebooks: the limit and the smaller ones."""
    if type(limit) is not int or limit not in NOTEBOOK_PAGES:
        raise RequestValidationError([FieldViolation("limit", "must be 10, 20 or 50", limit)])
    return NOTEBOOK_PAGES[NOTEBOOK_PAGES.index(limit) :]
