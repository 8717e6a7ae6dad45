"""Events of triggers. They pass through Airflow's metadata database."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.exceptions import ModelArtsError, WaitTimeoutError, error_from_name
from airflow_provider_modelarts.results import source_notebook


class ImageEvent(BaseModel):
    """
    The end of a wait for an image.

    Another version of this provider may have written it, so unknown fields are ignored and every field
    but the status may be missing or null. An event that cannot be read is a failure, never a success.

    :param status: ``success``, ``failed`` or ``timeout``.
    :param image: the image, as it goes to XCom.
    :param error: the class name of the error that ended the wait.
    :param message: the text of that error.
    :param notebook_id: the notebook that the image's marker names.
    :param since: epoch seconds at which the wait began.
    :param passthrough: the values that the task gave to the trigger. ``dag.test()`` drops the keyword
        arguments of a deferral and keeps the event, so the event returns them.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    status: Literal["success", "failed", "timeout"]
    image: dict[str, Any] = Field(default_factory=dict)
    error: str = ""
    message: str = ""
    notebook_id: str | None = None
    since: float | None = None
    passthrough: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, event: Any) -> Any:
        return {k: v for k, v in event.items() if v is not None} if isinstance(event, dict) else event

    @field_validator("notebook_id", "since", mode="wrap")
    @classmethod
    def _ignore_unreadable(cls, value: Any, validate: Any) -> Any:
        try:
            return validate(value)
        except ValidationError:
            return None

    @model_validator(mode="after")
    def _names_the_image(self) -> ImageEvent:
        image_id = self.image.get("image_id")
        names_it = image_id and isinstance(image_id, str) and "swr_path" in self.image
        if self.status == "success" and not names_it:
            raise ValueError("a trigger event with status success must contain image_id and swr_path")
        return self

    @classmethod
    def of_image(cls, image: Image, passthrough: dict[str, Any], *, since: float | None = None) -> ImageEvent:
        """
        Return the event of a wait that succeeded.

        :param since: epoch seconds at which the wait began.
        """
        notebook_id = source_notebook(image)
        return cls(
            status="success",
            image=image.to_xcom(),
            notebook_id=notebook_id,
            since=since,
            passthrough=passthrough,
        )

    @classmethod
    def of_error(cls, error: ModelArtsError, passthrough: dict[str, Any], *, wait: str = "") -> ImageEvent:
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
    def read(cls, event: Any) -> ImageEvent:
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
                f"The trigger's event cannot be read ({place}: {first['msg']}). The image may have been "
                "saved; clear the task to check."
            ) from error

    def result(self) -> dict[str, Any]:
        """
        Return the image, with the values that were passed through.

        :raises WaitTimeoutError: the image was not ACTIVE in time.
        :raises ModelArtsError: the wait failed; the class is that of the error that ended it.
        """
        if self.status == "success":
            return {**self.image, **self.passthrough}
        message = self.message or "the trigger gave no reason"
        if self.status == "timeout":
            raise WaitTimeoutError(message)
        raise error_from_name(self.error, message)
