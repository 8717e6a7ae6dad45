"""
The exceptions of this provider, grouped by what a caller can do about them.

::

    ModelArtsError
      RequestValidationError   a value breaks a rule of the API; nothing was sent
      InvalidConnectionError   the Airflow connection was read and cannot be used
      ConnectionLookupError    the Airflow connection could not be read            (transient)
      TransportError           no complete response: refused, reset, timed out     (transient)
      InvalidResponseError     the response is not what the API documents          (transient)
        ResponseTooLargeError  the response exceeds its size limit; not read       (transient)
      ApiError                 an error response without a code in our table       (transient)
        AuthenticationError    the credentials are wrong, locked or expired
        PermissionDeniedError  the credentials are accepted, a permission is missing
        NotFoundError          no such notebook or image; sent with HTTP 400
        TagConflictError       the name and tag belong to another image
        NotebookNotReadyError  the notebook is stopped, busy or being restored     (transient)
        QuotaExceededError     a quota of account or cluster is used up            (transient)
        AccountSuspendedError  the account is frozen, suspended or restricted
        BadRequestError        ModelArts refuses a value that passed our validation
        RateLimitError         too many requests; ``retry_after`` seconds          (transient)
        ServerError            the service or its gateway failed                   (transient)
      ImageFailedError         the image ended as CREATE_FAILED, ERROR or DELETED
      ImageNotInRegistryError  the image is ACTIVE, but its tag is not in SWR
      NotebookFailedError      the notebook failed, was deleted or is frozen
      StopRefusedError         a stop would lose what is installed; it was not sent
      ImageInUseError          a notebook uses the image; it was not deleted
      PruneIncompleteError     some images could not be deleted; a retry continues
      WaitTimeoutError         the deadline passed; the image may still be saved

:mod:`airflow_provider_modelarts.client.error_codes` chooses the class of an error response from its HTTP
status and error code, never from its text. A wait continues after a *transient* error until its deadline.
:data:`PERMANENT` lists the classes that a retry cannot fix: a task that gets one fails without a retry.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self


MAX_RETRY_AFTER = 600.0
"""Seconds of a ``Retry-After`` for which polls stop; a longer one is cut to this."""


class ModelArtsError(Exception):
    """
    The base class of all errors of this provider.

    :param message: what happened and, where something can be done, what to do.
    """

    is_transient = False
    """Whether the same read may succeed later, so that a wait continues."""
    may_have_been_processed = True
    """False if the service did not process the request, so that even a write may be sent again."""
    is_brief = False
    """Whether ModelArts did nothing and documents that the cause lasts about a minute: retry soon."""
    retry_after: float | None = None
    """Seconds to wait before the next request, from the response's ``Retry-After``; None without one."""
    reason = ""
    """The message without the name of the request that failed; empty if it names none."""
    is_denied_without_code = False
    """Whether this is an HTTP 403 without a code, which a failing gateway sends too."""
    is_refusal = False
    """Whether the service itself refused the request, by a code."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    @property
    def poll_pause(self) -> float:
        """Seconds without polls because of ``Retry-After``, at most :data:`MAX_RETRY_AFTER`; 0 without it."""
        return min(self.retry_after or 0.0, MAX_RETRY_AFTER)

    @property
    def facts(self) -> dict[str, Any]:
        """The keyword arguments of an :class:`ApiError` about the same response; empty without one."""
        return {}

    def with_message(self, message: str) -> Self:
        """Return this error with another message; its class and everything else are kept."""
        self.message = message
        self.args = (message,)
        return self


def sanitize(text: str, limit: int) -> str:
    """
    Return a server's text as one printable line, fit for a log and an event.

    :param limit: characters after which the line is cut.
    """
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[:limit]}…"


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """
    One value that breaks one rule of the API.

    :param rule: what is wrong, as text that follows the field's name.
    """

    field: str
    rule: str
    value: object

    def __str__(self) -> str:
        shown = repr(self.value)
        if len(shown) > 80:
            shown = f"{shown[:80]}… ({len(str(self.value))} characters)"
        return f"{self.field} {self.rule}; got {shown}"


class RequestValidationError(ModelArtsError):
    """
    A value breaks a rule of the API; nothing was sent.

    :param violations: every broken rule, or a message.
    """

    def __init__(self, violations: Iterable[FieldViolation] | str) -> None:
        if isinstance(violations, str):
            self.violations: tuple[FieldViolation, ...] = ()
            super().__init__(violations)
        else:
            self.violations = tuple(violations)
            super().__init__("Nothing was sent: " + "; ".join(map(str, self.violations)))


class InvalidConnectionError(ModelArtsError):
    """
    The Airflow connection was read and cannot be used; the message names the field and the remedy.

    :param problems: what is wrong with each field, if the connection was refused before it was used.
    """

    def __init__(self, message: str, *, problems: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class ConnectionLookupError(ModelArtsError):
    """
    The Airflow connection could not be read.

    Transient, because Airflow raises the same error for a deleted connection and for an unreachable metadata
    database or API server.
    """

    is_transient = True
    may_have_been_processed = False


class TransportError(ModelArtsError):
    """
    No complete response was received.

    :param stage: what failed: ``dns``, ``refused``, ``timeout``, ``tls``, ``proxy`` or ``connection``.
    :param may_have_been_processed: false if the request was not sent: DNS lookup, refused connection, TLS or
        connect timeout.
    """

    is_transient = True

    def __init__(
        self, message: str, *, stage: str = "connection", may_have_been_processed: bool = True
    ) -> None:
        super().__init__(message)
        self.stage = stage
        self.may_have_been_processed = may_have_been_processed


class InvalidResponseError(ModelArtsError):
    """The response is not what the API documents: no JSON, another type, or about another resource."""

    is_transient = True


class ResponseTooLargeError(InvalidResponseError):
    """The response is larger than its operation's limit; it was not read."""


