"""
The error codes of ModelArts, SWR and their gateway, as data: exception class, remedy and documenting page.

One code can mean different things under different HTTP statuses, so the key is both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

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

MODELARTS_PAGE = "https://docs.otc.t-systems.com/modelarts/api-ref/appendix/error_codes.html"
# Huawei Cloud has the same table:
# https://support.huaweicloud.com/intl/en-us/api-modelarts/modelarts_03_0095.html
SWR_PAGE = "https://docs.otc.t-systems.com/software-repository-container/api-ref/appendixes/error_codes.html"
# Huawei Cloud has the same table: https://support.huaweicloud.com/intl/en-us/api-swr/ErrorCode.html
GATEWAY_PAGE = "https://docs.otc.t-systems.com/api-gateway/umn/published_api_calling/error_codes.html"


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """
    The meaning of one error code under one HTTP status.

    :param error: the exception to raise.
    :param remedy: what to do, as the last sentence of the message.
    :param is_brief: see :attr:`ModelArtsError.is_brief`.
    :param page: the address of the vendor's page that documents the code; empty if none does.
    """

    error: type[ApiError]
    remedy: str
    is_brief: bool = False
    page: str = ""


_TOKEN = ErrorCode(
    AuthenticationError, "Check the connection's credentials and that they belong to this region."
)
_PROJECT = ErrorCode(
    AuthenticationError, "Check that project_id belongs to the credentials and to this region."
)
_POLICY = ErrorCode(PermissionDeniedError, "Grant the action to the connection's user or agency.")
_AGENCY = ErrorCode(
    PermissionDeniedError, "Authorise ModelArts to act for the account under its global settings."
)
_STATE = ErrorCode(NotebookNotReadyError, "Check the notebook's status and retry when it is RUNNING.")
_NOT_RUNNING = ErrorCode(
    NotebookNotReadyError,
    "The operation needs a running notebook: retry when it is RUNNING. A stopped one has nothing to save.",
)
_VALUE = ErrorCode(BadRequestError, "Check the values named in the message.")
_QUOTA = ErrorCode(QuotaExceededError, "Free or extend the quota that the message names.")
_NOT_FOUND = ErrorCode(
    NotFoundError, "Check the id, the region and the project; the resource may have been deleted."
)
_SOLD_OUT = ErrorCode(QuotaExceededError, "The flavor is sold out: retry later, or choose another flavor.")
_MOUNT = ErrorCode(BadRequestError, "Check the mount path of the storage.")
_SUSPENDED = ErrorCode(AccountSuspendedError, "Settle the account's state in the console.")
_FAILED = ErrorCode(ServerError, "The service failed. If this continues, give the request id to its support.")
_BUSY = ErrorCode(RateLimitError, "The service is busy: send fewer requests, or retry later.")
_NO_TAG = ErrorCode(
    NotFoundError, "The repository in SWR has no such tag: check it in the console; it may have been deleted."
)
_NO_REPOSITORY = ErrorCode(
    NotFoundError, "SWR has no such repository: check its name and the region; it may have been deleted."
)
NO_ORGANIZATION = ("SVCSTG.SWR.4040058", "SVCSTG.SWR.4041061")
"""Codes of a NotFoundError about an organization in SWR."""
_NO_ORGANIZATION = ErrorCode(NotFoundError, "SWR has no such organization: check it and the region.")
_SWR_POLICY = ErrorCode(
    PermissionDeniedError, "Grant the connection's user a permission on the organization or image in SWR."
)


def _documented(page: str, rows: Mapping[tuple[int, str], ErrorCode]) -> dict[tuple[int, str], ErrorCode]:
    """Return the rows with the page that documents them."""
    return {key: replace(row, page=page) for key, row in rows.items()}


ERROR_CODES: dict[tuple[int, str], ErrorCode] = {
    **_documented(
        MODELARTS_PAGE,
        {
            (400, "ModelArts.6309"): _NOT_FOUND,
            (400, "ModelArts.6797"): ErrorCode(
                NotFoundError,
                "The image does not exist or is not accessible. A notebook whose image was deleted cannot "
                "start: set another image.",
            ),
            (400, "ModelArts.6327"): _NOT_RUNNING,
            (400, "ModelArts.6357"): ErrorCode(
                NotebookNotReadyError,
                "The notebook is busy, perhaps with another save: retry when it is RUNNING.",
            ),
            (400, "ModelArts.6305"): _STATE,
            (400, "ModelArts.6306"): _STATE,
            (400, "ModelArts.6307"): _STATE,
            (400, "ModelArts.6308"): _STATE,
            (400, "ModelArts.6347"): ErrorCode(
                NotebookNotReadyError,
                "Retry when the status allows the operation: an update needs a stopped notebook.",
            ),
            (400, "ModelArts.6304"): ErrorCode(NotebookNotReadyError, "Stop the notebook first."),
            (400, "ModelArts.6333"): ErrorCode(
                NotebookNotReadyError, "The notebook is being restored: retry in some minutes.", is_brief=True
            ),
            (400, "ModelArts.6355"): ErrorCode(
                NotebookNotReadyError, "Resources are being initialised: retry in a minute.", is_brief=True
            ),
            (400, "ModelArts.6360"): ErrorCode(
                QuotaExceededError, "The cluster has no resources left: retry later.", is_brief=True
            ),
            (400, "ModelArts.6329"): _SOLD_OUT,
            (400, "ModelArts.6716"): _SOLD_OUT,
            (400, "ModelArts.6328"): ErrorCode(
                PermissionDeniedError, "Grant the use of the notebook's flavor, or choose another flavor."
            ),
            (400, "ModelArts.6326"): _SUSPENDED,
            (400, "ModelArts.6361"): ErrorCode(
                BadRequestError,
                "An internal or configuration error: give the request id to the service's support.",
            ),
            (400, "ModelArts.6737"): ErrorCode(
                TagConflictError,
                "An image cannot be overwritten: choose another tag, or set if_exists='adopt' to reuse it.",
            ),
            (400, "ModelArts.6301"): ErrorCode(
                BadRequestError, "The resource exists already: choose another name."
            ),
            (400, "ModelArts.6771"): ErrorCode(
                BadRequestError, "The image is larger than ModelArts accepts: make it smaller."
            ),
            (400, "ModelArts.6303"): _VALUE,
            (400, "ModelArts.6332"): _VALUE,
            (400, "ModelArts.6335"): _VALUE,
            (400, "ModelArts.6336"): _VALUE,
            (400, "ModelArts.6348"): ErrorCode(BadRequestError, "Set a duration."),
            (400, "ModelArts.6349"): ErrorCode(
                BadRequestError, "Set a duration within the limits that the message names."
            ),
            (400, "ModelArts.6789"): ErrorCode(
                BadRequestError, "Check the key pair of the notebook's SSH settings."
            ),
            (400, "ModelArts.6792"): ErrorCode(
                BadRequestError, "The notebook cannot be switched to this flavor: choose another one."
            ),
            (100, "ModelArts.6768"): ErrorCode(
                BadRequestError,
                "The image supports only SSH: add SSH settings to the notebook, or choose another image.",
            ),
            (400, "ModelArts.6400"): _VALUE,
            (400, "ModelArts.6600"): _VALUE,
            (400, "ModelArts.0101"): _VALUE,
            (400, "ModelArts.0104"): _VALUE,
            (400, "ModelArts.0107"): _VALUE,
            (400, "ModelArts.0102"): ErrorCode(
                BadRequestError, "There is no such workspace: check workspace_id."
            ),
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
            (401, "ModelArts.6201"): _SUSPENDED,
            (401, "ModelArts.6203"): _SUSPENDED,
            (401, "ModelArts.0112"): _POLICY,
            (403, "ModelArts.0112"): _POLICY,
            (403, "ModelArts.0108"): _POLICY,
            (408, "ModelArts.6100"): _FAILED,
            (429, "ModelArts.6101"): _BUSY,
            (500, "ModelArts.6102"): _FAILED,
            (500, "ModelArts.6200"): ErrorCode(
                ServerError, "The service failed, or has no resources left: retry later."
            ),
            (500, "ModelArts.0010"): _FAILED,
            (500, "ModelArts.6699"): _FAILED,
        },
    ),
    **_documented(
        GATEWAY_PAGE,
        # Huawei Cloud's shared gateway sends APIGW for APIG, with the same numbers. APIGW.0101 is not
        # NotFoundError, which stands for a missing notebook or image: here the endpoint is wrong.
        {
            (404, "APIGW.0101"): ErrorCode(
                BadRequestError,
                "The gateway has no such API: check the endpoint; ModelArts may not be in this region.",
            ),
            (413, "APIGW.0201"): ErrorCode(
                BadRequestError, "The request is too large: shorten its longest value."
            ),
            (494, "APIGW.0201"): ErrorCode(
                BadRequestError, "The request's headers are too large: check the connection's security_token."
            ),
            (414, "APIGW.0201"): ErrorCode(
                BadRequestError, "The request's address is too long: shorten its ids and filters."
            ),
            (400, "APIGW.0201"): ErrorCode(
                BadRequestError, "The gateway cannot read the request: check the endpoint and any proxy."
            ),
            (502, "APIGW.0201"): _FAILED,
            (504, "APIGW.0201"): _FAILED,
            (504, "APIGW.0203"): _FAILED,
            (401, "APIGW.0301"): ErrorCode(
                AuthenticationError,
                "Check access key and secret key. More than five wrong signatures lock the key for five "
                "minutes.",
            ),
            (403, "APIGW.0302"): _POLICY,
            (401, "APIGW.0303"): ErrorCode(
                AuthenticationError,
                "Check this machine's clock (at most 15 minutes off) and the access key.",
            ),
            (401, "APIGW.0305"): _TOKEN,
            (403, "APIGW.0306"): _POLICY,
            (401, "APIGW.0307"): _TOKEN,
            (429, "APIGW.0308"): _BUSY,
        },
    ),
    **_documented(
        SWR_PAGE,
        {
            (404, "SVCSTG.SWR.4040048"): _NO_TAG,
            (404, "SVCSTG.SWR.4040115"): _NO_TAG,
            (404, "SVCSTG.SWR.4041056"): _NO_TAG,
            (404, "SVCSTG.SWR.4041057"): _NO_TAG,
            (404, "SVCSTG.SWR.4041060"): _NO_TAG,
            (404, "SVCSTG.SWR.4040009"): _NO_REPOSITORY,
            (404, "SVCSTG.SWR.4040010"): _NO_REPOSITORY,
            (404, "SVCSTG.SWR.4040113"): _NO_REPOSITORY,
            **{(404, code): _NO_ORGANIZATION for code in NO_ORGANIZATION},
            # As APIGW.0101 no NotFoundError, which would count as a missing tag.
            (404, "SVCSTG.SWR.4040083"): ErrorCode(
                BadRequestError, "SWR has no such API: check the connection's swr_endpoint."
            ),
            (409, "SVCSTG.SWR.4090006"): ErrorCode(
                TagConflictError, "The tag exists: choose another one, or allow to move it with override."
            ),
            (409, "SVCSTG.SWR.4090023"): _BUSY,
            (403, "SVCSTG.SWR.4031032"): _BUSY,
            (403, "SVCSTG.SWR.4031042"): _BUSY,
            (401, "SVCSTG.SWR.4010000"): _TOKEN,
            (403, "SVCSTG.SWR.4031043"): _TOKEN,
            (400, "SVCSTG.SWR.4000031"): _TOKEN,
            (401, "SVCSTG.SWR.4011044"): _SWR_POLICY,
            (401, "SVCSTG.SWR.4011064"): _SWR_POLICY,
            (403, "SVCSTG.SWR.4037017"): _SWR_POLICY,
            (403, "SVCSTG.SWR.4037018"): _SWR_POLICY,
            (403, "SVCSTG.SWR.4037020"): _SWR_POLICY,
            (403, "SVCSTG.SWR.4039001"): _SWR_POLICY,
            (403, "SVCSTG.SWR.4039002"): _SWR_POLICY,
            (400, "SVCSTG.SWR.4000097"): _QUOTA,
            (400, "SVCSTG.SWR.4000098"): _QUOTA,
            (400, "SVCSTG.SWR.4000099"): _QUOTA,
            (400, "SVCSTG.SWR.4000014"): _VALUE,
            (400, "SVCSTG.SWR.4000056"): _VALUE,
            (400, "SVCSTG.SWR.4001008"): _VALUE,
            (400, "SVCSTG.SWR.4001014"): _VALUE,
            (400, "SVCSTG.SWR.4001025"): _VALUE,
            (400, "SVCSTG.SWR.4001028"): _VALUE,
            (400, "SVCSTG.SWR.4001029"): _VALUE,
            (400, "SVCSTG.SWR.4001035"): _VALUE,
            (400, "SVCSTG.SWR.4009010"): _VALUE,
            (400, "SVCSTG.SWR.4009011"): _VALUE,
            (400, "SVCSTG.SWR.4009021"): _VALUE,
            # No refusal of the token, which is 4010000.
            (400, "SVCSTG.SWR.4001048"): _FAILED,
            (507, "SVCSTG.SWR.5070070"): ErrorCode(
                ServerError, "SWR cannot use OBS, which stores the images: check OBS in the console."
            ),
        },
    ),
    # Seen in other clients of the API; no page of the vendors documents them.
    (400, "ModelArts.6404"): _NOT_FOUND,
    (400, "ModelArts.6701"): _AGENCY,
    (400, "ModelArts.6702"): ErrorCode(BadRequestError, "Choose another combination of storages."),
    (400, "ModelArts.6772"): ErrorCode(
        BadRequestError, "Check that the OBS bucket exists and that the account may use it."
    ),
    (400, "ModelArts.6785"): _MOUNT,
    (400, "ModelArts.6927"): _MOUNT,
    (400, "ModelArts.6967"): ErrorCode(BadRequestError, "Fill in the secret that the storage needs."),
    (400, "ModelArts.6958"): _NOT_RUNNING,
    # Their HTTP status is not documented either.
    **{(status, "ModelArts.6401"): _TOKEN for status in (400, 401, 403)},
    **{(status, "ModelArts.6407"): _POLICY for status in (400, 401, 403)},
}


# A status without a code, or with a code that is not in the table: its cause may be temporary, so it is never
# a permanent refusal.
_UNKNOWN = ErrorCode(ApiError, "The reason is unknown to this provider; a retry may succeed.")
_BY_STATUS = {408: _FAILED, 429: _BUSY}


def _unambiguous() -> dict[str, ErrorCode]:
    """Return the codes that have the same class under each status in the table."""
    rows: dict[str, list[ErrorCode]] = {}
    for (_, code), row in ERROR_CODES.items():
        rows.setdefault(code, []).append(row)
    return {code: same[0] for code, same in rows.items() if len({row.error for row in same}) == 1}


_BY_CODE = _unambiguous()


def classify(status: int, code: str) -> ErrorCode:
    """
    Return the meaning of an error response.

    :param status: HTTP status.
    :param code: the server's error code; empty if the response has none.
    """
    family, _, number = code.partition(".")
    code = f"APIGW.{number}" if family == "APIG" else code
    row = ERROR_CODES.get((status, code)) or (status < 500 and status != 429 and _BY_CODE.get(code))
    if row:
        return row
    if status == 401 and not code:
        return _TOKEN
    return _BY_STATUS.get(status) or (_FAILED if status >= 500 else _UNKNOWN)
