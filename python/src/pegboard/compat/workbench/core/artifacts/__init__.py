"""Data sources, feature sets, models and endpoints of the catalog."""
