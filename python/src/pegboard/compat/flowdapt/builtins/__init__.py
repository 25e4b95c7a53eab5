"""Helpers for stages over frames."""
