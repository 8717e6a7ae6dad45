"""
What a task stores for its next try: the images that it is about to delete.

Airflow 3.3 and later keep it in the task state store. Earlier ones have none and clear a task's XComs before
each try, so there it is an Airflow Variable, which is deleted when the task is done.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow import __version__ as airflow_version

from airflow_provider_modelarts.exceptions import PruneIncompleteError, sanitize

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

KEY = "planned_deletions"

log = logging.getLogger(__name__)


class StoredPlan:
    """
    The stored images of one task instance, on any Airflow.

    No task fails because they cannot be stored: then a try that is killed between an image's record and its
    tag leaves the tag, which a report lists. But a prune that cannot read them fails: it would delete images
    that the first try did not plan, and more than ``max_deletions``.
    """

    def __init__(self, context: Context) -> None:
        self._store: Any = context.get("task_state_store")
        ti = context["ti"]
        identity = "\n".join(map(str, (ti.dag_id, ti.task_id, ti.run_id, ti.map_index)))
        self._variable = f"modelarts_{KEY}_{hashlib.sha256(identity.encode()).hexdigest()[:32]}"
        self._is_retry = ti.try_number > 1
        self._is_stored = False

    def load(self, *, is_required: bool = False) -> list[Any]:
        """
        Return what an earlier try stored; nothing on a first try.

        :param is_required: whether the task must not go on as if nothing were stored.
        :raises PruneIncompleteError: it is required and cannot be read.
        """
        found = self._attempt("read", self._load, is_required=is_required) if self._is_retry else None
        self._is_stored = bool(found)
        return found if isinstance(found, list) else []

    def save(self, entries: list[dict[str, Any]]) -> None:
        """Store the images that are about to be deleted."""
        self._is_stored = True
        self._attempt("stored", lambda: self._save(entries))

    def clear(self) -> None:
        """Store that nothing is left to do, if anything was stored."""
        if self._is_stored:
            self._attempt("removed", self._clear)

    def _load(self) -> Any:
        if self._store is not None:
            return self._store.get(KEY)
        return _variable().get(self._variable, None, deserialize_json=True) if _has_no_store() else None

    def _save(self, entries: list[dict[str, Any]]) -> None:
        if self._store is not None:
            self._store.set(KEY, entries)
        elif _has_no_store():
            _variable().set(self._variable, entries, serialize_json=True)

    def _clear(self) -> None:
        if self._store is not None:
            self._store.set(KEY, [])
        elif _has_no_store():
            _variable().delete(self._variable)

    @staticmethod
    def _attempt(what: str, act: Callable[[], Any], *, is_required: bool = False) -> Any:
        try:
            return act()
        except Exception as error:  # whatever Airflow raises, the report lists tags that stay
            cause = sanitize(f"{type(error).__name__}: {error}", 200)
            if is_required:
                raise PruneIncompleteError(
                    f"Nothing was deleted: what an earlier try planned cannot be {what}, and a retry deletes "
                    f"nothing else: {cause}. The next retry reads it again, and the next run plans anew"
                ) from error
            log.warning(
                "The planned deletions cannot be %s: %s. If this try is killed, a tag may stay in SWR: a "
                'prune with mode="report" lists it',
                *(what, cause),
            )
            return None


def _has_no_store() -> bool:
    """Whether this Airflow has no task state store at all."""
    return tuple(int(part) for part in airflow_version.split(".")[:2]) < (3, 3)


def _variable() -> Any:
    from airflow.providers.common.compat.sdk import Variable

    return Variable
