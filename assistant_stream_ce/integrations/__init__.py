"""Adapters for model SDKs and HTTP clients. None imports its package; objects are inspected instead."""
