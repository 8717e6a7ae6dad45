"""The API client of ModelArts. It imports neither Airflow nor an I/O library, and its clock is passed in."""
