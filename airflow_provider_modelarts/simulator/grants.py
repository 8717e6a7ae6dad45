"""
The IAM actions that are granted, and the actions that each operation needs.

The actions are those of Huawei's page "Permissions and supported actions" of ModelArts, with the SWR actions
that the page lists as dependencies, for every deletion, forced or not. The pages do not document the code and
status of a denial for each operation: the table of errors has two codes for a policy that denies, and another
client's source has a third. The actions of SWR's own operations are those of its page "Actions Supported by
Identity Policy-based Authorization".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase

from .choices import check_choice
from .exchange import Refusal

ACTIONS: Mapping[str, tuple[str, ...]] = {
    "CreateImage": (
        "modelarts:image:create",
        "swr:namespace:getNamespace",
        "swr:repo:listRepoTags",
        "swr:repository:listNamespaces",
        "swr:repository:getTag",
    ),
    "ShowImage": ("modelarts:image:get",),
    "ListImages": ("modelarts:image:list",),
    "DeleteImage": (
        "modelarts:image:delete",
        "swr:repo:listRepoTags",
        "swr:repo:deleteRepoTag",
        "swr:repository:getTag",
        "swr:repository:deleteTag",
    ),
    "RegisterImage": (
        "modelarts:image:register",
        "swr:repo:listRepos",
        "swr:repo:listRepoTags",
        "swr:repo:getRepo",
        "swr:repo:getRepoDomain",
        "swr:repo:createRepoDomain",
        "swr:repository:listRepositories",
        "swr:repository:listArtifacts",
        "swr:repository:getTag",
    ),
    "ShowNotebook": ("modelarts:notebook:get",),
    "StartNotebook": ("modelarts:notebook:start",),
    "StopNotebook": ("modelarts:notebook:stop",),
    "RenewLease": ("modelarts:notebook:updateStopPolicy",),
    "UpdateNotebook": ("modelarts:notebook:update",),
    "ListNotebooks": ("modelarts:notebook:list",),
    "ListAllNotebooks": ("modelarts:notebook:listAllNotebooks",),
    "ListRepositoryTags": ("swr:repo:listRepoTags",),
    "CreateRepoTag": ("swr:repo:createRepoTag",),
    "DeleteRepoTag": ("swr:repo:deleteRepoTag",),
    "ListRetentions": ("swr:repo:listRetentions",),
    "ListProjects": ("iam:projects:listProjects",),
}
"""All actions that each operation needs; an operation that is missing here, such as ShowLease, needs none."""

DENIED_CODES = ("ModelArts.0108", "ModelArts.0112", "ModelArts.6407", "APIGW.0302")
DENIED_STATUSES = (400, 401, 403)

_ACTION = re.compile(r"\*|[\w*]+:[\w*]+:[\w*]+")


class Grants:
    """The granted actions; the latest grant or revocation of an action counts."""

    def __init__(self, granted: Collection[str] | None, code: str, status: int) -> None:
        """Start with these actions, or with all if None; deny others with this code and status."""
        check_choice("code of a denial", code, DENIED_CODES)
        check_choice("status of a denial", status, DENIED_STATUSES)
        self._first = [(_checked(action), True) for action in (("*",) if granted is None else granted)]
        self._code = code
        self._status = status
        self.reset()

    def reset(self) -> None:
        """Restore the initial state."""
        self._words = list(self._first)

    def change(self, granted: Collection[str] = (), revoked: Collection[str] = ()) -> None:
        """Grant actions, then revoke actions."""
        given = [(action, True) for action in granted] + [(action, False) for action in revoked]
        self._words += [(_checked(action), is_granted) for action, is_granted in given]

    def check(self, operation: str) -> None:
        """Refuse an operation unless all its actions are granted; the message names the first missing one."""
        for action in ACTIONS.get(operation, ()):
            if not self._is_granted(action):
                raise self._refusal(operation, action)

    def _is_granted(self, action: str) -> bool:
        matching = (is_granted for word, is_granted in reversed(self._words) if fnmatchcase(action, word))
        return next(matching, False)

    def _refusal(self, operation: str, action: str) -> Refusal:
        if ACTIONS[operation][0].startswith("swr:"):
            return Refusal(403, "SVCSTG.SWR.4039002", f"Policy doesn't allow {action} to be performed.")
        if action.startswith("iam:"):
            return Refusal(403, "", f"You are not authorized to perform the requested action: {action}.")
        return Refusal(self._status, self._code, f"Policy doesn't allow {action} to be performed.")


def _checked(action: object) -> str:
    """Return an action; raise ValueError for an invalid one, so that a wrong test fails at once."""
    if not isinstance(action, str) or not _ACTION.fullmatch(action):
        raise ValueError(
            f"no action {action!r}: an action has the form modelarts:image:create, and * matches any part"
        )
    return action
