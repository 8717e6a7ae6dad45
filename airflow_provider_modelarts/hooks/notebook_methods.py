"""The hook's methods that read, start and stop notebooks, for workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_modelarts.hooks.blocking_client import BlockingClient

if TYPE_CHECKING:
    from airflow_provider_modelarts.client.notebook_filter import FoundNotebook, NotebookFilter
    from airflow_provider_modelarts.client.notebook_steps import NotebookSteps, Step, StopRule
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

    def try_get_notebook(self, notebook_id: str) -> Notebook:
        """
        Return a notebook, of any status, with one request and no retry.

        :param notebook_id: the notebook's id, a UUID.
        """
        from airflow_provider_modelarts.client import operations
        from airflow_provider_modelarts.client.client import NO_RETRY

        return self.call(operations.show_notebook(notebook_id), deadline=NO_RETRY)

    def wait_for_notebook(
        self,
        notebook_id: str,
        statuses: Collection[str] = ("RUNNING",),
        *,
        poll_interval: float = 10,
        timeout: float = 3600,
        deadline: float | None = None,
        on_poll: Callable[[Notebook], None] | None = None,
    ) -> Notebook:
        """
        Poll from a worker until a notebook has one of some statuses, and return it.

        :param statuses: of which one ends the wait. A RUNNING notebook also needs its storage to be ready.
        :param poll_interval: seconds between polls.
        :param timeout: seconds to wait.
        :param deadline: epoch seconds of the last poll, in place of ``timeout``.
        :param on_poll: called with the notebook after each successful poll.
        :raises NotebookFailedError: the notebook has a final status that is none of these.
        :raises WaitTimeoutError: the notebook had none of them in time.
        """
        from airflow_provider_modelarts.client import operations

        def is_done(notebook: Notebook) -> bool:
            if on_poll is not None:
                on_poll(notebook)
            return notebook.ends_wait_for(statuses)

        return self.watch(
            operations.show_notebook(notebook_id),
            is_done=is_done,
            poll_interval=poll_interval,
            deadline=time.time() + timeout if deadline is None else deadline,
        ).raise_unless_in(statuses)

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
        from airflow_provider_modelarts.client.notebook_filter import list_notebooks_of_all_features
        from airflow_provider_modelarts.transport import block_on

        return block_on(list_notebooks_of_all_features(self._modelarts, **filters))

    def find_notebooks(self, wanted: NotebookFilter, *, all_users: bool = False) -> list[FoundNotebook]:
        """
        Return the notebooks that match all filters, the free ones included, the oldest first.

        :param wanted: the filters; without a workspace, the connection's is listed.
        :param all_users: list all users' notebooks; needs ``modelarts:notebook:listAllNotebooks``.
        """
        from airflow_provider_modelarts.client.notebook_filter import find_notebooks
        from airflow_provider_modelarts.transport import block_on

        return block_on(
            find_notebooks(
                self._modelarts,
                wanted,
                all_users=all_users,
                default_workspace_id=self.settings.workspace_id,
            )
        )

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

    def step_to_start(
        self, notebook_id: str, *, duration: timedelta | None = None, deadline: float | None = None
    ) -> Step:
        """
        Make the next step to a running notebook, with the lease that it had; see :class:`NotebookSteps`.

        :param duration: of the lease, in place of the one that it had.
        :param deadline: epoch seconds after which no request is retried.
        """
        from airflow_provider_modelarts.transport import block_on

        return block_on(self._steps(notebook_id, deadline).start(duration))

    def step_to_stop(self, notebook_id: str, rule: StopRule, *, deadline: float | None = None) -> Step:
        """
        Make the next step to a stopped notebook whose environment is saved; see :class:`NotebookSteps`.

        :param rule: when it may be stopped.
        :param deadline: epoch seconds after which no request is retried.
        :raises StopRefusedError: its environment is in no image; nothing was sent.
        """
        from airflow_provider_modelarts.transport import block_on

        return block_on(self._steps(notebook_id, deadline).stop(rule))

    def step_to_restore(
        self,
        notebook_id: str,
        image_id: str | None = None,
        *,
        is_started: bool = True,
        duration: timedelta | None = None,
        rule: StopRule | None = None,
        deadline: float | None = None,
    ) -> Step:
        """
        Make the next step to a notebook that runs an image; see :class:`NotebookSteps`.

        :param image_id: by default the notebook's newest ACTIVE snapshot.
        :param is_started: start it afterwards.
        :param duration: of the lease, in place of the one that it had.
        :param rule: when it may be stopped, if it runs another image; without one it is not stopped.
        :param deadline: epoch seconds after which no request is retried.
        :raises StopRefusedError: it runs another image and may not be stopped; nothing was sent.
        """
        from airflow_provider_modelarts.transport import block_on

        steps = self._steps(notebook_id, deadline)
        return block_on(steps.restore(image_id, is_started=is_started, duration=duration, rule=rule))

    def prolong_lease(
        self, notebook_id: str, duration: timedelta, *, deadline: float | None = None
    ) -> Notebook:
        """
        Let a lease last for a duration from now unless it lasts longer or has no end; return the notebook.

        :param notebook_id: the notebook's id, a UUID.
        :param deadline: epoch seconds after which no request is retried.
        :raises NotebookNotReadyError: the notebook is not running.
        """
        from airflow_provider_modelarts.transport import block_on

        return block_on(self._steps(notebook_id, deadline).renew(duration))

    def _steps(self, notebook_id: str, deadline: float | None) -> NotebookSteps:
        from airflow_provider_modelarts.client.notebook_steps import NotebookSteps

        return NotebookSteps(
            self._modelarts, notebook_id, workspace_id=self.settings.workspace_id, deadline=deadline
        )
