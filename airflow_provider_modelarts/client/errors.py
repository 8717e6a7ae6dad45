"""
Everything that can go wrong, by what a caller would do about it.

::

    ModelArtsError
      InvalidRequest            a rule of the API is broken; nothing was sent
      InvalidConnection         the Airflow connection was read and cannot be used
      ConnectionLookupError     Airflow does not give the connection                (transient)
      TransportFailed           no reply: refused, reset, timed out, torn           (transient)
      UnexpectedReply           a reply that is not what the API promises           (transient)
        ResponseTooLargeError   more than the operation can need; not read          (transient)
      ApiError                  the API refused, without a code that we know        (transient)
        NotAuthenticated        the credentials are wrong, locked or out of date
        PermissionDenied        the credentials are good, a permission is missing
        NotFound                no such notebook or image; said with HTTP 400
        TagTaken                the name and tag belong to another image
        NotebookNotReady        the notebook is stopped, busy or being restored     (transient)
        QuotaExceeded           a quota of account or cluster is used up            (transient)
        AccountBlocked          the account is frozen, suspended or restricted
        RequestRefused          ModelArts refuses a value that we let through
        Throttled               too many requests; ``retry_after`` seconds          (transient)
        ServiceFailed           the service or its gateway failed                   (transient)
      ImageFailed               the image ended as CREATE_FAILED, ERROR or DELETED
      DeadlinePassed            the wait is over; the image may still be saved

A class is chosen from the HTTP status and the server's code in :data:`TABLE`, never from text.
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
    arrived = True
    """False when the request surely never reached the service, so that even a write may be sent again."""
    is_brief = False
    """Whether the service says that it takes about a minute, and did nothing: worth sending again soon."""
    retry_after: float | None = None
    """Seconds after which the service wants to be asked again, where it said so."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def one_line(text: str, limit: int) -> str:
    """Return a server's words as one printable line of bearable length, fit for a log and an event."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= limit else f"{line[:limit]}…"


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """One value that breaks one rule."""

    field: str
    rule: str
    value: object

    def __str__(self) -> str:
        shown = repr(self.value)
        if len(shown) > 80:
            shown = f"{shown[:80]}… ({len(str(self.value))} characters)"
        return f"{self.field} {self.rule}; got {shown}"


class InvalidRequest(ModelArtsError):
    """A value breaks a rule of the API. Nothing was sent."""

    def __init__(self, broken: Iterable[BrokenRule] | str) -> None:
        if isinstance(broken, str):
            self.broken: tuple[BrokenRule, ...] = ()
            super().__init__(broken)
        else:
            self.broken = tuple(broken)
            super().__init__("Nothing was sent: " + "; ".join(map(str, self.broken)))


class InvalidConnection(ModelArtsError):
    """The Airflow connection cannot be used: the message names the field and the remedy."""


class ConnectionLookupError(ModelArtsError):
    """
    Airflow does not give the connection.

    It does not tell one that is gone from a metadata database or API server out of reach.
    """

    is_transient = True
    arrived = False


class TransportFailed(ModelArtsError):
    """
    No complete reply came back.

    :param layer: what failed: ``address``, ``dns``, ``refused``, ``timeout``, ``tls``, ``proxy``,
        ``connection``.
    :param arrived: false for no such host, a refused connection, TLS and a connect time-out.
    """

    is_transient = True

    def __init__(self, message: str, *, layer: str = "connection", arrived: bool = True) -> None:
        super().__init__(message)
        self.layer = layer
        self.arrived = arrived


class UnexpectedReply(ModelArtsError):
    """The reply is not what the API promises: no JSON, another type, another image."""

    is_transient = True


class ResponseTooLargeError(UnexpectedReply):
    """The reply is larger than its operation can need: not read."""


class ApiError(ModelArtsError):
    """
    The API answered that it will not; as no subclass, with a code that no table holds or with none.

    :param status: HTTP status.
    :param code: the server's code, such as ``ModelArts.6404``; empty where none came.
    :param request_id: what to give the vendor's support.
    :param retry_after: seconds after which the service wants to be asked again.
    :param skew: seconds by which the service's clock is ahead of ours, where it told.
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
        skew: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after
        self.skew = skew

    def __str__(self) -> str:
        facts = [f"HTTP {self.status}"] if self.status else []
        facts += [self.code] if self.code else []
        facts += [f"request id {self.request_id}"] if self.request_id else []
        return f"{self.message} ({', '.join(facts)})" if facts else self.message


