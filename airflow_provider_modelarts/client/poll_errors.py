"""Which failed polls a wait outlasts, and which end it."""

from __future__ import annotations

from airflow_provider_modelarts.exceptions import (
    ApiError,
    ModelArtsError,
    NotFoundError,
    PermissionDeniedError,
)

CONFIRMATIONS = 3
"""How many polls in a row must say the same before a refusal that may pass is believed."""
MIN_TIME_TO_APPEAR = 30.0
"""Seconds within which something new may not be found yet: what the service reads may lag behind."""


class PollErrors:
    """
    The failed polls of one wait.

    What is transient is waited out. Two refusals have to be confirmed by further polls: *not found*, as
    long as this wait has not seen what it waits for, and a 403 without a code, which gateways give too.
    """

    def __init__(self) -> None:
        self._has_succeeded = False
        self._not_found = 0
        self._not_found_since = 0.0
        self._forbidden = 0

    def succeeded(self) -> None:
        """Note a poll that succeeded."""
        self._has_succeeded = True
        self._not_found = self._forbidden = 0

    def accept(self, error: ModelArtsError, now: float) -> None:
        """
        Note a poll that failed, and return if waiting goes on.

        :param now: monotonic seconds.
        :raises ModelArtsError: the wait ends with this.
        """
        self._forbidden = (
            self._forbidden + 1 if isinstance(error, ApiError) and error.is_denied_without_code else 0
        )
        if self._forbidden >= CONFIRMATIONS:
            raise self._permission_denied(error) from error
        if isinstance(error, NotFoundError) and not self._has_succeeded:
            self._not_found_since = self._not_found_since if self._not_found else now
            self._not_found += 1
            waited = now - self._not_found_since
            if self._not_found < CONFIRMATIONS or waited < MIN_TIME_TO_APPEAR:
                return
        if not error.is_transient:
            raise error

    def _permission_denied(self, error: ModelArtsError) -> PermissionDeniedError:
        refusal = PermissionDeniedError(
            f"{self._forbidden} polls in a row were denied without a code: check the permissions of the "
            f"connection's user or agency, and the gateways on the way. {error.message}"
        )
        if isinstance(error, ApiError):
            refusal.status, refusal.request_id = error.status, error.request_id
        return refusal
