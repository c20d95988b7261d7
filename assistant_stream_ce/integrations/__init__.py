"""Helpers for the packages that callbacks call. Nothing here imports those packages: it asks what it is given."""

__all__ = ()
