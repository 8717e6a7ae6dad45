"""The arguments of a prune as one checked value: which images it may delete, and which it never does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import timedelta, timezone, tzinfo
from fnmatch import fnmatchcase
from typing import Literal

from airflow_provider_modelarts.client.image_address import ImageAddress
from airflow_provider_modelarts.client.marker import check_notebook_id
from airflow_provider_modelarts.client.retention import Policy
from airflow_provider_modelarts.exceptions import FieldViolation, RequestValidationError

Mode = Literal["report", "unregister", "delete"]
MODES: tuple[Mode, ...] = ("report", "unregister", "delete")

_SCOPE_RULE = (
    "is missing: give namespace or name (globs) or notebook_ids, or write all_of_project=True for all images "
    "of the workspace"
)


@dataclass(frozen=True, slots=True)
class Scope:
    """
    The images that a prune considers.

    :param namespace: glob of the SWR organization; None for any.
    :param name: glob of the image's name; None for any.
    :param notebook_ids: in lower case, of which the image's marker must name one; None for any.
    """

    namespace: str | None = None
    name: str | None = None
    notebook_ids: frozenset[str] | None = None

    @classmethod
    def of(
        cls,
        *,
        namespace: object = None,
        name: object = None,
        notebook_ids: object = None,
        all_of_project: object = False,
    ) -> Scope:
        """
        Return the scope of an operator's arguments.

        :param notebook_ids: ids, or results of tasks about notebooks.
        :raises RequestValidationError: there is no scope, or a value is invalid. A glob that matches every
            name is no scope.
        """
        violations = [
            FieldViolation(field, "must be a text that is not blank", value)
            for field, value in (("namespace", namespace), ("name", name))
            if value is not None and not (isinstance(value, str) and value.strip())
        ]
        if not isinstance(all_of_project, bool):
            violations.append(FieldViolation("all_of_project", "must be True or False", all_of_project))
        ids = None if notebook_ids is None else _notebook_ids(notebook_ids, violations)
        if violations:
            raise RequestValidationError(violations)
        limits = [glob for glob in (namespace, name) if glob is not None and str(glob).strip("*?")]
        is_limited = bool(limits) or ids is not None
        if all_of_project and (is_limited or namespace is not None or name is not None):
            rule = "excludes namespace, name and notebook_ids: give one or the other"
            raise RequestValidationError([FieldViolation("all_of_project", rule, all_of_project)])
        if not (all_of_project or is_limited):
            given = {"namespace": namespace, "name": name}
            raise RequestValidationError([FieldViolation("scope", _SCOPE_RULE, given)])
        return cls(
            None if namespace is None else str(namespace),
            None if name is None else str(name),
            None if ids is None else frozenset(ids),
        )

    def has(self, namespace: str | None, name: str | None, notebook_id: str | None) -> bool:
        """
        Return whether an image is in the scope; an unknown name is in none that names one.

        :param notebook_id: that the image's marker names.
        """
        return (
            (self.namespace is None or _matches(namespace, (self.namespace,)))
            and (self.name is None or _matches(name, (self.name,)))
            and (self.notebook_ids is None or (notebook_id or "").lower() in self.notebook_ids)
        )


@dataclass(frozen=True, slots=True)
class PruneRules:
    """
    What a prune keeps, and how it removes the rest.

    :param zone: the time zone in which hours, days, weeks, months and years begin.
    :param keep_tags: globs of tags whose content is kept, by whichever of its tags.
    :param protect: globs of addresses in SWR, with or without the registry and the tag.
    :param min_age: how old an image must be at least.
    :param max_deletions: images that one prune removes at most.
    :param include_unmarked: whether images without a marker may be removed too.
    """

    scope: Scope
    policy: Policy
    mode: Mode = "report"
    zone: tzinfo = timezone.utc
    keep_tags: tuple[str, ...] = ()
    protect: tuple[str, ...] = ()
    min_age: timedelta = field(default=timedelta(days=1))
    max_deletions: int = 100
    include_unmarked: bool = False

    def __post_init__(self) -> None:
        """Check the values that need no conversion; raise RequestValidationError for all that are invalid."""
        violations = []
        if self.mode not in MODES:
            violations.append(FieldViolation("mode", f"must be one of {', '.join(MODES)}", self.mode))
        if type(self.max_deletions) is not int or self.max_deletions < 1:
            violations.append(
                FieldViolation("max_deletions", "must be a whole number from 1", self.max_deletions)
            )
        if not isinstance(self.include_unmarked, bool):
            violations.append(
                FieldViolation("include_unmarked", "must be True or False", self.include_unmarked)
            )
        if violations:
            raise RequestValidationError(violations)

    def protecting_glob(self, address: ImageAddress) -> str | None:
        """Return the glob of ``protect`` that an address matches, or None."""
        path = f"{address.path}:{address.tag}"
        full = f"{address.registry}/{path}" if address.registry else path
        texts = {path, full, address.path, full.rpartition(":")[0]}
        return next((glob for glob in self.protect if _protects(glob, texts)), None)

    def keeps_tag(self, tag: str | None) -> bool:
        """Whether a tag matches one of ``keep_tags``."""
        return _matches(tag, self.keep_tags)


def globs_of(field: str, value: object) -> tuple[str, ...]:
    """
    Return the globs of an argument.

    :raises RequestValidationError: it is a text in place of several, or one of them is blank: a glob that
        matches nothing would protect nothing.
    """
    # What a mapped task returned is a sequence of Airflow's, and no list.
    if not isinstance(value, (Sequence, AbstractSet)) or isinstance(value, (str, bytes)):
        raise RequestValidationError([FieldViolation(field, "must be a list of globs", value)])
    globs = list(value)
    rule = "must be globs, of which none is blank, the word None or a digest"
    if any(not isinstance(glob, str) or glob.strip() in ("", "None") or "@" in glob for glob in globs):
        raise RequestValidationError([FieldViolation(field, rule, globs)])
    return tuple(sorted(glob.strip() for glob in globs))


def address_globs_of(field: str, value: object) -> tuple[str, ...]:
    """
    Return the globs of addresses in SWR of an argument.

    :raises RequestValidationError: as :func:`globs_of`, or one of them matches no address.
    """
    globs = globs_of(field, value)
    rule = (
        "matches no address in SWR: it needs a / or a wildcard, no / at its beginning or end, and no white "
        "space, such as my-organization/research, my-organization/* or */research:v1"
    )
    violations = [FieldViolation(field, rule, glob) for glob in globs if not _may_match_address(glob)]
    if violations:
        raise RequestValidationError(violations)
    return globs


def _may_match_address(glob: str) -> bool:
    bare = _without_scheme(glob)
    is_whole = "/" in bare or any(wildcard in bare for wildcard in "*?[")
    return is_whole and bare.strip("/") == bare and not re.search(r"\s", bare)


def _protects(glob: str, texts: Iterable[str]) -> bool:
    """
    Whether a glob of addresses protects an image, of which ``texts`` are the ways to write its address.

    One without a tag protects all tags. The registry's host is not compared: it has no case, may be written
    in more than one way, and a record may lack it.
    """
    bare = _without_scheme(glob)
    first, _, rest = bare.partition("/")
    # A wildcard may be for the host.
    has_host = "/" in rest and any(character in first for character in ".:*?[")
    return any(_matches(text, (bare, rest) if has_host else (bare,)) for text in texts)


def _without_scheme(glob: str) -> str:
    return re.sub(r"^\w+://", "", glob)


def _matches(text: str | None, globs: Iterable[str]) -> bool:
    return text is not None and any(fnmatchcase(text, glob) for glob in globs)


def _notebook_ids(value: object, violations: list[FieldViolation]) -> list[str]:
    """Return ids in lower case, and append what is wrong with them."""
    is_several = isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping))
    items = list(value) if is_several else []  # type: ignore[call-overload]
    if not items:
        rule = "must be a list of at least one notebook's id; without any, no image is in scope"
        violations.append(FieldViolation("notebook_ids", rule, value))
    ids = [item.get("notebook_id") if isinstance(item, Mapping) else item for item in items]
    for notebook_id in ids:
        try:
            check_notebook_id(notebook_id)
        except RequestValidationError as error:
            violations += [
                FieldViolation("notebook_ids", broken.rule, notebook_id) for broken in error.violations
            ]
        if notebook_id == "None":
            rule = "must not be the word None, to which a template without a value renders"
            violations.append(FieldViolation("notebook_ids", rule, notebook_id))
    return [str(notebook_id).lower() for notebook_id in ids]
