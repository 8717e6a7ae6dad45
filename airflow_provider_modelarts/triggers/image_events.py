"""The trigger of an ``AssetWatcher``: an event for each image that becomes ACTIVE (Airflow 3.0 and later)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Hashable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow import __version__ as airflow_version
from airflow.triggers.base import BaseTrigger, TriggerEvent

try:
    from airflow.triggers.base import BaseEventTrigger
except ImportError:
    raise ImportError(
        "airflow_provider_modelarts.triggers.image_events needs Airflow 3.0 or later, which has asset "
        f"watchers; this is Airflow {airflow_version}. Use the asset as outlet of the save or sensor instead"
    ) from None

from airflow_provider_modelarts.arguments import seconds
from airflow_provider_modelarts.hooks.imports import import_in_thread

if TYPE_CHECKING:
    from airflow_provider_modelarts.triggers.image_list import ListedImages

KWARGS = ("namespace", "name", "notebook_id", "workspace_id", "poll_interval", "modelarts_conn_id")
FILTERS = ("namespace", "name", "notebook_id", "workspace_id", "modelarts_conn_id")


class NotebookImageEventTrigger(BaseEventTrigger):
    """
    Yield an event for each image that becomes ACTIVE, and never end.

    For an ``AssetWatcher``; the event's payload is the image, as in the events of a save's outlets. Images
    that are ACTIVE at the first poll cause no event. From Airflow 3.3.2 on the seen images are kept in the
    asset state store, so that after a restart no image is missed; some may come twice, with one
    ``image_id``. Watchers with one connection, workspace and ``poll_interval`` share their polls.

    :param namespace: glob of the SWR organizations to watch. Default: all.
    :param name: glob of the image names to watch. Default: all.
    :param notebook_id: watch only images that were saved from this notebook by this provider.
    :param workspace_id: ModelArts workspace. Default: the connection's.
    :param poll_interval: seconds between polls, or a timedelta.
    :param modelarts_conn_id: id of the Airflow connection.
    :param queue: the triggerer queue of this watcher (Airflow 3.4 and later).
    :raises ValueError: ``poll_interval`` is out of range, another argument is no text or a template, which
        Airflow does not render here, or this Airflow has no queues for watchers.
    """

    def __init__(
        self,
        *,
        namespace: str | None = None,
        name: str | None = None,
        notebook_id: str | None = None,
        workspace_id: str | None = None,
        poll_interval: float | timedelta = 60,
        modelarts_conn_id: str = "modelarts_default",
        queue: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call,unused-ignore]
        if queue is not None and not hasattr(BaseTrigger, "queue"):
            raise ValueError(
                f"queue needs Airflow 3.4 or later; this is {airflow_version}. Remove the argument"
            )
        self.namespace = namespace
        self.name = name
        self.notebook_id = notebook_id
        self.workspace_id = workspace_id
        self.poll_interval = seconds("poll_interval", poll_interval)
        self.modelarts_conn_id = modelarts_conn_id
        self.queue = queue
        _check_texts({name: getattr(self, name) for name in FILTERS})

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments; Airflow stores the queue by itself."""
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {name: getattr(self, name) for name in KWARGS}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll alone, on an Airflow without shared streams."""
        async for event in self.filter_shared_stream(self.open_shared_stream(self.serialize()[1])):
            yield event

    def shared_stream_key(self) -> Hashable | None:
        """Return what watchers that share their polls have in common."""
        return type(self).__qualname__, self.modelarts_conn_id, self.workspace_id, self.poll_interval

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[ListedImages]:
        """Yield all images of the project after each poll."""
        await import_in_thread(f"{__package__}.image_list")
        from airflow_provider_modelarts.triggers.image_list import poll_images

        async for listed in poll_images(
            kwargs["modelarts_conn_id"], kwargs["workspace_id"], kwargs["poll_interval"]
        ):
            yield listed

    async def filter_shared_stream(
        self, shared_stream: AsyncIterator[ListedImages]
    ) -> AsyncIterator[TriggerEvent]:
        """Yield an event for each image of this watcher that was not ACTIVE at an earlier poll."""
        await import_in_thread(f"{__package__}.seen_images")
        from airflow_provider_modelarts.results import image_extra
        from airflow_provider_modelarts.triggers.seen_images import SeenImages

        store = getattr(self, "asset_state_store", None)  # from Airflow 3.3 on
        filters, source, seen = [getattr(self, name) for name in FILTERS], None, None
        async for listed in shared_stream:
            if seen is None or source != listed.source:
                source, seen = listed.source, SeenImages(store, filters, listed.source)
                await seen.load()
            for image in seen.new_images(listed.images):
                self.log.info("%s. SWR address: %s", image.describe(), image.swr_path)
                yield TriggerEvent(image_extra(image))
                seen.add(image)
            await seen.store(listed.images)


def _check_texts(arguments: dict[str, object]) -> None:
    """Raise ValueError for arguments that no image could ever match, or that no poll could use."""
    for name, value in arguments.items():
        is_text = isinstance(value, str) and not re.search(r"\{[{%]", value)
        is_absent = value is None or not str(value).strip()
        if not (is_text or value is None) or (is_absent and name == "modelarts_conn_id"):
            raise ValueError(
                f"{name} must be a string that is known when Airflow parses the DAG, not a template or the "
                f"result of a task; got {value!r}"
            )
