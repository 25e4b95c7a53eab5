"""Forecasts water levels."""

__version__ = "0.2.0"
