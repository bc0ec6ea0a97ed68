"""How Pumphouse runs in Prefect: server, worker, deployments, and what they need there."""

POOL = "pumphouse"
"""Name of the work pool whose workers run our flows."""
