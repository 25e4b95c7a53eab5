"""Built-in components, which plugin pages embed and plugins derive from."""
