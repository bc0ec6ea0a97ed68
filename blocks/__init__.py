"""Saved configuration: how to reach a cloud, and the limits of a run."""
