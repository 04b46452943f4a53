"""The service on localhost: for trying the provider, demonstrating it and testing with it.

An independent statement of the service's contract: nothing of the provider's client is used here, so that
the one can be held against the other. It keeps nothing when it ends, bills nobody, and makes its answers up.

Start it with ``checknumber-sandbox --port 8787``, or in a test with ``with Sandbox(...) as sandbox:``.
"""

from __future__ import annotations

from airflow_provider_checknumber.sandbox.faults import FaultError
from airflow_provider_checknumber.sandbox.server import Sandbox
from airflow_provider_checknumber.sandbox.settings import SandboxSettings

__all__ = ["FaultError", "Sandbox", "SandboxSettings"]
