"""The tests; a package, so that the benchmarks and fault runs among them start with ``python -m tests.…``."""
