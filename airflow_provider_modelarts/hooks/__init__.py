"""Airflow's side of the conversation: connections, and the hook that opens them."""
