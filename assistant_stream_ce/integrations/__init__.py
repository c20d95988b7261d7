"""Helpers for packages that callbacks use. Nothing here imports those packages; objects are inspected instead."""
