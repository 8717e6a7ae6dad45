"""Who we are: each kind of credentials puts its proof on a request."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from airflow_provider_modelarts.client.signing import sign
from airflow_provider_modelarts.client.wire import Request


class Credentials(Protocol):
    """What the conversation asks of every kind of credentials."""

    def authorise(self, request: Request, at: datetime) -> Request:
        """Return the request with the proof of who sends it."""


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key and its secret key; the latter signs and is never sent."""

    access_key: str
    secret_key: str = field(repr=False)

    def authorise(self, request: Request, at: datetime) -> Request:
        """Sign the request."""
        return sign(request, access_key=self.access_key, secret_key=self.secret_key, at=at)
