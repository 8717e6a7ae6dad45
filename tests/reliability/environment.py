"""Under which circumstances a figure was measured."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone
from importlib.metadata import version

import sqlalchemy


def describe_environment(database: str) -> str:
    """Return a line with the date, the machine and the versions, that of the database included."""
    with sqlalchemy.create_engine(database, poolclass=sqlalchemy.NullPool).connect() as connection:
        server = connection.execute(sqlalchemy.text("SHOW server_version")).scalar_one()
    today = datetime.now(timezone.utc)
    return (
        f"{today.day} {today:%B %Y}, {os.cpu_count()} cores: Airflow {version('apache-airflow')}, "
        f"PostgreSQL {server.split()[0]}, Python {platform.python_version()}, "
        f"provider {version('airflow-provider-modelarts')}."
    )
