"""Save ModelArts notebooks as container images from Airflow, on Huawei Cloud and Open Telekom Cloud."""

__version__ = "0.1.0"
