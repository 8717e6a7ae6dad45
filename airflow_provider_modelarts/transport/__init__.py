"""
The two transports: one blocks, for a worker; one awaits, for a triggerer.

Both implement :class:`Transport`, with ``requests`` and with ``aiohttp``. No other package uses these
libraries, each of which takes some hundred milliseconds to import: ``requests`` is imported when a transport
is opened, ``aiohttp`` by the module :mod:`~airflow_provider_modelarts.transport.async_transport`.
"""

from airflow_provider_modelarts.transport.blocking_transport import BlockingTransport, block_on
from airflow_provider_modelarts.transport.config import TransportConfig

__all__ = ["BlockingTransport", "TransportConfig", "block_on"]
