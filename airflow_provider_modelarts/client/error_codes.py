"""
What the codes of ModelArts and its gateway mean, as data: the class that a caller catches, and the remedy.

One number can occur under several HTTP statuses and mean something else there.
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_modelarts.exceptions import (
    AccountSuspendedError,
    ApiError,
    AuthenticationError,
    BadRequestError,
    NotebookNotReadyError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    TagConflictError,
)


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """
    What a server code means: the class a caller catches, and the remedy.

    :param is_brief: see :attr:`ApiError.is_brief`.
    """

    error: type[ApiError]
    remedy: str = ""
    is_brief: bool = False


_TOKEN = ErrorCode(
    AuthenticationError,
    "Check the connection's credentials and that they belong to this region.",
)
_PROJECT = ErrorCode(
    AuthenticationError,
    "Check that project_id belongs to the credentials and to this region.",
)
_POLICY = ErrorCode(
    PermissionDeniedError,
    "Grant the action to the user or agency that the connection names.",
)
_AGENCY = ErrorCode(
    PermissionDeniedError,
    "Authorise ModelArts to act for the account under its global settings.",
)
_STATE = ErrorCode(NotebookNotReadyError, "Look at the notebook's status and try again when it is RUNNING.")
_VALUE = ErrorCode(BadRequestError, "Check the values named in the message.")
_QUOTA = ErrorCode(QuotaExceededError, "Free or extend the quota that the message names.")
_GONE = ErrorCode(
    NotFoundError,
    "Check the id, the region and the project; the resource may have been deleted.",
)
_BLOCKED = ErrorCode(AccountSuspendedError, "Settle the account's state in the console.")
_FAILED = ErrorCode(
    ServerError,
    "The service failed; give the request id to its support if this goes on.",
)
_BUSY = ErrorCode(RateLimitError, "The service is busy; fewer or later requests help.")

# https://docs.otc.t-systems.com/modelarts/api-ref/appendix/error_codes.html
# https://support.huaweicloud.com/intl/en-us/api-modelarts/modelarts_03_0095.html
# One number can occur under several HTTP statuses and mean something else there: the key is both.
ERROR_CODES: dict[tuple[int, str], ErrorCode] = {
    (400, "ModelArts.6404"): _GONE,
    (400, "ModelArts.6309"): _GONE,
    (400, "ModelArts.6797"): _GONE,
    (400, "ModelArts.6327"): ErrorCode(
        NotebookNotReadyError,
        "Only a running notebook can be saved: start it, then try again.",
    ),
    (400, "ModelArts.6958"): ErrorCode(
        NotebookNotReadyError,
        "The operation needs a running notebook: start it, then try again.",
    ),
    (400, "ModelArts.6701"): _AGENCY,
    (400, "ModelArts.6357"): ErrorCode(
        NotebookNotReadyError,
        "The notebook is busy, perhaps with another save: try again when it is RUNNING.",
    ),
    (400, "ModelArts.6305"): _STATE,
    (400, "ModelArts.6306"): _STATE,
    (400, "ModelArts.6307"): _STATE,
    (400, "ModelArts.6308"): _STATE,
    (400, "ModelArts.6347"): _STATE,
    (400, "ModelArts.6304"): ErrorCode(NotebookNotReadyError, "Stop the notebook first."),
    (400, "ModelArts.6333"): ErrorCode(
        NotebookNotReadyError, "The notebook is being restored: wait some minutes.", is_brief=True
    ),
    (400, "ModelArts.6355"): ErrorCode(
        NotebookNotReadyError, "Resources are being initialised: wait a minute.", is_brief=True
    ),
    (400, "ModelArts.6360"): ErrorCode(
        QuotaExceededError, "The cluster has no resources left: try again later.", is_brief=True
    ),
    (400, "ModelArts.6326"): _BLOCKED,
    (400, "ModelArts.6361"): ErrorCode(
        BadRequestError,
        "An internal or configuration error: give the request id to support.",
    ),
    (400, "ModelArts.6737"): ErrorCode(
        TagConflictError,
        "An image cannot be overwritten: choose another tag, or set if_exists to adopt it.",
    ),
    (400, "ModelArts.6301"): ErrorCode(BadRequestError, "The resource exists already: choose another name."),
    (400, "ModelArts.6771"): ErrorCode(BadRequestError, "The image is larger than ModelArts takes."),
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
    (400, "ModelArts.0102"): ErrorCode(BadRequestError, "There is no such workspace: check workspace_id."),
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
    (404, "APIGW.0101"): ErrorCode(
        BadRequestError,
        "The gateway knows no such API: check the endpoint; ModelArts may not be in this region.",
    ),
    (413, "APIGW.0201"): ErrorCode(BadRequestError, "The request is too large."),
    (494, "APIGW.0201"): ErrorCode(BadRequestError, "The request's headers are too large."),
    (414, "APIGW.0201"): ErrorCode(BadRequestError, "The request's address is too long."),
    (400, "APIGW.0201"): ErrorCode(BadRequestError, "The gateway cannot read the request."),
    (502, "APIGW.0201"): _FAILED,
    (504, "APIGW.0201"): _FAILED,
    (504, "APIGW.0203"): _FAILED,
    (401, "APIGW.0301"): ErrorCode(
        AuthenticationError,
        "Check access key and secret key. More than five wrong signatures lock the key for five minutes.",
    ),
    (403, "APIGW.0302"): _POLICY,
    (401, "APIGW.0303"): ErrorCode(
        AuthenticationError,
        "Check this machine's clock (15 minutes are allowed) and the access key.",
    ),
    (401, "APIGW.0305"): _TOKEN,
    (403, "APIGW.0306"): _POLICY,
    (401, "APIGW.0307"): _TOKEN,
    (429, "APIGW.0308"): _BUSY,
}

# What a status means when no code came with it, or one that is not in the table: a code that nobody here
# knows may be one that passes, so it is never a permanent refusal.
_UNKNOWN = ErrorCode(ApiError, "This provider does not know the reason; the next try may succeed.")
_BY_STATUS: dict[int, ErrorCode] = {
    408: _FAILED,
    429: _BUSY,
}


def _unambiguous() -> dict[str, ErrorCode]:
    """Return the codes whose class is the same under each status that the table knows them with."""
    rows: dict[str, list[ErrorCode]] = {}
    for (_, code), row in ERROR_CODES.items():
        rows.setdefault(code, []).append(row)
    return {code: same[0] for code, same in rows.items() if len({row.error for row in same}) == 1}


_BY_CODE = _unambiguous()


def classify(status: int, code: str) -> ErrorCode:
    """Return what a refusal means, by its HTTP status and server code."""
    family, _, number = code.partition(".")
    code = f"APIGW.{number}" if family == "APIG" else code
    known = ERROR_CODES.get((status, code)) or (status < 500 and status != 429 and _BY_CODE.get(code))
    if known:
        return known
    if status == 401 and not code:
        return _TOKEN
    return _BY_STATUS.get(status) or (_FAILED if status >= 500 else _UNKNOWN)
