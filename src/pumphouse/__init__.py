"""Move workloads from an old OpenStack cloud to a new one, and the hosts after them."""

__version__ = "0.1.0"
