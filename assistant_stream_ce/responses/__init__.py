"""Web responses: the same four names in each module, and each module imports exactly its framework."""
