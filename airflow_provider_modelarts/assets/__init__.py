"""Assets of Airflow, and lineage."""