class NotAuthenticated(ApiError):
    """The credentials are wrong, locked or out of date."""

    is_transient = False


class PermissionDenied(ApiError):
    """The credentials are good, but a permission is missing."""

    is_transient = False


class NotFound(ApiError):
    """There is no such notebook or image, or it is not ours to see."""

    is_transient = False


class TagTaken(ApiError):
    """The image name and tag belong to another image; nothing can be overwritten."""

    is_transient = False


class NotebookNotReady(ApiError):
    """The notebook is stopped, busy or being restored; the save may work later."""


class QuotaExceeded(ApiError):
    """A quota of the account, or the resources of the cluster, are used up."""


class AccountBlocked(ApiError):
    """The account is frozen, suspended or restricted."""

    is_transient = False


class RequestRefused(ApiError):
    """ModelArts refuses the request as it stands."""

    is_transient = False


class Throttled(ApiError):
    """Too many requests, of which this one was turned away."""

    arrived = False


class ServiceFailed(ApiError):
    """The service or its gateway failed."""


class ImageFailed(ModelArtsError):
    """The image ended as something else than ACTIVE, and will stay so."""


class DeadlinePassed(ModelArtsError):
    """We stopped waiting; the image may still be saved."""


PERMANENT: tuple[type[ModelArtsError], ...] = (
    InvalidRequest,
    InvalidConnection,
    NotAuthenticated,
    PermissionDenied,
    NotFound,
    TagTaken,
    AccountBlocked,
    RequestRefused,
)
"""Refusals that no retry can mend: a task that meets one fails at once."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """
    What a server code means: the class a caller catches, and the remedy.

    :param is_brief: see :attr:`ApiError.is_brief`.
    """

    error: type[ApiError]
    remedy: str = ""
    is_brief: bool = False


_TOKEN = Meaning(
    NotAuthenticated,
    "Check the connection's credentials and that they belong to this region.",
)
_PROJECT = Meaning(
    NotAuthenticated,
    "Check that project_id belongs to the credentials and to this region.",
)
_POLICY = Meaning(
    PermissionDenied,
    "Grant the action to the user or agency that the connection names.",
)
_AGENCY = Meaning(
    PermissionDenied,
    "Authorise ModelArts to act for the account under its global settings.",
)
_STATE = Meaning(NotebookNotReady, "Look at the notebook's status and try again when it is RUNNING.")
_VALUE = Meaning(RequestRefused, "Check the values named in the message.")
_QUOTA = Meaning(QuotaExceeded, "Free or extend the quota that the message names.")
_GONE = Meaning(
    NotFound,
    "Check the id, the region and the project; the resource may have been deleted.",
)
_BLOCKED = Meaning(AccountBlocked, "Settle the account's state in the console.")
_FAILED = Meaning(
    ServiceFailed,
    "The service failed; give the request id to its support if this goes on.",
)
_BUSY = Meaning(Throttled, "The service is busy; fewer or later requests help.")

# https://docs.otc.t-systems.com/modelarts/api-ref/appendix/error_codes.html
# https://support.huaweicloud.com/intl/en-us/api-modelarts/modelarts_03_0095.html
# One number can occur under several HTTP statuses and mean something else there: the key is both.
TABLE: dict[tuple[int, str], Meaning] = {
    (400, "ModelArts.6404"): _GONE,
    (400, "ModelArts.6309"): _GONE,
    (400, "ModelArts.6797"): _GONE,
    (400, "ModelArts.6327"): Meaning(
        NotebookNotReady,
        "Only a running notebook can be saved: start it, then try again.",
    ),
    (400, "ModelArts.6958"): Meaning(
        NotebookNotReady,
        "The operation needs a running notebook: start it, then try again.",
    ),
    (400, "ModelArts.6701"): _AGENCY,
    (400, "ModelArts.6357"): Meaning(
        NotebookNotReady,
        "The notebook is busy, perhaps with another save: try again when it is RUNNING.",
    ),
    (400, "ModelArts.6305"): _STATE,
    (400, "ModelArts.6306"): _STATE,
    (400, "ModelArts.6307"): _STATE,
    (400, "ModelArts.6308"): _STATE,
    (400, "ModelArts.6347"): _STATE,
    (400, "ModelArts.6304"): Meaning(NotebookNotReady, "Stop the notebook first."),
    (400, "ModelArts.6333"): Meaning(
        NotebookNotReady, "The notebook is being restored: wait some minutes.", is_brief=True
    ),
    (400, "ModelArts.6355"): Meaning(
        NotebookNotReady, "Resources are being initialised: wait a minute.", is_brief=True
    ),
    (400, "ModelArts.6360"): Meaning(
        QuotaExceeded, "The cluster has no resources left: try again later.", is_brief=True
    ),
    (400, "ModelArts.6326"): _BLOCKED,
    (400, "ModelArts.6361"): Meaning(
        RequestRefused,
        "An internal or configuration error: give the request id to support.",
    ),
    (400, "ModelArts.6737"): Meaning(
        TagTaken,
        "An image cannot be overwritten: choose another tag, or set if_exists to adopt it.",
    ),
    (400, "ModelArts.6301"): Meaning(RequestRefused, "The resource exists already: choose another name."),
    (400, "ModelArts.6771"): Meaning(RequestRefused, "The image is larger than ModelArts takes."),
    (400, "ModelArts.6303"): _VALUE,
    (400, "ModelArts.6332"): _VALUE,
    (400, "ModelArts.6335"): _VALUE,
    (400, "ModelArts.6336"): _VALUE,
    (400, "ModelArts.6349"): _VALUE,
    (400, "ModelArts.6400"): _VALUE,
    (400, "ModelArts.6600"): _VALUE,
    (400, "ModelArts.0101"): _VALUE,
    (400, "ModelArts.0104"): _VALUE,
    (400, "ModelArts.0107"): _VALUE,
    (400, "ModelArts.0102"): Meaning(RequestRefused, "There is no such workspace: check workspace_id."),
    (400, "ModelArts.0113"): _QUOTA,
    (400, "ModelArts.0118"): _QUOTA,
    (100, "ModelArts.0116"): _QUOTA,
    (400, "ModelArts.6302"): _QUOTA,
    (400, "ModelArts.6376"): _AGENCY,
    (400, "ModelArts.6378"): _AGENCY,
    (400, "ModelArts.6379"): _AGENCY,
    (401, "ModelArts.0428"): _AGENCY,
    (400, "ModelArts.0204"): _PROJECT,
    (400, "ModelArts.0210"): _PROJECT,
    (401, "ModelArts.0207"): _PROJECT,
    (401, "ModelArts.0212"): _PROJECT,
    (403, "ModelArts.0210"): _PROJECT,
    (401, "ModelArts.0201"): _TOKEN,
    (401, "ModelArts.0202"): _TOKEN,
    (401, "ModelArts.0203"): _TOKEN,
    (401, "ModelArts.0204"): _TOKEN,
    (401, "ModelArts.6608"): _TOKEN,
    (401, "ModelArts.6620"): _TOKEN,
    (403, "ModelArts.0203"): _TOKEN,
    (403, "ModelArts.0206"): _TOKEN,
    # The status that these two come with is not documented.
    **{(status, "ModelArts.6401"): _TOKEN for status in (400, 401, 403)},
    **{(status, "ModelArts.6407"): _POLICY for status in (400, 401, 403)},
    (401, "ModelArts.6201"): _BLOCKED,
    (401, "ModelArts.6203"): _BLOCKED,
    (401, "ModelArts.0112"): _POLICY,
    (403, "ModelArts.0112"): _POLICY,
    (403, "ModelArts.0108"): _POLICY,
    (408, "ModelArts.6100"): _FAILED,
    (429, "ModelArts.6101"): _BUSY,
    (500, "ModelArts.6102"): _FAILED,
    (500, "ModelArts.6200"): _FAILED,
    (500, "ModelArts.0010"): _FAILED,
    (500, "ModelArts.6699"): _FAILED,
    # https://docs.otc.t-systems.com/api-gateway/umn/published_api_calling/error_codes.html
    # Huawei's shared gateway writes APIGW where others write APIG: the numbers are the same.
    # Not NotFound, which says that what one looks for is gone: here it is the address that is wrong.
    (404, "APIGW.0101"): Meaning(
        RequestRefused,
        "The gateway knows no such API: check the endpoint; ModelArts may not be in this region.",
    ),
    (413, "APIGW.0201"): Meaning(RequestRefused, "The request is too large."),
    (494, "APIGW.0201"): Meaning(RequestRefused, "The request's headers are too large."),
    (414, "APIGW.0201"): Meaning(RequestRefused, "The request's address is too long."),
    (400, "APIGW.0201"): Meaning(RequestRefused, "The gateway cannot read the request."),
    (502, "APIGW.0201"): _FAILED,
    (504, "APIGW.0201"): _FAILED,
    (504, "APIGW.0203"): _FAILED,
    (401, "APIGW.0301"): Meaning(
        NotAuthenticated,
        "Check access key and secret key. More than five wrong signatures lock the key for five minutes.",
    ),
    (403, "APIGW.0302"): _POLICY,
    (401, "APIGW.0303"): Meaning(
        NotAuthenticated,
        "Check this machine's clock (15 minutes are allowed) and the access key.",
    ),
    (401, "APIGW.0305"): _TOKEN,
    (403, "APIGW.0306"): _POLICY,
    (401, "APIGW.0307"): _TOKEN,
    (429, "APIGW.0308"): _BUSY,
}

# What a status means when no code came with it, or one that is not in the table: a code that nobody here
# knows may be one that passes, so it is never a permanent refusal.
_UNKNOWN = Meaning(ApiError, "This provider does not know the reason; the next try may succeed.")
_BY_STATUS: dict[int, Meaning] = {
    408: _FAILED,
    429: _BUSY,
}


def _unambiguous() -> dict[str, Meaning]:
    """Return the codes whose class is the same under each status that the table knows them with."""
    rows: dict[str, list[Meaning]] = {}
    for (_, code), row in TABLE.items():
        rows.setdefault(code, []).append(row)
    return {code: same[0] for code, same in rows.items() if len({row.error for row in same}) == 1}


_BY_CODE = _unambiguous()


def meaning(status: int, code: str) -> Meaning:
    """Return what a refusal means, by its HTTP status and server code."""
    family, _, number = code.partition(".")
    code = f"APIGW.{number}" if family == "APIG" else code
    known = TABLE.get((status, code)) or (status < 500 and status != 429 and _BY_CODE.get(code))
    if known:
        return known
    if status == 401 and not code:
        return _TOKEN
    return _BY_STATUS.get(status) or (_FAILED if status >= 500 else _UNKNOWN)


def named(name: str, message: str) -> ModelArtsError:
    """Return an error of the tree by its class name, as an event or a log holds it."""
    classes = [ModelArtsError]
    for error in classes:
        if error.__name__ == name:
            return error(message)
        classes += error.__subclasses__()
    return ModelArtsError(message)
