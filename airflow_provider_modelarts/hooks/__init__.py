"""Hooks: Airflow connections, and the clients that they describe."""
