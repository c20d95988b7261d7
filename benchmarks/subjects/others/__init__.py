"""Libraries for one part of the work, where they have it."""
