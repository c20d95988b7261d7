"""Runs every code block of the README, of CONTRIBUTING and of the documentation."""
