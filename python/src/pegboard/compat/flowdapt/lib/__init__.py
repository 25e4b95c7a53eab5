"""Library modules that plugins import."""
