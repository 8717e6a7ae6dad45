"""
The two worlds: a worker that blocks and a triggerer that must not.

Each transport is the same two verbs, and the only code that names ``requests`` or ``aiohttp``. Both
are loaded when a transport is opened, because each takes some hundred milliseconds.
"""

from airflow_provider_modelarts.transport.async_transport import MAX_CONNECTIONS, AsyncTransport
from airflow_provider_modelarts.transport.blocking_transport import BlockingTransport, block_on
from airflow_provider_modelarts.transport.config import TransportConfig

__all__ = ["MAX_CONNECTIONS", "AsyncTransport", "BlockingTransport", "TransportConfig", "block_on"]
