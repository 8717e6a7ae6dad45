"""The hook's methods that read, start and stop notebooks, for workers."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_modelarts.hooks.blocking_client import BlockingClient

if TYPE_CHECKING:
    from airflow_provider_modelarts.client.notebooks import Lease, LeaseType, Notebook


class NotebookMethods(BlockingClient):
    """Methods about notebooks; each blocks until the response has arrived."""

    def get_notebook(self, notebook_id: str) -> Notebook:
        """
        Return a notebook, of any status.

        :param notebook_id: the notebook's id, a UUID.
        """
        from airflow_provider_modelarts.client import operations

        return self.call(operations.show_notebook(notebook_id))

    def list_notebooks(
        self,
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
    ) -> list[Notebook]:
        """
        Return all notebooks that match the filters, from all pages.

        :param feature: ``NOTEBOOK``, ``DEFAULT`` for the free ones, or None for both.
        :param name: part of the name; the API matches it anywhere in the name.
        :param owner: the id of the user who owns the notebook.
        :param pool_id: the dedicated resource pool.
        :param status: such as ``RUNNING``.
        :param workspace_id: the ModelArts workspace; by default the connection's.
        :param sort_dir: ``ASC`` or ``DESC``.
        :param sort_key: the field to sort by.
        :param all_users: list all users' notebooks; needs ``modelarts:notebook:listAllNotebooks``.
        :param limit: notebooks per page, at most: 10, 20 or 50; the result is not limited.
        """
        from airflow_provider_modelarts.client import operations

        filters: dict[str, Any] = {
            "name": name,
            "owner": owner,
            "pool_id": pool_id,
            "status": status,
            "workspace_id": self._workspace(workspace_id),
            "sort_dir": sort_dir,
            "sort_key": sort_key,
            "all_users": all_users,
            "limit": limit,
        }
        if feature is not None:
            return self.list_all(operations.list_notebooks(feature=feature, **filters))
        lists = operations.list_notebooks_of_all_features(**filters)
        return list({found.id: found for listed in lists for found in self.list_all(listed)}.values())

    def start_notebook(
        self,
        notebook_id: str,
        *,
        duration: timedelta | None = None,
        type: LeaseType | None = None,  # noqa: A002 - the API's word
    ) -> Notebook:
        """
        Start a stopped notebook, and return it; it is STARTING.

        :param notebook_id: the notebook's id, a UUID.
        :param duration: until it stops by itself; by default the service's, one hour. The constant
            ``NO_AUTO_STOP`` of :mod:`airflow_provider_modelarts.client.notebooks` sets no end.
        :param type: of the lease: ``timing`` (the default) or ``idle``.
        :raises NotebookNotReadyError: the notebook is not stopped.
        :raises NotFoundError: there is no such notebook, or its image was deleted.
        """
        from airflow_provider_modelarts.client import operations

        return self.call(operations.start_notebook(notebook_id, duration=duration, type=type))

    def stop_notebook(self, notebook_id: str) -> Notebook:
        """
        Stop a running notebook, and return it; it is STOPPING. What it has not saved is lost.

        There is no check for a snapshot here.

        :param notebook_id: the notebook's id, a UUID.
        :raises NotebookNotReadyError: the notebook is not running.
        """
        from airflow_provider_modelarts.client import operations

        return self.call(operations.stop_notebook(notebook_id))

    def show_lease(self, notebook_id: str) -> Lease:
        """
        Return the lease of a running notebook; :meth:`get_notebook` has that of a stopped one.

        :param notebook_id: the notebook's id, a UUID.
        :raises NotebookNotReadyError: the notebook is not running.
        """
        from airflow_provider_modelarts.client import operations

        return self.call(operations.show_lease(notebook_id))

    def renew_lease(
        self,
        notebook_id: str,
        duration: timedelta,
        *,
        type: LeaseType | None = None,  # noqa: A002 - the API's word
    ) -> Lease:
        """
        Let a running notebook stop by itself a duration from now, and return its lease, read again.

        :param notebook_id: the notebook's id, a UUID.
        :param duration: from now on, which may also shorten the lease.
        :param type: of the lease: ``timing`` (the default) or ``idle``.
        :raises NotebookNotReadyError: the notebook is not running.
        """
        from airflow_provider_modelarts.client import notebook_changes
        from airflow_provider_modelarts.transport import block_on

        return block_on(notebook_changes.renew_lease(self._modelarts, notebook_id, duration, type=type))

    def update_notebook(self, notebook_id: str, *, image_id: str) -> Notebook:
        """
        Let a stopped notebook run another image from its next start on, and return it, read again.

        :param notebook_id: the notebook's id, a UUID.
        :param image_id: the image's id, a UUID.
        :raises NotebookNotReadyError: the notebook is not stopped.
        :raises NotFoundError: there is no such notebook or no such image.
        """
        from airflow_provider_modelarts.client import notebook_changes
        from airflow_provider_modelarts.transport import block_on

        return block_on(notebook_changes.update_image(self._modelarts, notebook_id, image_id))
