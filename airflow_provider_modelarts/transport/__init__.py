"""
The two transports: one blocks, for a worker; one awaits, for a triggerer.

Both implement :class:`Transport`, with ``requests`` and with ``aiohttp``. No other package uses these
libraries; they are imported when a transport is opened, as each import takes some hundred milliseconds.
"""

from airflow_provider_modelarts.transport.async_transport import MAX_CONNECTIONS, AsyncTransport
from airflow_provider_modelarts.transport.blocking_transport import BlockingTransport, block_on
from airflow_provider_modelarts.transport.config import TransportConfig

__all__ = ["MAX_CONNECTIONS", "AsyncTransport", "BlockingTransport", "TransportConfig", "block_on"]
