"""Errors of workflow runs."""

from __future__ import annotations

__all__ = ["WorkflowExecutionError"]


class WorkflowExecutionError(Exception):
    """A run failed for a reason that is not an exception of its code, such as a lost worker."""
