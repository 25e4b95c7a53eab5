"""Foreign plugin APIs, one folder each. Their top-level names are installed into plugin environments by wheels of their own."""
