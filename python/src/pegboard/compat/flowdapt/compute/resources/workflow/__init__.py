"""Workflows, as far as stage code sees them."""
