"""Runs stages on this machine: what plugins' tests use, and what a script may use without a server."""

from __future__ import annotations

from ...cluster_memory.local import LocalClusterMemory
from .executor import LocalExecutor

__all__ = ["LocalClusterMemory", "LocalExecutor"]
