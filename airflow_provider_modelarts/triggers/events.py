"""The events that end waits, by what was waited for. They pass through Airflow's metadata database."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.notebooks import Notebook
from airflow_provider_modelarts.exceptions import (
    ImageFailedError,
    ModelArtsError,
    NotebookFailedError,
    WaitTimeoutError,
    error_from_name,
)
from airflow_provider_modelarts.results import source_notebook

if TYPE_CHECKING:
    from typing_extensions import Self

T = TypeVar("T")

log = logging.getLogger(__name__)


class WaitEvent(BaseModel):
    """
    The end of a wait.

    Another version of this provider may have written it, so unknown fields are ignored and every field
    but the status may be missing or null. An event that cannot be read is a failure, never a success.

    :param status: ``success``, ``failed`` or ``timeout``.
    :param error: the class name of the error that ended the wait.
    :param message: the text of that error.
    :param since: epoch seconds at which the wait began.
    :param passthrough: the values that the task gave to the trigger. ``dag.test()`` drops the keyword
        arguments of a deferral and keeps the event, so the event returns them.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    status: Literal["success", "failed", "timeout"]
    error: str = ""
    message: str = ""
    since: float | None = None
    passthrough: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, event: Any) -> Any:
        return {k: v for k, v in event.items() if v is not None} if isinstance(event, dict) else event

    @field_validator("since", mode="wrap")
    @classmethod
    def _ignore_unreadable(cls, value: Any, validate: Any) -> Any:
        return _none_if_unreadable(value, validate)

    @classmethod
    def of_error(cls, error: ModelArtsError, passthrough: dict[str, Any], *, wait: str = "") -> Self:
        """
        Return the event of a wait that failed.

        :param wait: which wait ended and after how long; only the message of a timeout names them itself.
        """
        name = type(error).__name__
        if isinstance(error, WaitTimeoutError):
            return cls(status="timeout", error=name, message=str(error), passthrough=passthrough)
        message = f"{wait}: {error}" if wait else str(error)
        return cls(status="failed", error=name, message=message, passthrough=passthrough)

    @classmethod
    def read(cls, event: Any) -> Self:
        """
        Return the event that resumed a task.

        :raises ModelArtsError: the event is missing or cannot be read.
        """
        try:
            return cls.model_validate(event)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"])) or "the event"
            raise ModelArtsError(
                f"The trigger's event cannot be read ({place}: {first['msg']}). {cls.remedy}"
            ) from error

    remedy: ClassVar[str] = "Clear the task to check."
    """What to do when an event cannot be read."""

    def raise_unless_success(self) -> None:
        """
        Return if the wait succeeded.

        :raises WaitTimeoutError: it reached its deadline.
        :raises ModelArtsError: it failed; the class is that of the error that ended it.
        """
        message = self.message or "the trigger gave no reason"
        if self.status == "timeout":
            raise WaitTimeoutError(message)
        if self.status == "failed":
            raise error_from_name(self.error, message)

    def read_after_timeout(self, subject: str, read: Callable[[], T | None]) -> T | None:
        """
        Return what was waited for if it is done, although the wait timed out; else None.

        Several waits are polled by one list, which may lag behind the resource itself, and an event may be
        late.

        :param subject: what was waited for, for the log.
        :param read: returns it with one request, or None if it is not done.
        :raises ImageFailedError: it has failed, which is no timeout; so for :class:`NotebookFailedError`.
        """
        if self.status != "timeout":
            return None
        try:
            return read()
        except (ImageFailedError, NotebookFailedError):
            raise
        except ModelArtsError as error:
            log.info("The last poll of %s failed, so the wait has timed out: %s", subject, error)
            return None


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
        return _none_if_unreadable(value, validate)

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


def _none_if_unreadable(value: Any, validate: Any) -> Any:
    """Return a field's value, or None if another version wrote it in another form."""
    try:
        return validate(value)
    except ValidationError:
        return None
