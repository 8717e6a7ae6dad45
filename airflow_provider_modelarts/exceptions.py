"""
Everything that can go wrong, by what a caller would do about it.

::

    ModelArtsError
      RequestValidationError   a rule of the API is broken; nothing was sent
      InvalidConnectionError   the Airflow connection was read and cannot be used
      ConnectionLookupError    Airflow does not give the connection                (transient)
      TransportError           no reply: refused, reset, timed out, torn           (transient)
      InvalidResponseError     a reply that is not what the API promises           (transient)
        ResponseTooLargeError  more than the operation can need; not read          (transient)
      ApiError                 the API refused, without a code that we know        (transient)
        AuthenticationError    the credentials are wrong, locked or out of date
        PermissionDeniedError  the credentials are good, a permission is missing
        NotFoundError          no such notebook or image; said with HTTP 400
        TagConflictError       the name and tag belong to another image
        NotebookNotReadyError  the notebook is stopped, busy or being restored     (transient)
        QuotaExceededError     a quota of account or cluster is used up            (transient)
        AccountSuspendedError  the account is frozen, suspended or restricted
        BadRequestError        ModelArts refuses a value that we let through
        RateLimitError         too many requests; ``retry_after`` seconds          (transient)
        ServerError            the service or its gateway failed                   (transient)
      ImageFailedError         the image ended as CREATE_FAILED, ERROR or DELETED
      WaitTimeoutError         the wait is over; the image may still be saved

A class is chosen from the HTTP status and the server's code in
:mod:`airflow_provider_modelarts.client.error_codes`, never from text.
*Transient* is what a wait outlasts; :data:`PERMANENT` are the refusals that no retry can mend.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class ModelArtsError(Exception):
    """
    The root of the tree.

    :param message: what happened and, where there is something, what to do.
    """

    is_transient = False
    """Whether the same read may succeed later, so that a wait goes on."""
    may_have_been_processed = True
    """False when the request surely never reached the service, so that even a write may be sent again."""
    is_brief = False
    """Whether the service says that it takes about a minute, and did nothing: worth sending again soon."""
    retry_after: float | None = None
    """Seconds after which the service wants to be asked again, where it said so."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def sanitize(text: str, limit: int) -> str:
    """Return a server's words as one printable line of bearable length, fit for a log and an event."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= limit else f"{line[:limit]}…"


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One value that breaks one rule."""

    field: str
    rule: str
    value: object

    def __str__(self) -> str:
        shown = repr(self.value)
        if len(shown) > 80:
            shown = f"{shown[:80]}… ({len(str(self.value))} characters)"
        return f"{self.field} {self.rule}; got {shown}"


class RequestValidationError(ModelArtsError):
    """A value breaks a rule of the API. Nothing was sent."""

    def __init__(self, violations: Iterable[FieldViolation] | str) -> None:
        if isinstance(violations, str):
            self.violations: tuple[FieldViolation, ...] = ()
            super().__init__(violations)
        else:
            self.violations = tuple(violations)
            super().__init__("Nothing was sent: " + "; ".join(map(str, self.violations)))


class InvalidConnectionError(ModelArtsError):
    """The Airflow connection cannot be used: the message names the field and the remedy."""


class ConnectionLookupError(ModelArtsError):
    """
    Airflow does not give the connection.

    It does not tell one that is gone from a metadata database or API server out of reach.
    """

    is_transient = True
    may_have_been_processed = False


class TransportError(ModelArtsError):
    """
    No complete reply came back.

    :param stage: what failed: ``dns``, ``refused``, ``timeout``, ``tls``, ``proxy``,
        ``connection``.
    :param may_have_been_processed: false for no such host, a refused connection, TLS and a connect time-out.
    """

    is_transient = True

    def __init__(
        self, message: str, *, stage: str = "connection", may_have_been_processed: bool = True
    ) -> None:
        super().__init__(message)
        self.stage = stage
        self.may_have_been_processed = may_have_been_processed


class InvalidResponseError(ModelArtsError):
    """The reply is not what the API promises: no JSON, another type, another image."""

    is_transient = True


class ResponseTooLargeError(InvalidResponseError):
    """The reply is larger than its operation can need: not read."""


class ApiError(ModelArtsError):
    """
    The API answered that it will not; as no subclass, with a code that no table holds or with none.

    :param status: HTTP status.
    :param code: the server's code, such as ``ModelArts.6404``; empty where none came.
    :param request_id: what to give the vendor's support.
    :param retry_after: seconds after which the service wants to be asked again.
    :param clock_skew: seconds by which the service's clock is ahead of ours, where it told.
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
    def is_denied_without_code(self) -> bool:
        """Whether access is denied without a code, which gateways in trouble do too."""
        return self.status == 403 and not self.code

    def __str__(self) -> str:
        facts = [f"HTTP {self.status}"] if self.status else []
        facts += [self.code] if self.code else []
        facts += [f"request id {self.request_id}"] if self.request_id else []
        return f"{self.message} ({', '.join(facts)})" if facts else self.message


class AuthenticationError(ApiError):
    """The credentials are wrong, locked or out of date."""

    is_transient = False


class PermissionDeniedError(ApiError):
    """The credentials are good, but a permission is missing."""

    is_transient = False


class NotFoundError(ApiError):
    """There is no such notebook or image, or it is not ours to see."""

    is_transient = False


class TagConflictError(ApiError):
    """The image name and tag belong to another image; nothing can be overwritten."""

    is_transient = False


class NotebookNotReadyError(ApiError):
    """The notebook is stopped, busy or being restored; the save may work later."""


class QuotaExceededError(ApiError):
    """A quota of the account, or the resources of the cluster, are used up."""


class AccountSuspendedError(ApiError):
    """The account is frozen, suspended or restricted."""

    is_transient = False


class BadRequestError(ApiError):
    """ModelArts refuses the request as it stands."""

    is_transient = False


class RateLimitError(ApiError):
    """Too many requests, of which this one was turned away."""

    may_have_been_processed = False


class ServerError(ApiError):
    """The service or its gateway failed."""


class ImageFailedError(ModelArtsError):
    """The image ended as something else than ACTIVE, and will stay so."""


class WaitTimeoutError(ModelArtsError):
    """We stopped waiting; the image may still be saved."""


PERMANENT: tuple[type[ModelArtsError], ...] = (
    RequestValidationError,
    InvalidConnectionError,
    AuthenticationError,
    PermissionDeniedError,
    NotFoundError,
    TagConflictError,
    AccountSuspendedError,
    BadRequestError,
)
"""Refusals that no retry can mend: a task that meets one fails at once."""


RETRYABLE_ERRORS = (TransportError, RateLimitError, ServerError)
"""What a pause may cure; a reply that cannot be read may be cured by another poll, but not by pausing."""


def error_from_name(name: str, message: str) -> ModelArtsError:
    """Return an error of the tree by its class name, as an event or a log holds it."""
    classes = [ModelArtsError]
    for error in classes:
        if error.__name__ == name:
            return error(message)
        classes += error.__subclasses__()
    return ModelArtsError(message)