class ApiError(ModelArtsError):
    """
    An error response of the API; this class itself if the code is missing or in no table of ours.

    :param status: HTTP status.
    :param code: the server's error code, such as ``ModelArts.6404``; empty if the response has none.
    :param request_id: the id that the vendor's support needs.
    :param retry_after: seconds to wait before the next request, from ``Retry-After``.
    :param clock_skew: seconds by which the service's clock is ahead of ours, from the header ``Date``.
    """

    is_transient = True

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        code: str = "",
        request_id: str = "",
        retry_after: float | None = None,
        clock_skew: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after
        self.clock_skew = clock_skew

    @property
    def facts(self) -> dict[str, Any]:
        """The keyword arguments of another error about the same response."""
        return {
            "status": self.status,
            "code": self.code,
            "request_id": self.request_id,
            "retry_after": self.retry_after,
            "clock_skew": self.clock_skew,
        }

    @property
    def is_denied_without_code(self) -> bool:  # type: ignore[override]
        """Whether this is an HTTP 403 without a code, which a failing gateway sends too."""
        return self.status == 403 and not self.code

    @property
    def is_refusal(self) -> bool:  # type: ignore[override]
        """Whether the service itself refused the request, by a code."""
        return bool(self.code) and self.status < 500

    def __str__(self) -> str:
        facts = [f"HTTP {self.status}"] if self.status else []
        facts += [self.code] if self.code else []
        facts += [f"request id {self.request_id}"] if self.request_id else []
        return f"{self.message} ({', '.join(facts)})" if facts else self.message


class AuthenticationError(ApiError):
    """The credentials are wrong, locked or expired."""

    is_transient = False


class PermissionDeniedError(ApiError):
    """The credentials are accepted, but a permission is missing."""

    is_transient = False


class NotFoundError(ApiError):
    """The notebook, image or tag does not exist, or is not visible to these credentials."""

    is_transient = False


class TagConflictError(ApiError):
    """The tag belongs to another image, which is not overwritten."""

    is_transient = False


class NotebookNotReadyError(ApiError):
    """The notebook is in a status that does not allow the operation, such as busy; a retry may succeed."""


class QuotaExceededError(ApiError):
    """A quota of the account or the resources of the cluster are used up."""


class AccountSuspendedError(ApiError):
    """The account is frozen, suspended or restricted."""

    is_transient = False


class BadRequestError(ApiError):
    """ModelArts refuses a value of the request."""

    is_transient = False


class RateLimitError(ApiError):
    """The service rejected this request unprocessed, because there were too many."""

    may_have_been_processed = False


class ServerError(ApiError):
    """The service or its gateway failed."""


class ImageFailedError(ModelArtsError):
    """The image ended as CREATE_FAILED, ERROR or DELETED, which is final."""


class ImageNotInRegistryError(ModelArtsError):
    """
    The image is ACTIVE in ModelArts, but several checks did not find its tag in SWR.

    A retry checks again, and a retry of a save reuses the image.
    """


class NotebookFailedError(ModelArtsError):
    """The notebook has a final status: it failed, was deleted or is frozen."""


class StopRefusedError(ModelArtsError):
    """The notebook was not stopped, because what is installed in it is in no image, or nobody allowed it."""


class ImageInUseError(ModelArtsError):
    """The image was not deleted, because a notebook that uses it could not start again."""


class PruneIncompleteError(ModelArtsError):
    """Some images could not be deleted; a retry continues with them."""


class WaitTimeoutError(ModelArtsError):
    """The wait reached its deadline; ModelArts continues what was begun."""


PERMANENT: tuple[type[ModelArtsError], ...] = (
    RequestValidationError,
    InvalidConnectionError,
    AuthenticationError,
    PermissionDeniedError,
    NotFoundError,
    TagConflictError,
    AccountSuspendedError,
    BadRequestError,
    StopRefusedError,
    ImageInUseError,
)
"""
Errors that a retry cannot fix: somebody must change the task, the connection, a permission or the account.

A task that gets one raises ``AirflowFailException`` and is not retried. An error code that is in no table is
never one of these, because it may pass; nor is :class:`ImageFailedError`, as a retry can save again.
"""


RETRYABLE_ERRORS = (TransportError, RateLimitError, ServerError)
"""
Errors after which the same request is retried with a backoff.

Not :class:`InvalidResponseError`: the next poll may return a valid response, but a backoff does not help.
"""


def error_from_name(name: str, message: str) -> ModelArtsError:
    """Return an error from its class name and message, as a trigger's event holds them."""
    classes = [ModelArtsError]
    for error in classes:
        if error.__name__ == name:
            return error(message)
        classes += error.__subclasses__()
    return ModelArtsError(message)
