"""Apache Airflow provider for CheckNumber and eKYC Pro, two services that check long lists of numbers."""

__version__ = "0.1.0"
