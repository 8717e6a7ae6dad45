"""Decides whether a failed poll ends a wait."""

from __future__ import annotations

from airflow_provider_modelarts.exceptions import (
    ModelArtsError,
    NotFoundError,
    PermissionDeniedError,
)

MIN_CONFIRMATIONS = 3
"""Polls in a row that must fail alike before a refusal that may be temporary ends the wait."""
MIN_TIME_TO_APPEAR = 30.0
"""Seconds for which a new resource may not be found yet, as the service's reads may lag behind."""


class PollErrors:
    """
    Counts the failed polls of one wait and decides which one ends it.

    Transient errors never do. Two refusals must be confirmed by further polls: *not found*, as long as no
    poll of this wait succeeded, and a 403 without a code, which a failing gateway sends too.
    """

    # A triggerer has one for each of its waits.
    __slots__ = ("_forbidden", "_has_succeeded", "_not_found", "_not_found_since")

    def __init__(self) -> None:
        self._has_succeeded = False
        self._not_found = 0
        self._not_found_since = 0.0
        self._forbidden = 0

    def succeeded(self) -> None:
        """Record a successful poll."""
        self._has_succeeded = True
        self._not_found = self._forbidden = 0

    def accept(self, error: ModelArtsError, now: float) -> None:
        """
        Record a failed poll, and return if the wait continues.

        :param now: monotonic seconds.
        :raises ModelArtsError: the error that ends the wait.
        """
        if error.is_denied_without_code:
            self._forbidden += 1
            if self._forbidden >= MIN_CONFIRMATIONS:
                raise self._permission_denied(error) from error
        else:
            self._forbidden = 0
        if isinstance(error, NotFoundError) and not self._has_succeeded:
            self._not_found_since = self._not_found_since if self._not_found else now
            self._not_found += 1
            waited = now - self._not_found_since
            if self._not_found < MIN_CONFIRMATIONS or waited < MIN_TIME_TO_APPEAR:
                return
        if not error.is_transient:
            raise error

    def _permission_denied(self, error: ModelArtsError) -> PermissionDeniedError:
        return PermissionDeniedError(
            f"{self._forbidden} polls in a row failed with HTTP 403 and no error code: check the permissions "
            "of the connection's user or agency, and any proxy or gateway in between",
            **error.facts,
        )
