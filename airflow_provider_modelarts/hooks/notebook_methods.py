"""The hook's methods that read notebooks, for workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from airflow_provider_modelarts.hooks.blocking_client import BlockingClient

if TYPE_CHECKING:
    from airflow_provider_modelarts.client.models import Notebook


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
        feature: Literal["NOTEBOOK", "DEFAULT"] = "NOTEBOOK",
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

        :param feature: ``NOTEBOOK``, or ``DEFAULT`` for the free ones.
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

        return self.list_all(
            operations.list_notebooks(
                feature=feature,
                name=name,
                owner=owner,
                pool_id=pool_id,
                status=status,
                workspace_id=self._workspace(workspace_id),
                sort_dir=sort_dir,
                sort_key=sort_key,
                all_users=all_users,
                limit=limit,
            )
        )
