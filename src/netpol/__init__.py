"""Replay recorded network flows against Kubernetes network policies."""

__version__ = "0.1.0"
