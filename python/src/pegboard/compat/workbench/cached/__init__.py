"""Artifacts whose answers are kept until the artifact changes."""
