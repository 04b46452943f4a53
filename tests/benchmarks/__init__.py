"""Benchmarks, run by hand: ``python -m tests.benchmarks.NAME``. No test looks at the clock."""
