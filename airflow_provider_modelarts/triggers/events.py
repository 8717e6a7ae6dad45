"""Events of triggers, by what was waited for."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field, field_validator, model_validator

from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.notebooks import Notebook
from airflow_provider_modelarts.results import source_notebook
from airflow_provider_modelarts.triggers.wait_event import WaitEvent, none_if_unreadable


class ImageEvent(WaitEvent):
    """
    The end of a wait for an image.

    :param image: the image, as it goes to XCom.
    :param notebook_id: the notebook that the image's marker names.
    :param content: what SWR has of the image, if it was verified.
    :param seen_at: epoch seconds of the first poll that found the image ACTIVE.
    """

    remedy: ClassVar[str] = "The image may have been saved; clear the task to check."
    image: dict[str, Any] = Field(default_factory=dict)
    notebook_id: str | None = None
    content: dict[str, Any] = Field(default_factory=dict)
    seen_at: float | None = None

    @field_validator("notebook_id", "seen_at", mode="wrap")
    @classmethod
    def _ignore_unreadable_fact(cls, value: Any, validate: Any) -> Any:
        return none_if_unreadable(value, validate)

    @model_validator(mode="after")
    def _names_the_image(self) -> ImageEvent:
        image_id = self.image.get("image_id")
        names_it = image_id and isinstance(image_id, str) and "swr_path" in self.image
        if self.status == "success" and not names_it:
            raise ValueError("a trigger event with status success must contain image_id and swr_path")
        return self

    @classmethod
    def of_image(
        cls,
        image: Image,
        passthrough: dict[str, Any],
        *,
        since: float | None = None,
        content: dict[str, Any] | None = None,
        seen_at: float | None = None,
    ) -> ImageEvent:
        """
        Return the event of a wait that succeeded.

        :param since: epoch seconds at which the wait began.
        :param content: what SWR has of the image, if it was verified.
        :param seen_at: epoch seconds at which it ended.
        """
        notebook_id = source_notebook(image)
        return cls(
            status="success",
            image=image.to_xcom(),
            notebook_id=notebook_id,
            since=since,
            content=content or {},
            seen_at=seen_at,
            passthrough=passthrough,
        )

    def result(self) -> dict[str, Any]:
        """
        Return the image, with what SWR has of it and the values that were passed through.

        :raises WaitTimeoutError: the image was not ACTIVE in time.
        :raises ModelArtsError: the wait failed; the class is that of the error that ended it.
        """
        self.raise_unless_success()
        return {**self.image, **self.content, **self.passthrough}


class NotebookEvent(WaitEvent):
    """
    The end of a wait for a notebook.

    :param notebook: as the API returned it, without the address at which it is opened.
    """

    remedy: ClassVar[str] = "Clear the task, which continues from the notebook's status."
    notebook: Notebook | None = None

    @model_validator(mode="after")
    def _has_the_notebook(self) -> NotebookEvent:
        if self.status == "success" and self.notebook is None:
            raise ValueError("a trigger event with status success must contain the notebook")
        return self

    @classmethod
    def of_notebook(
        cls, notebook: Notebook, passthrough: dict[str, Any], *, since: float | None = None
    ) -> NotebookEvent:
        """
        Return the event of a wait that succeeded.

        :param since: epoch seconds at which the wait began.
        """
        stored = notebook.model_copy(update={"url": None})
        return cls(status="success", notebook=stored, since=since, passthrough=passthrough)

    def result(self) -> Notebook:
        """
        Return the notebook.

        :raises WaitTimeoutError: it had none of the statuses in time.
        :raises ModelArtsError: the wait failed; the class is that of the error that ended it.
        """
        self.raise_unless_success()
        assert self.notebook is not None  # noqa: S101 - the validator has checked it
        return self.notebook
