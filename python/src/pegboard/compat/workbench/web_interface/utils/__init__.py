"""Callbacks that pages share."""
