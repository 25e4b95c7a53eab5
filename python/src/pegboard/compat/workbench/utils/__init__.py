"""Small things that plugins import by name."""
