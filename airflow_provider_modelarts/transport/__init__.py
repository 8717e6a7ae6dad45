"""
The two worlds: a worker that blocks and a triggerer that must not.

Each transport is the same two verbs, and the only code that names ``requests`` or ``aiohttp``. Both
are loaded when a transport is opened, because each takes some hundred milliseconds.
"""

from airflow_provider_modelarts.transport.awaiting import MAX_CONNECTIONS, AsyncTransport, shared
from airflow_provider_modelarts.transport.blocking import BlockingTransport, block_on
from airflow_provider_modelarts.transport.route import Route
from airflow_provider_modelarts.transport.sharing import Shared

__all__ = ["MAX_CONNECTIONS", "AsyncTransport", "BlockingTransport", "Route", "Shared", "block_on", "shared"]
