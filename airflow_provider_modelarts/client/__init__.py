"""ModelArts as values and one conversation: no Airflow, no socket, no clock of its own."""
