"""Web responses: the same names in each module, and each module imports exactly its framework."""
