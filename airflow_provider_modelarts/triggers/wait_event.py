"""The event that ends a wait. It passes through Airflow's metadata database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from airflow_provider_modelarts.exceptions import ModelArtsError, WaitTimeoutError, error_from_name

if TYPE_CHECKING:
    from typing_extensions import Self


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
        return none_if_unreadable(value, validate)

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


def none_if_unreadable(value: Any, validate: Any) -> Any:
    """Return a field's value, or None if another version wrote it in another form."""
    try:
        return validate(value)
    except ValidationError:
        return None
