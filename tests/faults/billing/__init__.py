"""Proof that a submission is billed once: real Airflow, real operators, a service that keeps a ledger, faults.

``uv run python -m tests.faults.billing`` runs all of it; ``tests/faults/test_billing.py`` a part in CI.
"""
