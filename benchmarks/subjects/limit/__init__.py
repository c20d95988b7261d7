"""The limit: what any library that is used in this place costs at least."""
