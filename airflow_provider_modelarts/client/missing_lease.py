"""The lease of a notebook whose own response does not show when it was last started."""

from __future__ import annotations

import logging

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.notebooks import Lease, Notebook
from airflow_provider_modelarts.exceptions import ModelArtsError, RateLimitError, ServerError, TransportError

log = logging.getLogger(__name__)


async def read_missing_lease(
    client: ModelArtsClient, notebook: Notebook, *, deadline: float | None = None
) -> Lease | None:
    """
    Return the lease of a running notebook, or None if the notebook has a usable one.

    None is returned too if ShowLease is refused: how old a snapshot is must then decide alone.

    :param deadline: epoch seconds after which no request is retried.
    :raises ModelArtsError: the service could not be reached, or failed.
    """
    if _shows_start(notebook.lease):
        return None
    try:
        return await client.call(operations.show_lease(notebook.id), deadline=deadline)
    except (TransportError, ServerError, RateLimitError):
        raise
    except ModelArtsError as error:
        log.info(
            "It is unknown when notebook %s was last started, so only the age of its snapshots counts: %s",
            *(notebook.id, error),
        )
        return None


def with_lease(notebook: Notebook, lease: Lease | None) -> Notebook:
    """Return the notebook, with a lease that was read by itself unless it has a usable one."""
    if lease is None or _shows_start(notebook.lease):
        return notebook
    return notebook.model_copy(update={"lease": lease})


def _shows_start(lease: Lease | None) -> bool:
    """Whether a lease shows when its notebook was last started, or is of a kind that never does."""
    return lease is not None and (lease.is_endless or lease.is_idle or lease.update_at is not None)
