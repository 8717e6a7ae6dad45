"""What a trigger tells its task: the one thing that crosses the metadata database."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.exceptions import ModelArtsError, WaitTimeoutError, error_from_name


class ImageEvent(BaseModel):
    """
    How the wait for an image ended.

    It may have been written by another version of this provider than the one that reads it, so
    unknown fields are ignored and everything but the status may be missing; what cannot be
    understood is a failure, never a success.

    :param image: the image's summary, as it goes to XCom.
    :param error: the class of the error that ended the wait, and ``message`` its text.
    :param passthrough: what the task gave the trigger, handed back. ``dag.test()`` drops the keyword
        arguments of a deferral, the event it keeps.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    status: Literal["success", "failed", "timeout"]
    image: dict[str, Any] = Field(default_factory=dict)
    error: str = ""
    message: str = "the trigger gave no reason"
    passthrough: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_the_image(self) -> ImageEvent:
        image_id = self.image.get("image_id")
        names_it = image_id and isinstance(image_id, str) and "swr_path" in self.image
        if self.status == "success" and not names_it:
            raise ValueError("a success must name image_id and swr_path")
        return self

    @classmethod
    def of_image(cls, image: Image, passthrough: dict[str, Any]) -> ImageEvent:
        """Return the event of a good end."""
        return cls(status="success", image=image.to_xcom(), passthrough=passthrough)

    @classmethod
    def of_error(cls, error: ModelArtsError, passthrough: dict[str, Any], *, wait: str = "") -> ImageEvent:
        """
        Return the event of a bad end.

        :param wait: which wait ended and when, which only the error of a timeout says by itself.
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

        :raises ModelArtsError: it is missing or says nothing that can be understood.
        """
        try:
            return cls.model_validate(event)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"])) or "the event"
            raise ModelArtsError(
                f"The trigger's event cannot be understood ({place}: {first['msg']}). The image may be saved "
                "all the same; clear the task to look again."
            ) from error

    def result(self) -> dict[str, Any]:
        """
        Return what the task hands on.

        :raises WaitTimeoutError: the wait was over before the image was ACTIVE.
        :raises ModelArtsError: the wait ended badly, by the class of the error that ended it.
        """
        if self.status == "success":
            return {**self.image, **self.passthrough}
        if self.status == "timeout":
            raise WaitTimeoutError(self.message)
        raise error_from_name(self.error, self.message)
